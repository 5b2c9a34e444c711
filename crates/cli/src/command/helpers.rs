//! `kinwall helpers`: the table of helpers and their degrees of freedom, as built; and one helper
//! explained.

mod explain;
mod overview;

use crate::args::Format;
use crate::failure::Failure;
use clap::Args;
use kinwall_helpers::HelperKind;
use kinwall_helpers::manual::{COLUMNS, TableRow, table};
use serde_json::json;
use std::io::Write;

/// Show the helpers: what they read, and what a payload may choose of what they open
///
/// Without a name: the table of the document "Secure use of iptables and connection tracking
/// helpers" as it is built here, with the document's own cells where they differ. With a name:
/// what that helper reads, what it opens and when, what it costs, how to use it securely, with
/// the rules to write and the options of its module.
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
        (Format::Text, None) => overview::print(&mut out, &rows)?,
        (Format::Text, Some(kind)) => explain::print(&mut out, kind.helper(), &rows)?,
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

/// What the words of the cells mean.
fn legend(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "Fixed: taken from the connection, no candidate for forgery.")?;
    writeln!(out, "In CMD: read from the payload, a candidate for forgery.")
}

/// `text` in lines of at most `width` columns.
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
