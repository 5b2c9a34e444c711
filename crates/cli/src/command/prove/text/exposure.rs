//! Exposure, for people: by signalling connection, who could open what.

use super::super::Found;
use super::super::remedy::Remedy;
use super::{BAD, BOLD, DIM, GOOD, ODD, because, list, undecided, witness};
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_prove::addresses::AddressRange;
use kinwall_prove::exposure::{Exposure, Flows, Hostile, Peer, Signalling};
use kinwall_terms::{InterfaceName, L4Proto};
use std::io::Write;

/// Prints what hostile peers could open.
pub(super) fn print(rules: &Rules, found: &Found<'_>) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{BOLD}{}: exposure{BOLD:#}", found.family)?;
    if found.exposures.is_empty() {
        writeln!(out, "  {GOOD}none: proved{GOOD:#}")?;
        missing(&mut out, found)?;
        return Ok(out.flush()?);
    }
    for who in Hostile::ALL {
        if found.exposures.iter().any(|exposure| exposure.hostile == who) {
            writeln!(out, "  {DIM}a hostile {} {}{DIM:#}", who.name(), who.powers())?;
        }
    }
    let mut left: Vec<(usize, &Exposure)> = found.exposures.iter().enumerate().collect();
    while let Some((_, first)) = left.first().copied() {
        writeln!(out, "  {}", signalling(found, first.helper, &first.signalling))?;
        let same = |other: &Exposure| {
            (other.helper, &other.signalling) == (first.helper, &first.signalling)
        };
        for (at, exposure) in left.iter().filter(|(_, other)| same(other)) {
            opened(&mut out, rules, found, exposure)?;
            if let Some(compared) = &found.compared {
                let by = compared.wanted_by.get(*at).map_or(&[][..], Vec::as_slice);
                match by {
                    [] => writeln!(out, "            {BAD}no intent wants it{BAD:#}")?,
                    by => writeln!(out, "            {GOOD}intended{GOOD:#}: {}", by.join(", "))?,
                }
            }
            if let Some(shown) = found.exposures_shown.get(*at) {
                writeln!(out, "            {}", witness(shown))?;
            }
            if let Some(remedy) = found.remedies.get(*at) {
                closed(&mut out, remedy)?;
            }
        }
        left.retain(|(_, other)| !same(other));
    }
    missing(&mut out, found)?;
    Ok(out.flush()?)
}

/// What intents want and is not open.
fn missing(out: &mut dyn Write, found: &Found<'_>) -> std::io::Result<()> {
    for one in found.compared.iter().flat_map(|compared| &compared.missing) {
        let intents = one.intents.join(", ");
        let child = flows(&one.child);
        writeln!(
            out,
            "  {ODD}not open{ODD:#}, by {}: {child} {DIM}(intended: {intents}){DIM:#}",
            one.helper
        )?;
    }
    Ok(())
}

fn opened(
    out: &mut dyn Write,
    rules: &Rules,
    found: &Found<'_>,
    exposure: &Exposure,
) -> std::io::Result<()> {
    let (style, verb) = if exposure.certain { (BAD, "opens") } else { (ODD, "may open") };
    let who = exposure.hostile.name();
    writeln!(out, "    {who:7} {style}{verb}{style:#} {}", flows(&exposure.child))?;
    let because = because(rules, found, &exposure.rules);
    writeln!(out, "            {DIM}by {because}{DIM:#}")?;
    if !exposure.translated_by.is_empty() {
        let by = super::because(rules, found, &exposure.translated_by);
        writeln!(out, "            {DIM}translated by {by}{DIM:#}")?;
    }
    for question in undecided(rules, found, &exposure.undecided) {
        writeln!(out, "            {DIM}depends on {question}{DIM:#}")?;
    }
    Ok(())
}

/// What closes it, and what is left.
fn closed(out: &mut dyn Write, remedy: &Remedy) -> std::io::Result<()> {
    for line in &remedy.lines {
        writeln!(out, "            closed by {line}")?;
    }
    if remedy.after.is_empty() {
        return writeln!(out, "            {GOOD}after it: nothing, proved{GOOD:#}");
    }
    for left in &remedy.after {
        writeln!(out, "            {ODD}after it:{ODD:#} {}", flows(left))?;
    }
    Ok(())
}

/// `ftp on tcp eth1 10.1.0.0/24 > eth0 0.0.0.0/0 port 21`.
fn signalling(found: &Found<'_>, helper: u8, signalling: &Signalling) -> String {
    let name = |helper: u8| name_of(found, helper);
    let Signalling { from, to, dport, parent, .. } = signalling;
    let announced = parent.map(|by| format!(", announced by {}", name(by))).unwrap_or_default();
    format!(
        "{BOLD}{}{BOLD:#} on {} {} > {}{}{announced}",
        name(helper),
        proto(signalling.proto),
        peer(from),
        peer(to),
        ports("port", dport),
    )
}

/// The name of a helper instance.
pub(in super::super) fn name_of(found: &Found<'_>, helper: u8) -> String {
    let instance = found.reach.given.instances.get(helper);
    instance.map_or("", |instance| instance.name.as_str()).to_owned()
}

pub(in super::super) fn flows(flows: &Flows) -> String {
    let but_new = if flows.but_new { " (but for what passes as NEW)" } else { "" };
    let home = if flows.at_home { " (as far as it lives there)" } else { "" };
    format!(
        "{} {}{home}{} > {}{}{but_new}",
        proto(flows.proto),
        end(flows.input, &flows.src),
        ports("port", &flows.sport),
        end(flows.output, &flows.dst),
        ports("port", &flows.dport),
    )
}

fn proto(proto: Option<L4Proto>) -> String {
    proto.map_or("any other protocol".to_owned(), |proto| proto.to_string())
}

fn peer(peer: &Peer) -> String {
    match peer.interfaces.as_slice() {
        [one] => end(*one, &peer.addresses),
        _ => list(peer.addresses.iter().map(ToString::to_string)),
    }
}

fn end(interface: Option<InterfaceName>, addresses: &[AddressRange]) -> String {
    let name = interface.map_or("the gateway".to_owned(), |name| name.to_string());
    format!("{name} {}", list(addresses.iter().map(ToString::to_string)))
}

/// ` port 21`, ` port 1024-65535`; nothing where every port is meant.
fn ports(what: &str, ranges: &[(u16, u16)]) -> String {
    if ranges == [(0, u16::MAX)] {
        return if what.is_empty() { String::new() } else { " any port".to_owned() };
    }
    let text = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    format!(" {what} {}", text.collect::<Vec<_>>().join(","))
}
