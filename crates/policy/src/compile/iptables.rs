//! `rules.v4` and `rules.v6`, for iptables-restore and ip6tables-restore.

use super::{File, Line, Written, heading};
use crate::intent::{Policy, Rate, SourceTo, Unit};
use crate::plan::{Action, Chain, Limit, Plan, Rule, State, Test};
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Port numbers that one multiport match takes; a range counts twice.
const MULTIPORT_MAX: usize = 15;

/// Characters of a log prefix.
const PREFIX_MAX: usize = 28;

pub(super) fn write<'a>(plan: &'a Plan, policy: &Policy, source: &str) -> Vec<Written<'a>> {
    Family::ALL.map(|family| one(plan, policy, source, family)).into()
}

fn one<'a>(plan: &'a Plan, policy: &Policy, source: &str, family: Family) -> Written<'a> {
    let mut out = Out { text: heading(source), line: 1, lines: Vec::new() };
    let mut raw = Vec::new();
    let mut chains = vec![":PREROUTING ACCEPT [0:0]".to_owned(), ":OUTPUT ACCEPT [0:0]".to_owned()];
    chains.push(String::from(":anti-spoofing - [0:0]"));
    raw.push(Entry::plain("-A PREROUTING -j anti-spoofing"));
    for (chain, hook) in [(Chain::AssignArriving, "PREROUTING"), (Chain::AssignOwn, "OUTPUT")] {
        for rule in plan.of_chain(chain, family) {
            assign(rule, policy, hook, &mut raw, &mut chains);
        }
    }
    for rule in plan.of_chain(Chain::AntiSpoofing, family) {
        raw.extend(entries(rule, policy, "anti-spoofing"));
    }
    out.table("raw", &chains, &raw);
    if plan.translates(family) {
        nat(plan, policy, family, &mut out);
    }

    let mut filter = Vec::new();
    for (chain, name) in Chain::FILTER.into_iter().zip(["INPUT", "FORWARD", "OUTPUT"]) {
        for rule in plan.of_chain(chain, family) {
            filter.extend(entries(rule, policy, name));
        }
    }
    let chains = ["INPUT", "FORWARD", "OUTPUT"].map(|name| format!(":{name} DROP [0:0]"));
    out.table("filter", &chains, &filter);
    let name = match family {
        Family::Ipv4 => "rules.v4",
        Family::Ipv6 => "rules.v6",
    };
    Written { file: File { name, text: out.text }, lines: out.lines }
}

/// The table that is asked for the first packet of a connection.
fn nat<'a>(plan: &'a Plan, policy: &Policy, family: Family, out: &mut Out<'a>) {
    let mut entries_of_all = Vec::new();
    for (chain, name) in Chain::NAT.into_iter().zip(["PREROUTING", "POSTROUTING"]) {
        for rule in plan.of_chain(chain, family) {
            entries_of_all.extend(entries(rule, policy, name));
        }
    }
    let names = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"];
    out.table("nat", &names.map(|name| format!(":{name} ACCEPT [0:0]")), &entries_of_all);
}

/// A line, and the rule it comes from.
struct Entry<'a> {
    text: String,
    rule: Option<&'a Rule>,
}

impl Entry<'_> {
    fn plain(text: impl Into<String>) -> Self {
        Entry { text: text.into(), rule: None }
    }
}

struct Out<'a> {
    text: String,
    line: usize,
    lines: Vec<Line<'a>>,
}

impl<'a> Out<'a> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.line += 1;
    }

    fn table(&mut self, name: &str, chains: &[String], entries: &[Entry<'a>]) {
        self.line(&format!("*{name}"));
        chains.iter().for_each(|chain| self.line(chain));
        let mut said = "";
        for entry in entries {
            if let Some(rule) = entry.rule {
                if rule.why != said {
                    self.line(&format!("# {}.", rule.why));
                    said = &rule.why;
                }
                self.lines.push(Line { number: self.line + 1, rule });
            }
            self.line(&entry.text);
        }
        self.line("COMMIT");
    }
}

/// The lines of a CT rule. Where the destination is the rest of the world the networks that are
/// not are taken out first, in a chain of its own.
fn assign<'a>(
    rule: &'a Rule,
    policy: &Policy,
    hook: &str,
    into: &mut Vec<Entry<'a>>,
    chains: &mut Vec<String>,
) {
    if rule.test.dst_except.is_empty() {
        return into.extend(entries(rule, policy, hook));
    }
    let built_in = 3;
    let name = format!("helper-{}", chains.len() + 1 - built_in);
    chains.push(format!(":{name} - [0:0]"));
    for test in tests(&rule.test) {
        let text = line(rule, policy, hook, &test, &format!("-j {name}"));
        into.push(Entry { text, rule: Some(rule) });
    }
    for net in &rule.test.dst_except {
        let text = format!("-A {name} -d {net} -j RETURN");
        into.push(Entry { text, rule: Some(rule) });
    }
    let proto = rule.test.proto.and_then(L4Proto::name).unwrap_or("tcp");
    let text = format!("-A {name} -p {proto} -j {}", target(rule));
    into.push(Entry { text, rule: Some(rule) });
}

fn entries<'a>(rule: &'a Rule, policy: &Policy, chain: &str) -> Vec<Entry<'a>> {
    let jump = format!("-j {}", target(rule));
    tests(&rule.test)
        .map(|test| Entry { text: line(rule, policy, chain, &test, &jump), rule: Some(rule) })
        .collect()
}

/// What one line of iptables can ask: one address or interface of each, and so many ports.
#[derive(Clone)]
struct One<'a> {
    ports: &'a [(u16, u16)],
    src: Option<IpNet>,
    dst: Option<IpNet>,
    input: Option<InterfaceName>,
    output: Option<InterfaceName>,
    began_to: Option<IpNet>,
}

fn tests(test: &Test) -> impl Iterator<Item = One<'_>> {
    fn each<T: Copy>(all: &[T]) -> Vec<Option<T>> {
        match all {
            [] => vec![None],
            all => all.iter().copied().map(Some).collect(),
        }
    }
    let mut found = Vec::new();
    for input in each(&test.input) {
        let goes_on = |output: &Option<_>| output.is_none() || *output != input || test.hairpin;
        for output in each(&test.output).into_iter().filter(goes_on) {
            for src in each(&test.src) {
                for dst in each(&test.dst) {
                    for began_to in each(&test.began_to) {
                        let one = |ports| One { ports, src, dst, input, output, began_to };
                        match test.dports.as_slice() {
                            [] => found.push(one(&[])),
                            // A range counts twice.
                            all => found.extend(all.chunks(MULTIPORT_MAX / 2).map(one)),
                        }
                    }
                }
            }
        }
    }
    found.into_iter()
}

/// A line in the order of iptables-save.
fn line(rule: &Rule, policy: &Policy, chain: &str, one: &One<'_>, jump: &str) -> String {
    let test = &rule.test;
    let mut text = format!("-A {chain}");
    let mut word = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, " {flag} {value}");
        }
    };
    word("-s", one.src.map(|net| net.to_string()));
    word("-d", one.dst.map(|net| net.to_string()));
    word("-i", one.input.map(|name| name.to_string()));
    word("-o", one.output.map(|name| name.to_string()));
    let proto = test.proto.map(|proto| proto_name(proto).to_owned());
    word("-p", proto);
    word("-m", ports(test, one.ports));
    if let Some(icmp) = test.icmp {
        let (name, flag) = match rule.family {
            Family::Ipv4 => ("icmp", "icmp-type"),
            Family::Ipv6 => ("icmp6", "icmpv6-type"),
        };
        let code = icmp.code.map_or(String::new(), |code| format!("/{code}"));
        word("-m", Some(format!("{name} --{flag} {}{code}", icmp.number)));
    }
    word("-m", test.on_link.then(|| String::from("hl --hl-eq 255")));
    word("-m", conntrack(test, one.began_to));
    word("-m", test.helper.map(|helper| format!("helper --helper {helper}")));
    word("-m", test.reverse_path_fails.then(|| String::from("rpfilter --invert")));
    word("-m", test.limit.as_ref().map(limit));
    word("-m", rule.serves.name(policy).map(|name| format!("comment --comment {name}")));
    let _ = write!(text, " {jump}");
    text
}

/// What is asked of the connection.
fn conntrack(test: &Test, began_to: Option<IpNet>) -> Option<String> {
    let mut text = String::new();
    let state = test.state.map(State::name).or(test.translated.then_some("DNAT"));
    if let Some(state) = state {
        let _ = write!(text, " --ctstate {state}");
    }
    if let Some(net) = began_to {
        let _ = write!(text, " --ctorigdst {}", net.addr());
    }
    if let Some(port) = test.began_to_port {
        let _ = write!(text, " --ctorigdstport {port}");
    }
    (!text.is_empty()).then(|| format!("conntrack{text}"))
}

fn proto_name(proto: L4Proto) -> &'static str {
    match proto {
        L4Proto::ICMPV6 => "ipv6-icmp",
        proto => proto.name().unwrap_or("all"),
    }
}

fn ports(test: &Test, dports: &[(u16, u16)]) -> Option<String> {
    let name = test.proto.and_then(L4Proto::name)?;
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}:{last}"),
    };
    let sport = test.sport.map_or(String::new(), |port| format!(" --sport {port}"));
    let syn = if test.syn { " --tcp-flags FIN,SYN,RST,ACK SYN" } else { "" };
    match dports {
        [] if sport.is_empty() && syn.is_empty() => None,
        [] => Some(format!("{name}{sport}{syn}")),
        [one] => Some(format!("{name}{sport} --dport {}{syn}", range(one))),
        several => {
            let list: Vec<String> = several.iter().map(range).collect();
            let own = match (sport.as_str(), syn) {
                ("", "") => String::new(),
                _ => format!("{name}{sport}{syn} -m "),
            };
            Some(format!("{own}multiport --dports {}", list.join(",")))
        }
    }
}

fn limit(limit: &Limit) -> String {
    let rate = |rate: &Rate| format!("{}/{}", rate.count, unit(rate.per));
    match limit {
        Limit::Total(total) => {
            format!("limit --limit {} --limit-burst {}", rate(total), total.burst)
        }
        Limit::PerSource(each, table) => format!(
            "hashlimit --hashlimit-above {} --hashlimit-burst {} --hashlimit-mode srcip \
             --hashlimit-name {table}",
            rate(each),
            each.burst
        ),
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Second => "sec",
        Unit::Minute => "min",
        Unit::Hour => "hour",
    }
}

fn target(rule: &Rule) -> String {
    match &rule.action {
        Action::Accept => String::from("ACCEPT"),
        Action::Drop => String::from("DROP"),
        Action::Genuine => String::from("RETURN"),
        Action::Assign(helper) => format!("CT --helper {helper}"),
        Action::Log(prefix) => {
            let prefix: String = prefix.trim_end().chars().take(PREFIX_MAX).collect();
            format!("LOG --log-prefix \"{prefix} \"")
        }
        Action::Destination(to, port) => {
            format!("DNAT --to-destination {}", with_port(*to, *port))
        }
        Action::Source(to, random) => {
            let random = if *random { " --random-fully" } else { "" };
            match to {
                SourceTo::Masquerade => format!("MASQUERADE{random}"),
                SourceTo::Addresses(one, last) if one == last => {
                    format!("SNAT --to-source {one}{random}")
                }
                SourceTo::Addresses(first, last) => {
                    format!("SNAT --to-source {first}-{last}{random}")
                }
                SourceTo::Unchanged => String::from("ACCEPT"),
            }
        }
    }
}

/// An address, and a port where there is one.
fn with_port(address: IpAddr, port: Option<u16>) -> String {
    port.map_or(address.to_string(), |port| SocketAddr::new(address, port).to_string())
}
