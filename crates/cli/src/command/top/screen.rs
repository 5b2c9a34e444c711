//! What is on the screen: the latest answers, and what was chosen by keys.

use super::ask::{Facts, News, Wanted};
use super::rows;
use crate::control::filter::Filter;
use clap::Parser;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Events of expectations that are kept, at most: the oldest make room.
const EVENTS_MAX: usize = 1_000;

/// Rows that a page moves.
const PAGE: usize = 20;

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    #[default]
    Overview,
    Connections,
    Expectations,
    Helpers,
    Rules,
}

impl Tab {
    pub(super) const ALL: [(Tab, &'static str); 5] = [
        (Tab::Overview, "overview"),
        (Tab::Connections, "connections"),
        (Tab::Expectations, "expectations"),
        (Tab::Helpers, "helpers"),
        (Tab::Rules, "rules"),
    ];

    fn by(self, steps: usize) -> Tab {
        Tab::ALL[(self as usize + steps) % Tab::ALL.len()].0
    }
}

/// The order of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// As they stand in the table.
    #[default]
    Table,
    /// Those that end soonest first.
    TimeLeft,
    /// Those that have carried most first.
    Bytes,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Table => "table",
            Sort::TimeLeft => "time left",
            Sort::Bytes => "bytes",
        }
    }
}

/// The screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub(super) tab: Tab,
    pub(super) sort: Sort,
    /// The first row that is shown.
    pub(super) first: usize,
    /// What rows must hold, as it was typed.
    pub(super) filter: String,
    /// Whether it is being typed.
    pub(super) is_typing: bool,
    /// What is wrong with it.
    pub(super) wrong: Option<String>,
    pub(super) is_paused: bool,
    pub(super) has_help: bool,
    /// Why the gateway does not answer.
    pub(super) gone: Option<String>,
    pub(super) wanted: Wanted,
    pub(super) interval_s: u32,
    pub(super) facts: Facts,
    /// The answers before, which rates are taken from.
    pub(super) before: Option<Facts>,
    /// What became of expectations, newest first.
    pub(super) events: VecDeque<(f64, Value)>,
    /// By helper: expectations born, and used.
    pub(super) born: BTreeMap<String, [u64; 2]>,
    /// Events that the gateway could not tell.
    pub(super) lost: u64,
}

impl Screen {
    pub(super) fn new(interval_s: u32) -> Screen {
        let mut screen = Screen { interval_s, ..Screen::default() };
        screen.want();
        screen
    }

    /// Takes news in.
    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Facts(facts) => {
                let began_anew = seconds(&facts.stats) < seconds(&self.facts.stats);
                let before = std::mem::replace(&mut self.facts, *facts);
                // Counters of another process are no beginning for a rate.
                self.before = (!before.stats.is_null() && !began_anew).then_some(before);
                self.gone = None;
                self.first = self.first.min(rows::count(self).saturating_sub(1));
            }
            News::Event(_, value) if value["type"] == "lost" => {
                self.lost += value["events"].as_u64().unwrap_or(0);
            }
            News::Event(at_s, value) => {
                let helper = value["helper"].as_str().unwrap_or_default().to_owned();
                match value["event"].as_str() {
                    Some("new") => self.born.entry(helper).or_default()[0] += 1,
                    Some("matched") => self.born.entry(helper).or_default()[1] += 1,
                    _ => {}
                }
                self.events.push_front((at_s, *value));
                self.events.truncate(EVENTS_MAX);
            }
            News::Gone(why) => self.gone = Some(why),
        }
    }

    /// Does what a key asks for. True: it is over.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return matches!(key.code, KeyCode::Char('c'));
        }
        if self.is_typing {
            self.type_filter(key.code);
            return false;
        }
        match key.code {
            KeyCode::Char('q') => return true,
            KeyCode::Char('?') => self.has_help = !self.has_help,
            KeyCode::Esc if self.has_help => self.has_help = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.want();
            }
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Table => Sort::TimeLeft,
                    Sort::TimeLeft => Sort::Bytes,
                    Sort::Bytes => Sort::Table,
                };
            }
            KeyCode::Char(digit @ '1'..='5') => {
                self.show(Tab::ALL[usize::from(digit as u8 - b'1')].0);
            }
            KeyCode::Right | KeyCode::Tab => self.show(self.tab.by(1)),
            KeyCode::Left | KeyCode::BackTab => self.show(self.tab.by(Tab::ALL.len() - 1)),
            KeyCode::Up => self.first = self.first.saturating_sub(1),
            KeyCode::PageUp => self.first = self.first.saturating_sub(PAGE),
            KeyCode::Home => self.first = 0,
            KeyCode::Down => self.go_down(1),
            KeyCode::PageDown => self.go_down(PAGE),
            KeyCode::End => self.go_down(usize::MAX),
            _ => {}
        }
        false
    }

    fn go_down(&mut self, rows: usize) {
        self.first = self.first.saturating_add(rows).min(rows::count(self).saturating_sub(1));
    }

    fn show(&mut self, tab: Tab) {
        if tab == self.tab {
            return;
        }
        self.tab = tab;
        self.first = 0;
        // It was meant for the other list.
        self.filter.clear();
        self.want();
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char(one) => self.filter.push(one),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            _ => {}
        }
        self.first = 0;
        // The gateway is asked when all of it is typed.
        if !self.is_typing {
            self.want();
        }
    }

    /// Whether the filter is for the gateway: options as `kinwall ctl connections` has them.
    pub(super) fn filter_is_options(&self) -> bool {
        self.filter.trim_start().starts_with('-')
    }

    /// Makes up what is to be asked for what is shown.
    fn want(&mut self) {
        self.wrong = None;
        let filter = match self.filter_is_options() && self.tab == Tab::Connections {
            true => options(&self.filter),
            false => Ok(Filter::default()),
        };
        let filter = filter.unwrap_or_else(|wrong| {
            self.wrong = Some(wrong);
            Filter::default()
        });
        let lists = matches!(self.tab, Tab::Overview | Tab::Connections);
        self.wanted = Wanted {
            connections: lists.then_some(filter),
            helpers: self.tab == Tab::Helpers,
            rules: self.tab == Tab::Rules,
        };
    }
}

/// A filter in the words of `kinwall ctl connections`.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Options {
    #[command(flatten)]
    filter: Filter,
}

fn options(text: &str) -> Result<Filter, String> {
    let parsed = Options::try_parse_from(text.split_whitespace());
    parsed.map(|options| options.filter).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    })
}

fn seconds(stats: &Value) -> u64 {
    stats["seconds"].as_u64().unwrap_or(0)
}
