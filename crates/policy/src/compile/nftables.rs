//! `rules.nft`, for `nft -f`: one table for both families.
//!
//! The helper is assigned behind connection tracking, where nftables has it (`ct helper set`), and
//! to the first packet of a connection. Rules of intents stand in a chain for each pair of
//! interfaces, which a verdict map finds.

mod words;

use super::{File, Line, Written, heading};
use crate::intent::{Policy, What};
use crate::plan::{Action, Chain, Limit, Plan, Rule, Serves};
use kinwall_terms::{Family, InterfaceName, L4Proto};
use words::Words;

pub(super) fn write<'a>(plan: &'a Plan, policy: &Policy, source: &str) -> Vec<Written<'a>> {
    let words = Words { policy };
    let mut out = Out { text: heading(source), line: 1, lines: Vec::new(), words };
    // The table is replaced as a whole, in one transaction.
    for line in ["table inet kinwall", "delete table inet kinwall", "", "table inet kinwall {"] {
        out.line(line);
    }
    helpers(policy, &mut out);
    sets(policy, plan, &mut out);
    out.hook("anti-spoofing", "prerouting priority raw; policy accept;");
    if plan.of_chain(Chain::AntiSpoofing, Family::Ipv6).count() > 0 {
        out.line("\t\t# A host that tries an address (DAD) has none yet.");
        out.line("\t\tip6 saddr :: ip6 daddr ff02::/16 meta l4proto ipv6-icmp accept");
    }
    // Order decides here: what is genuine is said before what is dropped, family by family.
    let mut said = "";
    for family in Family::ALL {
        for rule in plan.of_chain(Chain::AntiSpoofing, family) {
            out.rule(rule, false, true, &mut said);
        }
    }
    out.line("\t}");
    out.hook("assign-arriving", "prerouting priority mangle; policy accept;");
    out.both(plan, Chain::AssignArriving, |_| true);
    out.line("\t}");
    out.hook("assign-own", "output priority mangle; policy accept;");
    out.both(plan, Chain::AssignOwn, |_| true);
    out.line("\t}");
    for (chain, name) in Chain::FILTER.into_iter().zip(["input", "forward", "output"]) {
        filter(plan, chain, name, &mut out);
    }
    if Family::ALL.into_iter().any(|family| plan.translates(family)) {
        out.line("");
        out.line("\t# Translation in a table for both families: Linux 5.2 or later.");
        for (chain, name, hook) in NAT {
            out.chain(name, &format!("nat hook {hook}; policy accept;"));
            out.both(plan, chain, |_| true);
            out.line("\t}");
        }
    }
    out.line("}");
    let file = File { name: "rules.nft", text: out.text };
    vec![Written { file, lines: out.lines }]
}

/// The chains of translation.
const NAT: [(Chain, &str, &str); 2] = [
    (Chain::TranslateDestination, "translate-destination", "prerouting priority dstnat"),
    (Chain::TranslateSource, "translate-source", "postrouting priority srcnat"),
];

struct Out<'a, 'p> {
    text: String,
    line: usize,
    lines: Vec<Line<'a>>,
    words: Words<'p>,
}

impl<'a> Out<'a, '_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.line += 1;
    }

    fn hook(&mut self, name: &str, hook: &str) {
        self.chain(name, &format!("filter hook {hook}"));
    }

    fn chain(&mut self, name: &str, kind: &str) {
        self.line("");
        self.line(&format!("\tchain {name} {{"));
        self.line(&format!("\t\ttype {kind}"));
    }

    /// The rules of a chain that no intent brings, but the word in the log at its end.
    fn base(&mut self, plan: &'a Plan, chain: Chain) {
        self.both(plan, chain, |rule| {
            rule.serves == Serves::Every && !matches!(rule.action, Action::Log(_))
        });
    }

    /// The wanted rules of a chain in both families. What both have is said once, at its place
    /// among the rules of IPv6.
    fn both(&mut self, plan: &'a Plan, chain: Chain, wanted: fn(&Rule) -> bool) {
        let wanted = |rule: &&Rule| wanted(rule);
        let v4: Vec<&Rule> = plan.of_chain(chain, Family::Ipv4).filter(wanted).collect();
        let v6: Vec<&Rule> = plan.of_chain(chain, Family::Ipv6).filter(wanted).collect();
        let alike = |a: &Rule, b: &Rule| a.test == b.test && a.action == b.action;
        let shared = |rule: &Rule, others: &[&Rule]| {
            rule.serves == Serves::Every && others.iter().any(|other| alike(rule, other))
        };
        let mut said = "";
        for rule in &v6 {
            self.rule(rule, shared(rule, &v4), true, &mut said);
        }
        for rule in v4.iter().filter(|rule| !shared(rule, &v6)) {
            self.rule(rule, false, true, &mut said);
        }
    }

    fn rule(&mut self, rule: &'a Rule, both: bool, interfaces: bool, said: &mut &'a str) {
        if rule.why != *said {
            self.line(&format!("\t\t# {}.", rule.why));
            *said = &rule.why;
        }
        self.lines.push(Line { number: self.line + 1, rule });
        let text = self.words.rule(rule, both, interfaces);
        self.line(&format!("\t\t{text}"));
    }
}

/// One object for each helper and protocol that an intent uses.
fn helpers(policy: &Policy, out: &mut Out<'_, '_>) {
    let mut known: Vec<(&str, L4Proto)> = Vec::new();
    for intent in &policy.intents {
        let What::Helped(kind) = &intent.what else { continue };
        for read in kind.signalling {
            if !known.contains(&(read.helper, read.proto)) {
                known.push((read.helper, read.proto));
            }
        }
    }
    for (helper, proto) in known {
        let object = words::object(helper, proto);
        let proto = proto.name().unwrap_or("tcp");
        out.line(&format!("\tct helper {object} {{"));
        out.line(&format!("\t\ttype \"{helper}\" protocol {proto};"));
        out.line("\t}\n");
        out.line += 1;
    }
}

/// The networks of each segment, and what limits for each source remember.
fn sets(policy: &Policy, plan: &Plan, out: &mut Out<'_, '_>) {
    for (n, segment) in policy.segments.iter().enumerate() {
        for family in Family::ALL {
            let nets: Vec<String> = segment.nets(family).map(|net| net.to_string()).collect();
            if nets.is_empty() {
                continue;
            }
            out.line(&format!("\tset {} {{", words::set(policy, n, family)));
            let kind = words::address_type(family);
            out.line(&format!("\t\ttype {kind}; flags interval; auto-merge;"));
            out.line(&format!("\t\telements = {{ {} }}", nets.join(", ")));
            out.line("\t}");
        }
    }
    let mut known: Vec<&str> = Vec::new();
    for rule in &plan.rules {
        let Some(Limit::PerSource(_, table)) = &rule.test.limit else { continue };
        if known.contains(&table.as_str()) {
            continue;
        }
        known.push(table);
        let kind = words::address_type(rule.family);
        out.line(&format!("\tset rate-{table} {{"));
        out.line(&format!("\t\ttype {kind}; size 65535; flags dynamic, timeout; timeout 1h;"));
        out.line("\t}");
    }
}

/// By which interfaces packets of a group of rules come and go.
type Ways = (Vec<InterfaceName>, Vec<InterfaceName>);

fn filter<'a>(plan: &'a Plan, chain: Chain, name: &str, out: &mut Out<'a, '_>) {
    let of_intents = || {
        let both = Family::ALL.into_iter().flat_map(|family| plan.of_chain(chain, family));
        both.filter(|rule| rule.serves != Serves::Every)
    };
    let mut groups: Vec<Ways> = Vec::new();
    for rule in of_intents() {
        let ways = (rule.test.input.clone(), rule.test.output.clone());
        if !groups.contains(&ways) {
            groups.push(ways);
        }
    }
    for (n, ways) in groups.iter().enumerate() {
        out.line("");
        out.line(&format!("\tchain {name}-{} {{", n + 1));
        let mut said = "";
        for rule in of_intents() {
            if rule.test.input == ways.0 && rule.test.output == ways.1 {
                out.rule(rule, false, false, &mut said);
            }
        }
        out.line("\t}");
    }
    out.hook(name, &format!("{name} priority filter; policy drop;"));
    let is_last =
        |rule: &&Rule| matches!(rule.action, Action::Log(_)) && rule.serves == Serves::Every;
    let last: Vec<&Rule> = plan.of_chain(chain, Family::Ipv6).filter(is_last).collect();
    out.base(plan, chain);
    // The last rule is a word in the log; the intents come before it.
    vmap(chain, name, &groups, out);
    let mut said = "";
    for rule in last {
        out.rule(rule, true, true, &mut said);
    }
    out.line("\t}");
}

/// The verdict map that leads to the chain of a pair of interfaces.
fn vmap(chain: Chain, name: &str, groups: &[Ways], out: &mut Out<'_, '_>) {
    let mut entries = Vec::new();
    for (n, (inputs, outputs)) in groups.iter().enumerate() {
        let jump = format!("jump {name}-{}", n + 1);
        match chain {
            Chain::Forward => {
                for input in inputs {
                    // Back by the one interface that it came by: a published host's neighbours.
                    let is_back = inputs.len() == 1 && inputs == outputs;
                    let others = outputs.iter().filter(|output| is_back || *output != input);
                    let entry = |output| format!("\"{input}\" . \"{output}\" : {jump}");
                    entries.extend(others.map(entry));
                }
            }
            Chain::Output => entries.extend(outputs.iter().map(|o| format!("\"{o}\" : {jump}"))),
            _ => entries.extend(inputs.iter().map(|i| format!("\"{i}\" : {jump}"))),
        }
    }
    if entries.is_empty() {
        return;
    }
    let key = match chain {
        Chain::Forward => "iifname . oifname",
        Chain::Output => "oifname",
        _ => "iifname",
    };
    out.line(&format!("\t\t{key} vmap {{"));
    for entry in entries {
        out.line(&format!("\t\t\t{entry},"));
    }
    out.line("\t\t}");
}
