//! `kinwall helpers`: the table of helpers and their degrees of freedom, as built.

use crate::args::Format;
use crate::failure::Failure;
use clap::Args;
use kinwall_helpers::manual::{COLUMNS, TableRow, table};
use kinwall_helpers::{Helper, HelperKind};
use serde_json::json;
use std::io::Write;

/// Show the helpers: what they read, and what a payload may choose of what they open
#[derive(Args, Debug)]
pub(crate) struct HelpersArgs {
    /// Explain this helper
    name: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command.
pub(crate) fn run(args: HelpersArgs) -> Result<(), Failure> {
    let kind = args.name.as_deref().map(by_name).transpose()?;
    let rows = table(kind);
    let mut out = anstream::stdout().lock();
    match (args.format, kind) {
        (Format::Json, _) => {
            for row in &rows {
                writeln!(out, "{}", as_json(row))?;
            }
        }
        (Format::Text, None) => print_table(&mut out, &rows)?,
        (Format::Text, Some(kind)) => {
            explain(&mut out, kind.helper())?;
            print_table(&mut out, &rows)?;
        }
    }
    Ok(())
}

fn by_name(name: &str) -> Result<HelperKind, Failure> {
    HelperKind::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = HelperKind::ALL.iter().map(|kind| kind.helper().name).collect();
        Failure::Usage(format!("no helper is called `{name}`; there are {}", names.join(", ")))
    })
}

fn as_json(row: &TableRow) -> serde_json::Value {
    let cells: serde_json::Map<String, serde_json::Value> = COLUMNS
        .iter()
        .zip(row.cells.iter().zip(&row.document))
        .map(|(column, (cell, document))| {
            let name = column.to_lowercase().replace(' ', "_");
            (name, json!({ "value": cell, "document": document }))
        })
        .collect();
    json!({
        "type": "helper",
        "helper": row.helper,
        "announcement": row.announcement,
        "options": row.options,
        "default": row.is_default,
        "families": row.families.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "profiles": row.profiles.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "announcer": row.announcer,
        "freedom": cells,
        "class": row.class,
        "limit": row.limit,
        "timeout": row.timeout_s,
    })
}

/// One block a row: the source document's table is too wide for a terminal.
fn print_table(out: &mut impl Write, rows: &[TableRow]) -> std::io::Result<()> {
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
    writeln!(out, "Fixed: taken from the connection, no candidate for forgery.")?;
    writeln!(out, "In CMD: read from the payload, a candidate for forgery.")?;
    if differs {
        let legend = "[document: ...]: the cell of \"Secure use of iptables and connection \
                      tracking helpers\", where the kernel, and kinwall, do otherwise.";
        for line in wrap(legend, 80) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn explain(out: &mut impl Write, helper: &Helper) -> std::io::Result<()> {
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
        for line in wrap(text, 76) {
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
    if !helper.options.is_empty() {
        writeln!(out, "\n{bold}Options of {}{bold:#}", helper.module)?;
        for option in helper.options {
            writeln!(out, "    {} = {}", option.name, option.default)?;
            for line in wrap(option.doc, 72) {
                writeln!(out, "        {line}")?;
            }
        }
    }
    writeln!(out)
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
