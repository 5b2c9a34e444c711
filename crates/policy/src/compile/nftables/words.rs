//! A rule in the words of nft.

use crate::intent::{Policy, Rate, SourceTo, of};
use crate::plan::{Action, Limit, Rule, State, Test};
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::net::SocketAddr;

/// Characters of a log prefix.
const PREFIX_MAX: usize = 100;

/// What words depend on.
pub(super) struct Words<'a> {
    pub(super) policy: &'a Policy,
}

/// The name of the object for a helper and protocol.
pub(super) fn object(helper: &str, proto: L4Proto) -> String {
    let helper: String = helper.to_lowercase().replace('.', "");
    format!("{helper}-{}", proto.name().unwrap_or("tcp"))
}

/// The name of the set with the networks of a segment.
pub(super) fn set(policy: &Policy, n: usize, family: Family) -> String {
    let name = policy.segments.get(n).map_or("", |segment| &segment.name);
    let digit = if family == Family::Ipv4 { '4' } else { '6' };
    format!("net-{name}-{digit}")
}

/// The type of the addresses of a family.
pub(super) fn address_type(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4_addr",
        Family::Ipv6 => "ipv6_addr",
    }
}

impl Words<'_> {
    /// The rule; of `both` families, with the `interfaces` it asks for.
    pub(super) fn rule(&self, rule: &Rule, both: bool, interfaces: bool) -> String {
        let mut words: Vec<String> = Vec::new();
        let test = &rule.test;
        if interfaces {
            words.extend(names("iifname", &test.input));
            words.extend(names("oifname", &test.output));
        }
        let header = header(rule.family);
        let addressed = [&test.src, &test.dst, &test.dst_except, &test.began_to]
            .iter()
            .any(|nets| !nets.is_empty());
        if !addressed && !both && test.icmp.is_none() {
            let family = if rule.family == Family::Ipv4 { "ipv4" } else { "ipv6" };
            words.push(format!("meta nfproto {family}"));
        }
        for (field, nets) in [("saddr", &test.src), ("daddr", &test.dst)] {
            words.extend(self.nets(nets).map(|nets| format!("{header} {field} {nets}")));
        }
        if !test.dst_except.is_empty() {
            words.push(format!("{header} daddr != {}", list(&test.dst_except)));
        }
        words.extend(transport(test, rule.family));
        if test.on_link {
            words.push(String::from("ip6 hoplimit 255"));
        }
        words.extend(test.state.map(|state| format!("ct state {}", state_word(state))));
        if test.translated {
            words.push(String::from("ct status dnat"));
        }
        if !test.began_to.is_empty() {
            words.push(format!("ct original {header} daddr {}", list(&test.began_to)));
        }
        words.extend(test.began_to_port.map(|port| format!("ct original proto-dst {port}")));
        words.extend(test.helper.map(|helper| format!("ct helper \"{helper}\"")));
        if test.reverse_path_fails {
            words.push(String::from("fib saddr . iif oif missing"));
        }
        words.extend(test.limit.as_ref().map(|limit| limit_words(limit, header)));
        words.push(action(rule));
        words.extend(rule.serves.name(self.policy).map(|name| format!("comment \"{name}\"")));
        words.join(" ")
    }

    /// Networks: the set of the segment that has just these, else a list.
    fn nets(&self, nets: &[IpNet]) -> Option<String> {
        let family = of(*nets.first()?);
        let mut segments = self.policy.segments.iter();
        let whole = segments.position(|segment| segment.nets(family).eq(nets.iter().copied()));
        Some(match whole {
            Some(n) => format!("@{}", set(self.policy, n, family)),
            None => list(nets),
        })
    }
}

fn header(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    }
}

fn list(nets: &[IpNet]) -> String {
    let words: Vec<String> = nets.iter().map(|net| crate::language::bare(*net)).collect();
    match words.as_slice() {
        [one] => one.clone(),
        words => format!("{{ {} }}", words.join(", ")),
    }
}

fn names(key: &str, names: &[InterfaceName]) -> Option<String> {
    let words: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match words.as_slice() {
        [] => None,
        [one] => Some(format!("{key} {one}")),
        words => Some(format!("{key} {{ {} }}", words.join(", "))),
    }
}

fn transport(test: &Test, family: Family) -> Vec<String> {
    let mut words = Vec::new();
    let Some(proto) = test.proto else { return words };
    let name = proto.name().unwrap_or("tcp");
    if let Some(icmp) = test.icmp {
        let header = if family == Family::Ipv4 { "icmp" } else { "icmpv6" };
        words.push(format!("{header} type {}", icmp.number));
        words.extend(icmp.code.map(|code| format!("{header} code {code}")));
        return words;
    }
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    words.extend(test.sport.map(|port| format!("{name} sport {port}")));
    match test.dports.as_slice() {
        [] => {}
        [one] => words.push(format!("{name} dport {}", range(one))),
        several => {
            let several: Vec<String> = several.iter().map(range).collect();
            words.push(format!("{name} dport {{ {} }}", several.join(", ")));
        }
    }
    if test.syn {
        words.push(String::from("tcp flags & (fin | syn | rst | ack) == syn"));
    }
    if words.is_empty() {
        let name = if proto == L4Proto::ICMPV6 { "ipv6-icmp" } else { name };
        words.push(format!("meta l4proto {name}"));
    }
    words
}

fn state_word(state: State) -> &'static str {
    match state {
        State::New => "new",
        State::Established => "established",
        State::Related => "related",
        State::Invalid => "invalid",
    }
}

fn limit_words(limit: &Limit, header: &str) -> String {
    let rate =
        |rate: &Rate| format!("{}/{} burst {} packets", rate.count, rate.per.name(), rate.burst);
    match limit {
        Limit::Total(total) => format!("limit rate {}", rate(total)),
        Limit::PerSource(each, table) => {
            format!("update @rate-{table} {{ {header} saddr limit rate over {} }}", rate(each))
        }
    }
}

fn action(rule: &Rule) -> String {
    match &rule.action {
        Action::Accept | Action::Genuine => String::from("accept"),
        Action::Drop => String::from("drop"),
        Action::Assign(helper) => {
            let proto = rule.test.proto.unwrap_or(L4Proto::TCP);
            format!("ct helper set \"{}\"", object(helper, proto))
        }
        Action::Log(prefix) => {
            let prefix: String = prefix.trim_end().chars().take(PREFIX_MAX).collect();
            format!("log prefix \"{prefix} \"")
        }
        Action::Destination(to, port) => {
            let to = port.map_or(to.to_string(), |port| SocketAddr::new(*to, port).to_string());
            format!("dnat {} to {to}", header(rule.family))
        }
        Action::Source(to, random) => source(*to, *random, header(rule.family)),
    }
}

fn source(to: SourceTo, random: bool, header: &str) -> String {
    let random = if random { " fully-random" } else { "" };
    match to {
        SourceTo::Masquerade => format!("masquerade{random}"),
        SourceTo::Addresses(one, last) if one == last => {
            format!("snat {header} to {one}{random}")
        }
        SourceTo::Addresses(first, last) => format!("snat {header} to {first}-{last}{random}"),
        SourceTo::Unchanged => String::from("accept"),
    }
}
