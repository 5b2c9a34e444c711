//! One helper: what it reads, opens and costs, how to use it, and its rows one by one.

use kinwall_helpers::Helper;
use kinwall_helpers::helper::PortsOption;
use kinwall_helpers::manual::{COLUMNS, TableRow};
use std::io::{self, Write};

/// Prints the helper, and its rows.
pub(super) fn print(out: &mut impl Write, helper: &Helper, table: &[TableRow]) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let manual = &helper.manual;
    writeln!(out, "{bold}{}{bold:#}: {}\n", helper.name, manual.about)?;
    for (title, text) in [
        ("Reads", manual.reads),
        ("Opens", manual.opens),
        ("Costs", manual.costs),
        ("Secure use", manual.secure_use),
    ] {
        writeln!(out, "{bold}{title}{bold:#}")?;
        for line in super::wrap(text, 76) {
            writeln!(out, "    {line}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{bold}Rules{bold:#}")?;
    for rule in manual.rules {
        // As a shell takes them.
        let parts = rule.replace(" -", "\n-");
        let mut column = 4;
        write!(out, "    ")?;
        for (at, part) in parts.lines().enumerate() {
            if at > 0 && column + part.len() + 3 > 80 {
                write!(out, " \\\n        ")?;
                column = 8;
            } else if at > 0 {
                write!(out, " ")?;
                column += 1;
            }
            write!(out, "{part}")?;
            column += part.len();
        }
        writeln!(out)?;
    }
    options(out, helper)?;
    guard(out, helper)?;
    rows(out, table)
}

/// The options of the helper's module.
fn options(out: &mut impl Write, helper: &Helper) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let named = match helper.ports_option {
        PortsOption::None => None,
        PortsOption::NamedByPort => Some("port"),
        PortsOption::NamedByIndex => Some("place in the list"),
    };
    if named.is_none() && helper.options.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{bold}Options of {}{bold:#}", helper.module)?;
    if let (Some(named), Some(port)) = (named, helper.default_port) {
        writeln!(out, "    ports = {port}")?;
        let doc = format!(
            "The ports it is registered for, up to 8. On another than {port} its name ends in \
             its {named}, and rules must say so."
        );
        for line in super::wrap(&doc, 72) {
            writeln!(out, "        {line}")?;
        }
    }
    for option in helper.options {
        writeln!(out, "    {} = {}", option.name, option.default)?;
        for line in super::wrap(option.doc, 72) {
            writeln!(out, "        {line}")?;
        }
    }
    Ok(())
}

/// What the helper must never expect.
fn guard(out: &mut impl Write, helper: &Helper) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let (name, defaults) = (helper.name, &helper.guard);
    let off = |number: u32| if number == 0 { "0 (off)".to_owned() } else { number.to_string() };
    writeln!(out, "\n{bold}Guard{bold:#} (as strict begins; in linux it is off until it is set)")?;
    let limits = [
        ("min_port", off(defaults.min_port.into()), "no destination port below it"),
        ("peer_only", u32::from(defaults.peer_only).to_string(), "no address but the sender's own"),
        ("networks", String::new(), "no destination outside of them"),
        ("per_master", off(defaults.per_master), "no more pending for one connection"),
        ("per_peer", off(defaults.per_peer), "no more pending for one announcer"),
        ("no_mangle", off(defaults.no_mangle.into()), "translated, the payload stays as it is"),
    ];
    for (limit, value, what) in limits {
        writeln!(out, "    {:<34} {what}", format!("guard.{name}.{limit} = {value}"))?;
    }
    writeln!(out)
}

/// One block a row: the source document's table is too wide for a terminal.
fn rows(out: &mut impl Write, rows: &[TableRow]) -> io::Result<()> {
    let mut differs = false;
    for row in rows {
        let options = match row.options.as_str() {
            "" => String::new(),
            options if row.is_default => format!("   {options} (default)"),
            options => format!("   {options}"),
        };
        // A row of both profiles needs no word about them.
        let profile = match row.profiles {
            [only] => format!("   {only} profile only"),
            _ => String::new(),
        };
        let families: Vec<String> = row.families.iter().map(ToString::to_string).collect();
        let bold = anstyle::Style::new().bold();
        writeln!(out, "{bold}{}{bold:#}  {}{options}{profile}", row.helper, row.announcement)?;
        writeln!(
            out,
            "    announced by {}, {}; at most {} for {} s",
            row.announcer,
            families.join(" and "),
            row.limit,
            row.timeout_s
        )?;
        for ((column, cell), document) in COLUMNS.iter().zip(&row.cells).zip(&row.document) {
            match document {
                None => writeln!(out, "    {column:<20} {cell}")?,
                Some(document) => {
                    differs = true;
                    writeln!(out, "    {column:<20} {cell:<22} [document: {document}]")?;
                }
            }
        }
        writeln!(out)?;
    }
    super::legend(out)?;
    if differs {
        let legend = "[document: ...]: the cell of \"Secure use of iptables and connection \
                      tracking helpers\", where the kernel, and kinwall, do otherwise.";
        for line in super::wrap(legend, 80) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
