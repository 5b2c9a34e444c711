//! The table of helpers and their degrees of freedom, as built.

use crate::helper::Helper;
use crate::options::OptionValues;
use crate::registry::HelperKind;
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Family, Profile};

/// The columns that follow who announces: the source document's own.
pub const COLUMNS: [&str; 5] =
    ["Source address", "Source port", "Destination address", "Destination port", "Protocol"];

/// One row of the table, ready to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// The helper's name.
    pub helper: &'static str,
    /// The announcement.
    pub announcement: &'static str,
    /// `loose = 0`; empty: always.
    pub options: String,
    /// Whether those options are the defaults.
    pub is_default: bool,
    /// Families.
    pub families: &'static [Family],
    /// Profiles.
    pub profiles: &'static [Profile],
    /// `originator`, `responder`, `either end`, `the gateway`.
    pub announcer: &'static str,
    /// The cells, in the order of [`COLUMNS`].
    pub cells: [String; 5],
    /// The class's name.
    pub class: &'static str,
    /// Pending expectations per master at most, by default; 0: unlimited.
    pub limit: u8,
    /// Seconds an expectation lives, by default.
    pub timeout_s: u32,
    /// The source document's cell, where it says something else; `None`: it agrees, or has no
    /// such row.
    pub document: [Option<&'static str>; 5],
}

/// The table: every row of every helper, or of one.
pub fn table(only: Option<HelperKind>) -> Vec<TableRow> {
    let kinds = HelperKind::ALL.iter().filter(|kind| only.is_none_or(|only| only == **kind));
    let rows = |kind: &HelperKind| {
        let helper = kind.helper();
        helper.rows.iter().map(move |row| table_row(helper, row))
    };
    kinds.flat_map(rows).collect()
}

fn table_row(helper: &'static Helper, row: &'static Row) -> TableRow {
    let defaults = OptionValues::defaults(helper);
    let policy = helper.policy(row.class, &defaults);
    let fields = [row.src, row.sport, row.dst, row.dport];
    let [src, sport, dst, dport] = fields;
    let proto = match row.proto {
        ProtoField::Fixed(proto) => proto.to_string().to_uppercase(),
        ProtoField::Master => "Fixed (the connection's)".to_owned(),
    };
    let mut document = [None; 5];
    if let Some(cells) = row.document {
        for (i, (field, cell)) in fields.into_iter().zip(cells).enumerate() {
            document[i] = (!agrees(field, cell)).then_some(cell);
        }
        document[4] = cells.last().copied().filter(|cell| *cell != proto);
    }
    let options: Vec<String> =
        row.options.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    TableRow {
        helper: helper.name,
        announcement: row.announcement,
        options: options.join(", "),
        is_default: row.options.iter().all(|(name, value)| defaults.is(helper, name, value)),
        families: row.families,
        profiles: row.profiles,
        announcer: match row.announcer {
            Announcer::Originator => "originator",
            Announcer::Responder => "responder",
            Announcer::Either => "either end",
            Announcer::Gateway => "the gateway",
        },
        cells: [address(src), port(sport), address(dst), port(dport), proto],
        class: helper.classes.get(usize::from(row.class)).map_or("", |class| class.name),
        limit: policy.limit,
        timeout_s: policy.timeout_s,
        document,
    }
}

fn address(field: Field) -> String {
    match field {
        Field::Any => "Full".to_owned(),
        field => word(field),
    }
}

fn port(field: Field) -> String {
    match field {
        Field::Any => "0-65535".to_owned(),
        field => word(field),
    }
}

fn word(field: Field) -> String {
    match field {
        Field::Fixed(End::Sender) => "Fixed (sender's)".to_owned(),
        Field::Fixed(End::Receiver) => "Fixed (receiver's)".to_owned(),
        Field::Fixed(End::Originator) => "Fixed (originator's)".to_owned(),
        Field::Fixed(End::Responder) => "Fixed (responder's)".to_owned(),
        Field::Constant(number) => format!("Fixed ({number})"),
        Field::Payload => "In CMD".to_owned(),
        Field::PayloadRange(low, high) => format!("In CMD, {low}-{high}"),
        Field::Any => "Any".to_owned(),
        Field::InterfaceNetwork => "Iface Network".to_owned(),
    }
}

/// Whether the source document's word says the same. Its `In Packet` is a field of the packet's
/// own header.
fn agrees(field: Field, cell: &str) -> bool {
    match field {
        Field::Fixed(_) | Field::Constant(_) => matches!(cell, "Fixed" | "In Packet"),
        Field::Payload | Field::PayloadRange(..) => cell == "In CMD",
        Field::Any => matches!(cell, "Full" | "0-65535"),
        Field::InterfaceNetwork => cell == "Iface Network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_options_and_classes_that_exist() {
        for kind in HelperKind::ALL {
            let helper = kind.helper();
            assert_eq!(helper.kind, *kind);
            assert!(helper.name.len() <= 15, "{}", helper.name);
            for row in helper.rows {
                assert!(usize::from(row.class) < helper.classes.len(), "{}", helper.name);
                assert!(row.families.iter().all(|f| helper.families.contains(f)));
                for (name, value) in row.options {
                    let spec = helper.options.iter().find(|option| option.name == *name);
                    assert!(spec.is_some_and(|s| s.kind.parse(value).is_some()), "{name}={value}");
                }
            }
        }
    }

    #[test]
    fn the_documents_cell_stands_where_the_two_differ() {
        let rows = [
            ("ftp", "PORT, EPRT", "loose = 0", [None, None, Some("In CMD"), None, None]),
            ("ftp", "PORT, EPRT", "loose = 1", [Some("Full"), None, None, None, None]),
            ("irc", "DCC", "", [None; 5]),
            ("amanda", "CONNECT", "", [None; 5]),
            ("sane", "NET_START", "", [None; 5]),
            ("netbios-ns", "any packet", "", [None; 5]),
            ("netbios-ns", "query", "", [None; 5]),
            ("tftp", "RRQ, WRQ", "", [None; 5]),
        ];
        let table = table(None);
        for (helper, announcement, options, document) in rows {
            let found = table.iter().find(|row| {
                (row.helper, row.announcement, row.options.as_str())
                    == (helper, announcement, options)
            });
            assert_eq!(found.map(|row| row.document), Some(document), "{helper} {options}");
        }
    }
}
