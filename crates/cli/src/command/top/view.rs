//! The screen, drawn: a function of what is on it.

use super::ask::LISTED_MAX;
use super::rows::{self, elapsed_s};
use super::screen::{Screen, Tab};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, Tabs, Wrap};
use serde_json::Value;
use std::collections::BTreeMap;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// What the keys do.
const HELP: &str = "\
1 to 5, Tab, <- ->   what is shown
up, down, PgUp, PgDn, Home, End   move in a list
/    filter a list: a text that rows hold, or for connections
     options as of `kinwall ctl connections`: -p tcp --dport 21
Esc  no filter
s    sort connections: as in the table, by time left, by bytes
p    pause, and go on
?    this help
q    end";

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let rows = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [head, body, foot] = Layout::vertical(rows).areas(frame.area());
    let names = Tab::ALL.iter().enumerate().map(|(at, (_, name))| format!("{} {name}", at + 1));
    let tabs = Tabs::new(names).select(screen.tab as usize).highlight_style(REVERSED);
    frame.render_widget(tabs, head);
    match screen.tab {
        Tab::Overview => overview(frame, body, screen),
        _ => list(frame, body, screen),
    }
    frame.render_widget(Paragraph::new(status(screen)), foot);
    if screen.has_help {
        help(frame, body);
    }
}

/// The last line: what is wrong, what is typed, or what there is to know.
fn status(screen: &Screen) -> Line<'static> {
    let alarm = |text: String| Line::styled(text, REVERSED);
    if screen.is_typing {
        return Line::from(format!("/{}_", screen.filter));
    }
    if let Some(why) = &screen.gone {
        return alarm(format!("{why} (asked again every {} s)", screen.interval_s));
    }
    if let Some(wrong) = &screen.wrong {
        return alarm(format!("filter: {wrong}"));
    }
    let mut parts = Vec::new();
    if screen.is_paused {
        parts.push(String::from("PAUSED"));
    }
    if !screen.filter.is_empty() {
        parts.push(format!("filter: {}", screen.filter));
    }
    match screen.tab {
        Tab::Connections => {
            parts.push(format!("sorted by {}", screen.sort.name()));
            let counted = screen.facts.connections.iter().any(|one| !one["counters"].is_null());
            if !counted && !screen.facts.connections.is_empty() {
                parts.push(String::from("bytes are not counted (nf_conntrack_acct = 0)"));
            }
        }
        Tab::Helpers => parts.push(String::from("* since this screen began")),
        _ => {}
    }
    if screen.facts.is_cut {
        parts.push(format!("the first {LISTED_MAX} connections"));
    }
    if screen.lost > 0 {
        parts.push(format!("{} events were lost", screen.lost));
    }
    parts.push(String::from("? help  q end"));
    Line::from(parts.join(" | "))
}

fn list(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let list = rows::list(screen);
    let widths = list.columns.iter().map(|(_, width)| match width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(*width),
    });
    let names = list.columns.iter().map(|(name, _)| Cell::from(*name));
    let room = usize::from(area.height);
    let shown = list.rows.into_iter().skip(screen.first).take(room).map(Row::new);
    let table = Table::new(shown, widths).header(Row::new(names).style(BOLD));
    frame.render_widget(table, area);
}

fn overview(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let halves = [Constraint::Percentage(50), Constraint::Percentage(50)];
    let [left, right] = Layout::horizontal(halves).spacing(2).areas(area);
    let mut lines = table_lines(screen);
    lines.extend(kinds(screen));
    frame.render_widget(Paragraph::new(lines), left);
    frame.render_widget(Paragraph::new(losses(screen)), right);
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// How fast a count grows, a second.
fn rate(screen: &Screen, of: impl Fn(&Value) -> u64) -> Option<f64> {
    let before = screen.before.as_ref()?;
    let more = of(&screen.facts.stats).saturating_sub(of(&before.stats));
    Some(more as f64 / elapsed_s(&screen.facts, before)?)
}

fn row(name: &str, count: u64, a_second: Option<f64>) -> Line<'static> {
    let rate = a_second.map_or(String::new(), |rate| format!("{rate:>10.1}/s"));
    Line::from(format!("{name:<22}{count:>12}{rate}"))
}

/// Connections, expectations and packets.
fn table_lines(screen: &Screen) -> Vec<Line<'static>> {
    let stats = &screen.facts.stats;
    let (count, max) = (number(&stats["connections"]), number(&stats["connections_max"]));
    let share = (count * 100).checked_div(max).unwrap_or(0);
    let counted = |key: &'static str| {
        row(&key.replace('_', " "), number(&stats[key]), rate(screen, |stats| number(&stats[key])))
    };
    let mut lines = vec![
        Line::styled(format!("up for {} s", number(&stats["seconds"])), BOLD),
        Line::from(format!("{:<22}{count:>12} of {max} ({share} %)", "connections")),
        row("new", number(&stats["confirmed"]), rate(screen, |stats| number(&stats["confirmed"]))),
        row("expectations", number(&stats["expectations"]), None),
    ];
    let events = ["expectations_created", "expectations_matched", "expectations_refused"];
    lines.extend(events.map(counted));
    lines.push(row("bytes of tables", number(&stats["table_bytes"]), None));
    lines.push(Line::default());
    lines.push(Line::styled("packets", BOLD));
    for key in ["arrived", "passed", "dropped", "refused", "strayed"] {
        let of = |stats: &Value| number(&stats["packets"][key]);
        lines.push(row(key, of(stats), rate(screen, of)));
    }
    lines
}

/// The connections by protocol and state.
fn kinds(screen: &Screen) -> Vec<Line<'static>> {
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for one in &screen.facts.connections {
        let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        *kinds.entry(format!("{} {}", word("proto"), word("state"))).or_default() += 1;
    }
    let head = [Line::default(), Line::styled("connections by protocol and state", BOLD)];
    head.into_iter().chain(kinds.iter().map(|(name, count)| row(name, *count, None))).collect()
}

/// What was dropped, taken for invalid, or not believed, and why: the most first.
fn losses(screen: &Screen) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (key, head) in [
        ("dropped", "dropped by tracking and helpers"),
        ("invalid", "packets of no connection (INVALID)"),
        ("doubts", "payloads not believed"),
        ("ended", "connections ended"),
    ] {
        lines.push(Line::styled(head, BOLD));
        let reasons = screen.facts.stats[key].as_object();
        let mut reasons: Vec<(&String, u64)> =
            reasons.into_iter().flatten().map(|(name, count)| (name, number(count))).collect();
        reasons.retain(|(_, count)| *count > 0);
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if reasons.is_empty() {
            lines.push(Line::from("none"));
        }
        lines.extend(reasons.into_iter().map(|(name, count)| {
            row(name, count, rate(screen, |stats| number(&stats[key][name.as_str()])))
        }));
        lines.push(Line::default());
    }
    lines.push(Line::from("what rules drop: 5 rules"));
    lines
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(70);
    let height = area.height.min(HELP.lines().count() as u16 + 2);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let area = Rect { x, y, width, height };
    frame.render_widget(Clear, area);
    let text = Paragraph::new(HELP).wrap(Wrap { trim: false });
    frame.render_widget(text.block(Block::bordered().title("keys")), area);
}
