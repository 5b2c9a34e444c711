//! Canonical text: what `iptables-save` prints.

use crate::eval::Part;
use crate::option::Test;
use crate::ruleset::{Chain, Counters, Rule, Ruleset, TableRules};
use crate::targets::Target;
use kinwall_terms::{Hook, Table};
use std::fmt::{Display, Write};

/// A line that grows by words, each with a blank before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
}

impl Line {
    /// A line that begins with `text`.
    pub fn new(text: impl Into<String>) -> Line {
        Line { text: text.into() }
    }

    /// The line as it stands.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Adds ` word`.
    pub fn word(&mut self, word: impl Display) -> &mut Line {
        let _ = write!(self.text, " {word}");
        self
    }

    /// Adds ` !` when `invert`.
    pub fn not(&mut self, invert: bool) -> &mut Line {
        if invert { self.word("!") } else { self }
    }

    /// Adds ` --name` when `set`.
    pub fn flag(&mut self, name: &str, set: bool) -> &mut Line {
        if set { self.word(format_args!("--{name}")) } else { self }
    }

    /// Adds ` --name value`.
    pub fn value(&mut self, name: &str, value: impl Display) -> &mut Line {
        self.word(format_args!("--{name} {value}"))
    }

    /// Adds ` --name value`, the value quoted when it needs to be.
    pub fn quoted(&mut self, name: &str, value: &str) -> &mut Line {
        self.value(name, Quoted(value))
    }

    /// Adds ` [!] --name value` when there is one.
    pub fn test<T: Display>(&mut self, name: &str, test: &Option<Test<T>>) -> &mut Line {
        match test {
            Some(test) => self.not(test.invert).value(name, &test.value),
            None => self,
        }
    }
}

/// A word as `iptables-save` writes it: bare when it consists of letters, digits, `_` and `-`;
/// else in double quotes, with `"`, `'` and `\` escaped.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\'' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

/// Whether counters are printed. Without them text is as `iptables-save` gives it after
/// `iptables-restore`, which counts from zero; with them as after `iptables-restore -c`, by
/// `iptables-save -c`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Print the counters of chains, and `[packets:bytes]` before each rule.
    pub counters: bool,
}

/// The order of tables in what `iptables-save` prints.
const TABLES: [Table; 5] = [Table::Mangle, Table::Security, Table::Raw, Table::Filter, Table::Nat];

/// The whole rule set: its tables in the order of `iptables-save`.
pub fn ruleset(ruleset: &Ruleset, options: Options) -> String {
    let tables = TABLES.into_iter().filter_map(|name| ruleset.table(name));
    tables.map(|rules| table(rules, options)).collect()
}

/// One table, from `*NAME` to `COMMIT`: built-in chains in their order, then user chains by
/// name.
pub fn table(rules: &TableRules, options: Options) -> String {
    let mut chains: Vec<&Chain> = rules.chains.iter().collect();
    let built_in = |chain: &Chain| rules.table.hooks().iter().position(|h| Some(*h) == chain.hook);
    chains.sort_by_key(|chain| (built_in(chain).unwrap_or(usize::MAX), chain.name.as_str()));
    let mut out = format!("*{}\n", rules.table);
    for chain in &chains {
        let policy = chain.policy.map_or("-", |policy| policy.name());
        let counted = if options.counters { chain.counters } else { Counters::default() };
        let _ = writeln!(out, ":{} {policy} {}", chain.name, counters(counted));
    }
    for chain in &chains {
        for rule in &chain.rules {
            if options.counters {
                let _ = write!(out, "{} ", counters(rule.counters));
            }
            out.push_str(&in_iptables(&chain.name, false, rule));
            out.push('\n');
        }
    }
    out.push_str("COMMIT\n");
    out
}

fn counters(counters: Counters) -> String {
    format!("[{}:{}]", counters.packets, counters.bytes)
}

/// One rule, from `-A CHAIN` on; one of nftables in the words of nft.
pub fn rule(chain: &str, rule: &Rule) -> String {
    match &rule.native {
        Some(native) => {
            let handle = native.handle.map_or(String::new(), |n| format!(" # handle {n}"));
            format!("{}: {}{handle}", native.chain, native.text)
        }
        None => in_iptables(chain, rule.target.as_ref().is_some_and(leads_on), rule),
    }
}

/// Whether it leads to the base chain of nftables that stands behind a built-in chain: that is what
/// accepting comes to.
fn leads_on(target: &Target) -> bool {
    let Target::Goto(chain) = target else { return false };
    let behind = |(hook, number): (&str, &str)| {
        Hook::from_chain(hook).is_some() && number.parse::<u32>().is_ok()
    };
    chain.split_once('@').is_some_and(behind)
}

/// One rule, from `-A CHAIN` on, whatever it was written as; as one that `accepts` if so.
fn in_iptables(chain: &str, accepts: bool, rule: &Rule) -> String {
    let mut out = Line::new(format!("-A {chain}"));
    match accepts {
        true => {
            let target = Some(Target::Accept);
            specification(&Rule { target, ..rule.clone() }, &mut out);
        }
        false => specification(rule, &mut out),
    }
    out.text
}

/// One part of a rule: `! -s 10.0.0.0/8`, `-m tcp --dport 21`.
pub fn part(rule: &Rule, part: Part) -> String {
    match part {
        Part::Source => option("-s", &rule.src),
        Part::Destination => option("-d", &rule.dst),
        Part::InInterface => option("-i", &rule.in_iface),
        Part::OutInterface => option("-o", &rule.out_iface),
        Part::Protocol => option("-p", &rule.proto),
        Part::Fragment => if rule.fragment == Some(true) { "! -f" } else { "-f" }.to_owned(),
        Part::Match(index) => {
            let Some(found) = rule.matches.get(usize::from(index)) else { return String::new() };
            let mut line = Line::new(format!("-m {}", found.kind().spec().name));
            found.print(&mut line);
            line.as_str().to_owned()
        }
    }
}

fn option<T: Display>(name: &str, test: &Option<Test<T>>) -> String {
    match test {
        Some(Test { invert: true, value }) => format!("! {name} {value}"),
        Some(Test { invert: false, value }) => format!("{name} {value}"),
        None => name.to_owned(),
    }
}

/// What stands behind `-A CHAIN`.
pub fn specification(rule: &Rule, out: &mut Line) {
    let mut option = |name: &str, invert: bool, value: &dyn Display| {
        out.not(invert).word(name).word(value);
    };
    if let Some(src) = &rule.src {
        option("-s", src.invert, &src.value);
    }
    if let Some(dst) = &rule.dst {
        option("-d", dst.invert, &dst.value);
    }
    if let Some(iface) = &rule.in_iface {
        option("-i", iface.invert, &iface.value);
    }
    if let Some(iface) = &rule.out_iface {
        option("-o", iface.invert, &iface.value);
    }
    if let Some(proto) = &rule.proto {
        option("-p", proto.invert, &crate::protocols::display(proto.value));
    }
    if let Some(invert) = rule.fragment {
        out.not(invert).word("-f");
    }
    for found in &rule.matches {
        out.word("-m").word(found.kind().spec().name);
        found.print(out);
    }
    if let Some(target) = &rule.target {
        target.print(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_they_need_to_be() {
        let rows = [
            ("abc-1_2", "abc-1_2"),
            ("a \"b\"", r#""a \"b\"""#),
            ("it's", r#""it\'s""#),
            ("", r#""""#),
            ("a.b", r#""a.b""#),
        ];
        for (text, expected) in rows {
            assert_eq!(Quoted(text).to_string(), expected);
        }
    }
}
