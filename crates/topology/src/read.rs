//! The topology file, read: TOML to parts, every mistake with its place.

use crate::check::{Contradiction, Place};
use crate::problem::{Lines, Problem};
use crate::{Defaults, Interface, MacAddr, Parts, RouteKind, StaticRoute, Topology, Value};
use ipnet::IpNet;
use kinwall_terms::InterfaceName;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the parts of a topology stand in its file: for mistakes that only others can see,
/// such as an option that a module does not have.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: String,
    text: String,
    spans: HashMap<Place, Range<usize>>,
}

impl Places {
    /// A problem at `place`; at the beginning of the file when the place is not known.
    pub fn problem(&self, place: &Place, message: String, help: Option<String>) -> Problem {
        let span = self.spans.get(place).cloned().unwrap_or(0..0);
        let (line, column, length) = Lines::new(&self.text).place(span);
        Problem { file: self.file.clone(), line, column, length, message, help }
    }
}

impl Topology {
    /// As [`Topology::from_toml`], with the places of everything.
    pub fn from_toml_with_places(
        text: &str,
        name: &str,
    ) -> Result<(Topology, Places), Vec<Problem>> {
        read(text, name)
    }
}

pub(crate) fn read(text: &str, name: &str) -> Result<(Topology, Places), Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader =
        Reader { file: name, lines: Lines::new(text), problems: Vec::new(), spans: HashMap::new() };
    for error in &errors {
        reader.problem(error.span().unwrap_or(0..0), error.message(), None);
    }
    // What a syntax error left out would only give rise to mistakes that are none.
    let parts = reader.document(document.get_ref());
    if errors.is_empty() {
        match Topology::new(parts) {
            Ok(topology) if reader.problems.is_empty() => {
                let places = Places { file: name.into(), text: text.into(), spans: reader.spans };
                return Ok((topology, places));
            }
            Ok(_) => {}
            Err(found) => found.into_iter().for_each(|found| reader.contradiction(found)),
        }
    }
    reader.problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(reader.problems)
}

type Node<'a> = Spanned<DeValue<'a>>;

struct Reader<'a> {
    file: &'a str,
    lines: Lines<'a>,
    problems: Vec<Problem>,
    spans: HashMap<Place, Range<usize>>,
}

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let (line, column, length) = self.lines.place(span);
        let (file, message) = (self.file.to_owned(), message.into());
        self.problems.push(Problem { file, line, column, length, message, help });
    }

    fn contradiction(&mut self, found: Contradiction) {
        let span = self.spans.get(&found.at).cloned().unwrap_or(0..0);
        let mut message = found.message;
        if let Some(first) = found.with.and_then(|with| self.spans.get(&with)) {
            message.push_str(&format!(", on line {}", self.lines.line(first.start)));
        }
        self.problem(span, message, Some(found.help));
    }

    /// A value of the wrong type.
    fn expected(&mut self, node: &Node<'_>, what: &str, example: &str) {
        let message = format!("expected {what}, found {}", type_name(node.get_ref()));
        self.problem(node.span(), message, Some(format!("such as `{example}`")));
    }

    fn unknown_key(&mut self, span: Range<usize>, key: &str, known: &[&str]) {
        let near = known.iter().find(|known| within_two_edits(key, known));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.problem(span, format!("unknown key `{key}`"), Some(help));
    }

    fn document(&mut self, table: &DeTable<'_>) -> Parts {
        let mut parts = Parts::default();
        for (key, node) in table {
            match key.get_ref().as_ref() {
                "interface" => {
                    for (span, table) in self.tables(node, "interface") {
                        let i = parts.interfaces.len();
                        parts.interfaces.extend(self.interface(i, span, table));
                    }
                }
                "route" => {
                    for (span, table) in self.tables(node, "route") {
                        let i = parts.routes.len();
                        parts.routes.extend(self.route(i, span, table));
                    }
                }
                "sysctl" => match node.get_ref() {
                    DeValue::Table(table) => self.sysctls("", table, &mut parts.sysctl),
                    _ => self.expected(node, "a table", "[sysctl]"),
                },
                "modules" => match node.get_ref() {
                    DeValue::Table(table) => self.modules(table, &mut parts.modules),
                    _ => self.expected(node, "a table", "[modules.nf_conntrack_ftp]"),
                },
                other => {
                    let known = ["interface", "route", "sysctl", "modules"];
                    self.unknown_key(key.span(), other, &known);
                }
            }
        }
        parts
    }

    /// The tables of an array of tables, with the spans of their headers.
    fn tables<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        name: &str,
    ) -> Vec<(Range<usize>, &'n DeTable<'a>)> {
        let DeValue::Array(array) = node.get_ref() else {
            self.expected(node, "an array of tables", &format!("[[{name}]]"));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(array.len());
        for item in array {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((item.span(), table)),
                _ => self.expected(item, "a table", &format!("[[{name}]]")),
            }
        }
        tables
    }

    fn interface(
        &mut self,
        i: usize,
        header: Range<usize>,
        table: &DeTable<'_>,
    ) -> Option<Interface> {
        const KEYS: [&str; 7] =
            ["name", "addresses", "networks", "default", "rp_filter", "mtu", "mac"];
        let Some((_, name)) = table.iter().find(|(key, _)| key.get_ref() == "name") else {
            let help = Some("add `name = \"eth0\"`".to_owned());
            self.problem(header, "the interface has no name", help);
            return None;
        };
        self.spans.insert(Place::Interface(i), name.span());
        // Of an interface with a bad name the rest is still read, for the mistakes in it.
        let legal = self.name(name);
        let mut interface = Interface::new(legal.or_else(|| InterfaceName::new("?"))?);
        for (key, node) in table {
            match key.get_ref().as_ref() {
                "name" => {}
                "addresses" => interface.addresses = self.nets(node, |j| Place::Address(i, j)),
                "networks" => interface.networks = self.nets(node, |j| Place::Network(i, j)),
                "default" => {
                    self.spans.insert(Place::Default(i), node.span());
                    interface.default = self.default(node);
                }
                "rp_filter" => {
                    self.spans.insert(Place::RpFilter(i), node.span());
                    let value = self.integer(node, "rp_filter = 1");
                    interface.rp_filter = value.map(|value| u8::try_from(value).unwrap_or(u8::MAX));
                }
                "mtu" => {
                    self.spans.insert(Place::Mtu(i), node.span());
                    let value = self.integer(node, "mtu = 1500");
                    interface.mtu =
                        value.map(|value| u32::try_from(value.max(0)).unwrap_or(u32::MAX));
                }
                "mac" => {
                    self.spans.insert(Place::Mac(i), node.span());
                    interface.mac = self.mac(node);
                }
                other => self.unknown_key(key.span(), other, &KEYS),
            }
        }
        legal.map(|_| interface)
    }

    fn route(
        &mut self,
        i: usize,
        header: Range<usize>,
        table: &DeTable<'_>,
    ) -> Option<StaticRoute> {
        let (mut destination, mut kind, mut interfaces) =
            (None, Some(RouteKind::Unicast), Vec::new());
        self.spans.insert(Place::Route(i), header.clone());
        let mut named = false;
        for (key, node) in table {
            match key.get_ref().as_ref() {
                "destination" => {
                    self.spans.insert(Place::Route(i), node.span());
                    (destination, named) = (self.destination(node), true);
                }
                "kind" => kind = self.kind(node),
                "interface" => interfaces = self.names(node, i),
                other => {
                    self.unknown_key(key.span(), other, &["destination", "kind", "interface"]);
                }
            }
        }
        if !named {
            let help = Some("add `destination = \"10.9.0.0/16\"`".to_owned());
            self.problem(header, "the route has no destination", help);
        }
        // What could not be read is reported already; the route is left out.
        Some(StaticRoute { destination: destination?, kind: kind?, interfaces })
    }

    fn destination(&mut self, node: &Node<'_>) -> Option<IpNet> {
        let DeValue::String(text) = node.get_ref() else {
            self.expected(node, "a prefix", "destination = \"10.9.0.0/16\"");
            return None;
        };
        match text.as_ref() {
            "default" => {
                let help = "write \"0.0.0.0/0\" or \"::/0\", or `default = true` at an interface";
                self.problem(node.span(), "`default` has no family", Some(help.to_owned()));
                None
            }
            text => self.net(node, text),
        }
    }

    fn kind(&mut self, node: &Node<'_>) -> Option<RouteKind> {
        let kind = node.get_ref().as_str().and_then(RouteKind::from_name);
        if kind.is_none() {
            let names: Vec<&str> = RouteKind::ALL.into_iter().map(RouteKind::name).collect();
            let help = Some(format!("one of {}", names.join(", ")));
            self.problem(node.span(), "this is no kind of route", help);
        }
        kind
    }

    fn names(&mut self, node: &Node<'_>, i: usize) -> Vec<InterfaceName> {
        let nodes: Vec<&Node<'_>> = match node.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            _ => vec![node],
        };
        let mut names = Vec::with_capacity(nodes.len());
        for node in nodes {
            if let Some(name) = self.name(node) {
                self.spans.insert(Place::RouteInterface(i, names.len()), node.span());
                names.push(name);
            }
        }
        names
    }

    fn name(&mut self, node: &Node<'_>) -> Option<InterfaceName> {
        let DeValue::String(text) = node.get_ref() else {
            self.expected(node, "an interface's name", "\"eth0\"");
            return None;
        };
        let name = InterfaceName::new(text);
        if name.is_none() {
            let help = "1 to 15 bytes, without white space, `/` and `:`";
            self.problem(
                node.span(),
                format!("`{text}` cannot name an interface"),
                Some(help.into()),
            );
        }
        name
    }

    fn nets(&mut self, node: &Node<'_>, place: impl Fn(usize) -> Place) -> Vec<IpNet> {
        let DeValue::Array(array) = node.get_ref() else {
            self.expected(node, "an array", "[\"10.1.0.0/24\", \"fd00:1::/64\"]");
            return Vec::new();
        };
        let mut nets = Vec::with_capacity(array.len());
        for item in array {
            let DeValue::String(text) = item.get_ref() else {
                self.expected(item, "an address with its prefix length", "\"10.1.0.1/24\"");
                continue;
            };
            if let Some(net) = self.net(item, text) {
                self.spans.insert(place(nets.len()), item.span());
                nets.push(net);
            }
        }
        nets
    }

    fn net(&mut self, node: &Node<'_>, text: &str) -> Option<IpNet> {
        if let Ok(net) = text.parse() {
            return Some(net);
        }
        let (message, help) = match (text.parse::<IpAddr>(), text.split_once('/')) {
            (Ok(address), _) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                let help = format!("write {address}/{bits}, or the length of its network");
                (format!("{address} has no prefix length"), help)
            }
            (_, Some((address, _))) if address.parse::<IpAddr>().is_ok() => {
                let bits = if address.contains(':') { 128 } else { 32 };
                let message = format!("`{text}` has a prefix length that cannot be");
                (message, format!("a length is between 0 and {bits}"))
            }
            _ => {
                let help = "such as \"10.1.0.1/24\" or \"fd00:1::1/64\"";
                (format!("`{text}` is no address with a prefix length"), help.to_owned())
            }
        };
        self.problem(node.span(), message, Some(help));
        None
    }

    fn default(&mut self, node: &Node<'_>) -> Defaults {
        match node.get_ref() {
            DeValue::Boolean(true) => Defaults::BOTH,
            DeValue::Boolean(false) => Defaults::NONE,
            DeValue::String(text) if text == "ipv4" => Defaults { ipv4: true, ipv6: false },
            DeValue::String(text) if text == "ipv6" => Defaults { ipv4: false, ipv6: true },
            _ => {
                let help = Some("`true`, `false`, `\"ipv4\"` or `\"ipv6\"`".to_owned());
                self.problem(node.span(), "this says nothing about the default route", help);
                Defaults::NONE
            }
        }
    }

    fn mac(&mut self, node: &Node<'_>) -> Option<MacAddr> {
        let mac = node.get_ref().as_str().and_then(MacAddr::parse);
        if mac.is_none() {
            let help = Some("such as \"52:54:00:12:34:56\"".to_owned());
            self.problem(node.span(), "this is no link-layer address", help);
        }
        mac
    }

    fn integer(&mut self, node: &Node<'_>, example: &str) -> Option<i64> {
        let DeValue::Integer(number) = node.get_ref() else {
            self.expected(node, "a whole number", example);
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        if value.is_none() {
            let help = Some(format!("such as `{example}`"));
            self.problem(node.span(), "the number does not fit into 64 bits", help);
        }
        value
    }

    /// Sysctls; a dotted name without quotation marks arrives as nested tables.
    fn sysctls(&mut self, prefix: &str, table: &DeTable<'_>, into: &mut BTreeMap<String, Value>) {
        for (key, node) in table {
            let name = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            if let DeValue::Table(table) = node.get_ref() {
                self.sysctls(&name, table, into);
            } else if let Some(value) = self.value(node) {
                let place = Place::Sysctl(name.clone());
                if let Some(first) = self.spans.insert(place, key.span().start..node.span().end) {
                    let line = self.lines.line(first.start);
                    let message = format!("`{name}` is set already, on line {line}");
                    self.problem(key.span(), message, Some("keep one of them".to_owned()));
                }
                into.insert(name, value);
            }
        }
    }

    fn modules(
        &mut self,
        table: &DeTable<'_>,
        into: &mut BTreeMap<String, BTreeMap<String, Value>>,
    ) {
        for (key, node) in table {
            let module = key.get_ref().to_string();
            let DeValue::Table(options) = node.get_ref() else {
                self.expected(node, "a table", "[modules.nf_conntrack_ftp]");
                continue;
            };
            // modprobe takes both spellings for the same module.
            let canonical = module.replace('-', "_");
            self.spans.insert(Place::Module(canonical.clone()), key.span());
            let known = into.entry(canonical.clone()).or_default();
            for (key, node) in options {
                let Some(value) = self.value(node) else { continue };
                let option = key.get_ref().to_string();
                let span = key.span().start..node.span().end;
                let place = Place::ModuleOption(canonical.clone(), option.clone());
                if let Some(first) = self.spans.insert(place, span) {
                    let line = self.lines.line(first.start);
                    let message = format!("`{option}` is set already, on line {line}");
                    self.problem(key.span(), message, Some("keep one of them".to_owned()));
                }
                known.insert(option, value);
            }
        }
    }

    fn value(&mut self, node: &Node<'_>) -> Option<Value> {
        match node.get_ref() {
            DeValue::Boolean(truth) => Some(Value::Bool(*truth)),
            DeValue::Integer(_) => self.integer(node, "1").map(Value::Integer),
            DeValue::String(text) => Some(Value::Text(text.to_string())),
            DeValue::Array(array) => {
                let values: Vec<Option<Value>> =
                    array.iter().map(|item| self.value(item)).collect();
                values.into_iter().collect::<Option<Vec<Value>>>().map(Value::List)
            }
            _ => {
                self.expected(node, "a number, a boolean, a string or an array", "1");
                None
            }
        }
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Whether two changes of a character (insertion, removal or replacement) lead from one word
/// to the other.
fn within_two_edits(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()] <= 2
}
