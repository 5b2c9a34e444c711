//! `--matrix`: who reaches whom with a service.

use super::svg::Picture;
use super::text::{flows as flows_said, name_of};
use super::{Found, ProveArgs, json};
use crate::args::Format;
use crate::failure::Failure;
use anstyle::Style;
use kinwall_prove::exposure::Flows;
use kinwall_prove::matrix::{Cell, Service};
use kinwall_terms::{Family, InterfaceName};
use serde_json::{Value, json};
use std::io::Write;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// A service, as it was typed.
pub(super) struct Wanted {
    text: String,
    pub(super) service: Service,
}

/// The services of the command line.
pub(super) fn read(args: &ProveArgs) -> Result<Vec<Wanted>, Failure> {
    let parse = |text: &String| {
        let service = Service::parse(text)
            .map_err(|wrong| Failure::Usage(format!("--matrix `{text}`: {wrong}")))?;
        Ok(Wanted { text: text.clone(), service })
    };
    args.matrix.iter().map(parse).collect()
}

/// Answers for one family, and draws it.
pub(super) fn answer(
    args: &ProveArgs,
    found: &mut Found<'_>,
    wanted: &[Wanted],
    picture: &mut Picture,
) -> Result<(), Failure> {
    for Wanted { text, service } in wanted {
        let cells = found.reach.matrix(service).map_err(super::too_large)?;
        let mut out = anstream::stdout().lock();
        if args.format == Format::Text {
            writeln!(out, "{BOLD}{}: {text}{BOLD:#}", found.family)?;
            if cells.is_empty() {
                writeln!(out, "  reaches nobody: proved")?;
            }
        }
        for ((from, to), cell) in &cells {
            match args.format {
                Format::Text => say(&mut out, found, (*from, *to), cell)?,
                Format::Json => {
                    let line = object(found, service, (*from, *to), cell);
                    writeln!(out, "{line}")?;
                }
            }
        }
        out.flush()?;
        picture.add(format!("{}: {text}", found.family), &cells);
    }
    Ok(())
}

fn say(
    out: &mut dyn Write,
    found: &Found<'_>,
    (from, to): (Option<InterfaceName>, Option<InterfaceName>),
    cell: &Cell,
) -> std::io::Result<()> {
    writeln!(out, "  {} > {}", place(from), place(to))?;
    let mut list = |what: &str, all: &[Flows]| -> std::io::Result<()> {
        for (at, one) in all.iter().enumerate() {
            let what = if at == 0 { what } else { "" };
            writeln!(out, "    {DIM}{what:<12}{DIM:#} {}", flows_said(one))?;
        }
        Ok(())
    };
    list("new", &cell.new)?;
    list("translated", &cell.translated)?;
    for (helper, all) in &cell.related {
        list(&format!("by {}", name_of(found, *helper)), all)?;
    }
    let announced = cell.related.iter().flat_map(|(_, all)| all);
    let first = cell.new.iter().chain(&cell.translated).chain(announced);
    match first.eq(&cell.established) {
        true if cell.established.is_empty() => Ok(()),
        true => writeln!(out, "    {DIM}established{DIM:#}  all of these, both ways"),
        false if cell.established.is_empty() => {
            writeln!(out, "    {DIM}established{DIM:#}  none: what follows passes one way at most")
        }
        false => list("established", &cell.established),
    }
}

fn place(interface: Option<InterfaceName>) -> String {
    interface.map_or("the gateway".to_owned(), |name| name.to_string())
}

fn object(
    found: &Found<'_>,
    service: &Service,
    (from, to): (Option<InterfaceName>, Option<InterfaceName>),
    cell: &Cell,
) -> Value {
    let all = |list: &[Flows]| list.iter().map(json::flows).collect::<Vec<_>>();
    let related = cell
        .related
        .iter()
        .map(|(helper, list)| json!({ "helper": name_of(found, *helper), "flows": all(list) }));
    json!({
        "type": "matrix",
        "family": family(found.family),
        "service": { "proto": service.proto.to_string(), "dport": [service.ports] },
        "from": from.map(|name| name.to_string()),
        "to": to.map(|name| name.to_string()),
        "new": all(&cell.new),
        "translated": all(&cell.translated),
        "related": related.collect::<Vec<_>>(),
        "established": all(&cell.established),
    })
}

fn family(family: Family) -> String {
    family.to_string()
}
