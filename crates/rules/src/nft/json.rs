//! What `nft -j list ruleset` prints, object by object.
//!
//! Objects of a kind that has no bearing on packets are passed over; expressions stay JSON values,
//! because new ones are added with every version of nft and one that is not known must not make
//! the rest unreadable.

use crate::diagnostic::{Diagnostic, Mistakes, Origin, Span};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A table, by family and name.
pub(super) type TableKey = (String, String);

/// A chain.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chain {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) hook: Option<String>,
    pub(super) prio: Option<Value>,
    pub(super) policy: Option<String>,
    #[serde(skip)]
    pub(super) origin: Origin,
}

/// A rule.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) handle: Option<u64>,
    pub(super) comment: Option<String>,
    #[serde(default)]
    pub(super) expr: Vec<Value>,
    #[serde(skip)]
    pub(super) origin: Origin,
}

/// A named set or map.
#[derive(Debug, Deserialize)]
pub(super) struct Set {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) elem: Vec<Value>,
}

/// An object of connection tracking: a helper, a timeout policy, an expectation.
#[derive(Debug, Deserialize)]
pub(super) struct CtObject {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) protocol: Option<Value>,
    pub(super) l3proto: Option<String>,
}

/// Everything of a file.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) tables: Vec<TableKey>,
    pub(super) chains: Vec<Chain>,
    pub(super) rules: Vec<Rule>,
    pub(super) sets: Vec<Set>,
    pub(super) helpers: Vec<CtObject>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    nftables: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Table {
    family: String,
    name: String,
}

/// Reads a text; mistakes are reported, and what is whole is given.
pub(super) fn read(text: &str, mistakes: &mut Mistakes) -> Listing {
    let mut listing = Listing::default();
    let file: File<'_> = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let span = Span { line: error.line() as u32, column: error.column() as u32, length: 1 };
            let what = format!("this is not the JSON of nft: {}", reason(&error));
            mistakes.push(Diagnostic::new(span, what).help("write it with: nft -j list ruleset"));
            return listing;
        }
    };
    let mut place = Place { text, at: 0, line: 1, column: 1 };
    for object in file.nftables {
        place.go_to(object.get().as_ptr() as usize - text.as_ptr() as usize);
        let origin = Origin { file: mistakes.file, line: place.line };
        if let Err(error) = listing.add(object.get(), origin) {
            let span = Span { line: place.line, column: place.column, length: 1 };
            let what = format!("this object is not as nft prints it: {}", reason(&error));
            let help = "the objects are described in libnftables-json(5)";
            mistakes.push(Diagnostic::new(span, what).help(help));
        }
    }
    listing
}

/// The error without its place, which is said beside it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

impl Listing {
    fn add(&mut self, text: &str, origin: Origin) -> Result<(), serde_json::Error> {
        let object: serde_json::Map<String, Value> = serde_json::from_str(text)?;
        let Some((kind, value)) = object.into_iter().next() else { return Ok(()) };
        match kind.as_str() {
            "table" => {
                let Table { family, name } = serde_json::from_value(value)?;
                self.tables.push((family, name));
            }
            "chain" => self.chains.push(Chain { origin, ..serde_json::from_value(value)? }),
            "rule" => self.rules.push(Rule { origin, ..serde_json::from_value(value)? }),
            "set" | "map" => self.sets.push(serde_json::from_value(value)?),
            "ct helper" => self.helpers.push(serde_json::from_value(value)?),
            // What a script of commands would change, and no listing has.
            "add" | "insert" | "replace" | "create" | "delete" | "flush" | "rename" => {
                let what = format!("`{kind}` is a command, and a listing of rules is wanted");
                return Err(serde::de::Error::custom(what));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A place in a text that only moves on.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column: u32,
}

impl Place<'_> {
    fn go_to(&mut self, to: usize) {
        for byte in self.text.as_bytes().get(self.at..to).unwrap_or_default() {
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // The bytes of a character after its first.
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
        }
        self.at = to;
    }
}
