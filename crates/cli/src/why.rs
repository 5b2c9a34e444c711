//! The steps of a packet, told to a person.

use anstyle::{AnsiColor, Style};
use kinwall_conntrack::PacketCt;
use kinwall_engine::{AssignedBy, ConnectionFacts, Engine, Expecting, Outcome, Path, Step, Trace};
use kinwall_helpers::Note;
use kinwall_replay::output;
use kinwall_rules::eval::{self, Decision, Part, RuleId, Walk};
use kinwall_rules::print::{self, Line};
use kinwall_rules::program::Program;
use kinwall_rules::ruleset::Rule;
use kinwall_terms::{CtState, Family, InterfaceName, Manip, Reason, Verdict};
use kinwall_wire::Headers;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const ODD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));

/// The style a verdict is shown in.
pub(crate) fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Accept => GOOD,
        Verdict::Drop | Verdict::Reject(_) => BAD,
        Verdict::Queue(_) | Verdict::Unknown | Verdict::Consume => ODD,
    }
}

/// Writes the steps of one packet, one stage a line, rules indented below their chain. With
/// `every_rule` those that did not match are shown too, with the part that failed.
pub(crate) fn write(
    out: &mut impl Write,
    engine: &Engine,
    trace: &Trace,
    every_rule: bool,
) -> io::Result<()> {
    for step in &trace.steps {
        write_step(out, engine, step, every_rule)?;
    }
    Ok(())
}

/// A packet in a line: its ends, and where it came in.
pub(crate) fn headline(headers: &Headers, input: Option<InterfaceName>) -> String {
    let end = |address: IpAddr, port: Option<u16>| match port {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    };
    let ports = headers.ports();
    let src = end(headers.src, ports.map(|ports| ports.0));
    let dst = end(headers.dst, ports.map(|ports| ports.1));
    let ends = format!("{} {src} -> {dst}", headers.proto);
    match input {
        Some(input) => format!("{ends}, in by {input}"),
        None => ends,
    }
}

/// Writes the verdict, with its reason.
pub(crate) fn write_verdict(
    out: &mut impl Write,
    engine: &Engine,
    outcome: &Outcome,
) -> io::Result<()> {
    let style = style(outcome.verdict);
    write!(out, "  {style}{}{style:#}", outcome.verdict.name().to_uppercase())?;
    match outcome.verdict {
        Verdict::Reject(with) => write!(out, " with {}", with.name())?,
        Verdict::Queue(queue) => write!(out, " {queue}")?,
        _ => {}
    }
    match (outcome.path, outcome.out_iface) {
        (Path::Delivered, _) if outcome.verdict == Verdict::Accept => {
            write!(out, ": delivered to the gateway")?;
        }
        (_, Some(interface)) if outcome.verdict == Verdict::Accept => {
            write!(out, ": leaves by {interface}")?;
        }
        _ => {}
    }
    match outcome.reason.filter(|_| outcome.verdict != Verdict::Accept) {
        // That it was a rule is said by naming the rule.
        None | Some(Reason::Rule) => {}
        Some(Reason::ChainPolicy) => write!(out, ", by the chain's policy")?,
        Some(reason) => write!(out, ": {reason}")?,
    }
    if let Some(rule) = outcome.rule
        && let Some(place) = engine.program(rule.family).and_then(|p| p.reference(rule.rule))
    {
        write!(
            out,
            ", by {} {} rule {} (line {})",
            place.table, place.chain, place.number, place.line
        )?;
    }
    writeln!(out)
}

fn write_step(
    out: &mut impl Write,
    engine: &Engine,
    step: &Step,
    every_rule: bool,
) -> io::Result<()> {
    match step {
        Step::Reassembled { length } => {
            title(out, "fragments")?;
            writeln!(out, "the last one completed a datagram of {length} bytes")
        }
        Step::Chain { family, table, hook, walk, steps } => {
            let Some(program) = engine.program(*family) else { return Ok(()) };
            title(out, table.name())?;
            writeln!(out, "{hook}: {}", end_of(program, walk))?;
            write_walk(out, program, steps, every_rule)
        }
        Step::Tracked { ct, connection } => write_tracked(out, ct, connection.as_ref()),
        Step::Assigned { helper, by } => {
            title(out, "helper")?;
            let by = match by {
                AssignedBy::Rule => "by a CT rule",
                AssignedBy::Port => "by its port (nf_conntrack_helper=1)",
                AssignedBy::Expectation => "by the expectation that announced it",
            };
            writeln!(out, "{} assigned {by}", engine.helper_name(*helper))
        }
        Step::Routed { path, out: interface } => {
            title(out, "routing")?;
            match (path, interface) {
                (Path::Delivered, _) => writeln!(out, "to the gateway itself"),
                (_, Some(interface)) => writeln!(out, "leaves by {interface}"),
                (_, None) => writeln!(out, "through the gateway (no topology: no interface)"),
            }
        }
        Step::Helped { helper, notes, blind, expected, drop } => {
            let name = engine.helper_name(*helper);
            write_expected(out, name, expected)?;
            write_doubts(out, name, notes, *blind, *drop)
        }
        Step::Bound { .. }
        | Step::Translated { .. }
        | Step::Rewritten { .. }
        | Step::Adjusted { .. } => write_translation(out, engine, step),
        Step::Confirmed => {
            title(out, "confirm")?;
            writeln!(out, "the connection enters the table")
        }
    }
}

/// A step of address translation.
fn write_translation(out: &mut impl Write, engine: &Engine, step: &Step) -> io::Result<()> {
    match step {
        Step::Bound { manip, rule, to } => {
            title(out, "translation")?;
            let end = end(*manip);
            let rule = rule.and_then(|at| engine.program(at.family)?.reference(at.rule));
            match (rule, to) {
                (Some(rule), Some((address, port))) => {
                    write!(out, "{end} of the connection becomes {address} port {port}, ")?;
                    writeln!(out, "by {} {} (line {})", rule.chain, rule.number, rule.line)
                }
                (None, Some((address, port))) => writeln!(
                    out,
                    "{end} of the connection becomes {address} port {port}: another one has its own"
                ),
                (_, None) => writeln!(out, "{end} of the connection stays as it is"),
            }
        }
        Step::Translated { manip, to: (address, port) } => {
            title(out, "translation")?;
            writeln!(out, "{} of the packet is now {address} port {port}", end(*manip))
        }
        Step::Rewritten { pieces } => pieces.iter().try_for_each(|piece| {
            title(out, "payload")?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
            let (before, after) = (text(&piece.before), text(&piece.after));
            writeln!(out, "\"{before}\" is now \"{after}\", at byte {}", piece.offset)
        }),
        Step::Adjusted { seq, ack } => {
            title(out, "payload")?;
            writeln!(out, "sequence number {seq:+}, acknowledged {ack:+}: earlier payload changed")
        }
        _ => Ok(()),
    }
}

fn end(manip: Manip) -> &'static str {
    match manip {
        Manip::Source => "the source",
        Manip::Destination => "the destination",
    }
}

/// The stage at the beginning of a line.
fn title(out: &mut impl Write, name: &str) -> io::Result<()> {
    write!(out, "  {BOLD}{name:<11}{BOLD:#} ")
}

fn write_tracked(
    out: &mut impl Write,
    ct: &PacketCt,
    connection: Option<&ConnectionFacts>,
) -> io::Result<()> {
    title(out, "tracking")?;
    write!(out, "{}", ct.state)?;
    if let Some(reason) = ct.reason {
        write!(out, ": {reason}")?;
    }
    if let Some(connection) = connection {
        let how = if ct.new { "opens" } else { "belongs to" };
        write!(out, ", {how} connection {}, {}", connection.number, ct.direction)?;
        if let Some(announced) = connection.announced {
            write!(
                out,
                "\n{:14}child of connection {}, announced by packet {}, bytes {}..{}",
                "",
                connection.master.unwrap_or(0),
                announced.packet,
                announced.offset,
                announced.offset + announced.length
            )?;
        }
    } else if !matches!(ct.state, CtState::Invalid | CtState::Untracked) {
        write!(out, ", {} (presumed)", ct.direction)?;
    }
    writeln!(out)
}

fn write_expected(out: &mut impl Write, name: &str, expected: &[Expecting]) -> io::Result<()> {
    for expecting in expected {
        title(out, "helper")?;
        let wanted = output::Expecting(&expecting.expected);
        match expecting.made {
            Ok(number) => writeln!(out, "{name} expects {wanted} (expectation {number})")?,
            Err(reason) => {
                writeln!(out, "{name} proposed {wanted}: {BAD}refused, {reason}{BAD:#}")?;
            }
        }
    }
    Ok(())
}

/// What a helper did not believe, and what it made of that.
fn write_doubts(
    out: &mut impl Write,
    name: &str,
    notes: &[Note],
    blind: Option<Reason>,
    drop: Option<Reason>,
) -> io::Result<()> {
    for note in notes {
        title(out, "helper")?;
        let end = note.span.offset + note.span.length;
        writeln!(
            out,
            "{name} did not believe bytes {}..{end}: {ODD}{}{ODD:#}",
            note.span.offset, note.reason
        )?;
    }
    if let Some(reason) = blind {
        title(out, "helper")?;
        writeln!(out, "{name} reads no more of this connection: {ODD}{reason}{ODD:#}")?;
    }
    if let Some(reason) = drop {
        title(out, "helper")?;
        writeln!(out, "{name} has the packet dropped: {BAD}{reason}{BAD:#}")?;
    }
    Ok(())
}

fn end_of(program: &Program, walk: &Walk) -> String {
    let end = match walk.decision {
        Decision::Accept => "accept".to_owned(),
        Decision::Drop(_) => "drop".to_owned(),
        Decision::Reject(with) => format!("reject with {}", with.name()),
        Decision::Queue { num, .. } => format!("queue {num}"),
        Decision::Unknown => "unknown".to_owned(),
        Decision::Readdress => "another address".to_owned(),
    };
    match walk.rule.and_then(|rule| program.reference(rule)) {
        Some(place) => format!("{end}, by {} rule {}", place.chain, place.number),
        None => format!("{end}, by policy"),
    }
}

fn write_walk(
    out: &mut impl Write,
    program: &Program,
    trace: &eval::Trace,
    every_rule: bool,
) -> io::Result<()> {
    let mut depth = 0;
    for step in &trace.steps {
        let indent = "  ".repeat(depth + 2);
        match step {
            eval::Step::Missed(rule, part) if every_rule => {
                let remark = format!("not: {}", missed(program, *rule, *part));
                write_rule(out, &indent, DIM, '-', &show(program, *rule), &remark)?;
            }
            eval::Step::Missed(..) | eval::Step::Policy(_) => {}
            eval::Step::Matched(rule) => writeln!(out, "{indent}+ {}", show(program, *rule))?,
            eval::Step::Unknown(rule, part) => {
                let remark = format!("cannot be evaluated: {}", missed(program, *rule, *part));
                write_rule(out, &indent, ODD, '?', &show(program, *rule), &remark)?;
            }
            eval::Step::Assumed(rule, answer) => {
                let answer = if *answer { "match" } else { "no-match" };
                let remark = format!("assumed: {answer}");
                write_rule(out, &indent, ODD, '~', &show(program, *rule), &remark)?;
            }
            eval::Step::Enter(_) => depth += 1,
            eval::Step::Return(_) => depth = depth.saturating_sub(1),
        }
    }
    Ok(())
}

/// A rule with a remark: behind it where there is room, else below it.
fn write_rule(
    out: &mut impl Write,
    indent: &str,
    style: Style,
    mark: char,
    rule: &str,
    remark: &str,
) -> io::Result<()> {
    let together = indent.len() + rule.len() + remark.len() + 7;
    let between = match together <= WIDTH {
        true => "   ".to_owned(),
        false => format!("\n{indent}    "),
    };
    writeln!(out, "{indent}{style}{mark} {rule}{between}[{remark}]{style:#}")
}

/// Columns of a line in which a rule and a remark share it.
const WIDTH: usize = 80;

/// `FORWARD 4 (line 17): -p tcp ...`
fn show(program: &Program, id: RuleId) -> String {
    match (program.rule(id), program.reference(id)) {
        (Some(rule), Some(place)) => {
            format!(
                "{} {} (line {}): {}",
                place.chain,
                place.number,
                place.line,
                specification(rule)
            )
        }
        _ => String::new(),
    }
}

fn specification(rule: &Rule) -> String {
    if let Some(native) = &rule.native {
        return native.text.clone();
    }
    let mut line = Line::new("");
    print::specification(rule, &mut line);
    line.as_str().trim_start().to_owned()
}

fn missed(program: &Program, id: RuleId, part: Part) -> String {
    program.rule(id).map_or(String::new(), |rule| print::part(rule, part))
}

/// How many rules of a family and which chain policies were in force, in a line; for a packet of
/// a family without rules.
pub(crate) fn no_rules(engine: &Engine, family: Family) -> Option<String> {
    engine
        .program(family)
        .is_none()
        .then(|| format!("no {family} rules were given: everything passes them"))
}
