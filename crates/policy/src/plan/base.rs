//! What every policy has: anti-spoofing, neighbour discovery, tracked connections, ICMP errors,
//! and a word in the log about what is dropped.

use super::sides::elsewhere;
use super::{Action, Chain, Icmp, Limit, Plan, Rule, Serves, State, Test};
use crate::intent::{End, Policy, Rate, Segment, Unit, What, of};
use crate::services::Service;
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName, L4Proto};

/// How many ICMP errors of each type pass: plenty for path MTU discovery, no flood.
const ERRORS: Rate = Rate { count: 100, per: Unit::Second, burst: 200 };

/// Everything that comes before the intents.
pub(super) fn before(policy: &Policy, family: Family, plan: &mut Plan) {
    let mut add = Adder { family, plan };
    anti_spoofing(policy, &mut add);
    loopback(&mut add);
    if family == Family::Ipv6 {
        neighbours(policy, &mut add);
    }
    for chain in Chain::FILTER {
        let test = Test { state: Some(State::Established), ..Test::default() };
        add.add(chain, "packets of connections that were let begin", test, Action::Accept);
        let test = Test { state: Some(State::Invalid), ..Test::default() };
        if chain != Chain::Output {
            add.add(chain, "packets of no connection", test, Action::Drop);
        }
        for error in errors(family) {
            let test = Test {
                proto: Some(icmp_of(family)),
                icmp: Some(*error),
                state: Some(State::Related),
                limit: Some(Limit::Total(ERRORS)),
                ..Test::default()
            };
            let why = "errors about connections that exist: path MTU discovery needs them";
            add.add(chain, why, test, Action::Accept);
        }
    }
}

/// What comes behind the intents.
pub(super) fn after(policy: &Policy, family: Family, plan: &mut Plan) {
    let Some(rate) = policy.log_dropped else { return };
    let mut add = Adder { family, plan };
    for (chain, word) in Chain::FILTER.into_iter().zip(["input", "forward", "output"]) {
        let test = Test { limit: Some(Limit::Total(rate)), ..Test::default() };
        let action = Action::Log(format!("kinwall {word} drop "));
        add.add(chain, "what is dropped is logged, at a rate", test, action);
    }
}

struct Adder<'a> {
    family: Family,
    plan: &'a mut Plan,
}

impl Adder<'_> {
    fn add(&mut self, chain: Chain, why: &str, test: Test, action: Action) {
        let (family, why) = (self.family, why.to_owned());
        self.plan.add(Rule { chain, family, serves: Serves::Every, why, test, action });
    }
}

fn anti_spoofing(policy: &Policy, add: &mut Adder<'_>) {
    let family = add.family;
    for segment in dhcp_segments(policy).filter(|_| family == Family::Ipv4) {
        let test = Test {
            input: segment.interfaces.clone(),
            src: nets(&["0.0.0.0/32"]),
            dst: nets(&["255.255.255.255/32"]),
            proto: Some(L4Proto::UDP),
            sport: Some(68),
            dports: vec![(67, 67)],
            ..Test::default()
        };
        let why = "a host that asks for its address has none yet";
        add.add(Chain::AntiSpoofing, why, test, Action::Genuine);
    }
    if policy.segments.iter().any(|segment| segment.asymmetric) {
        for (n, segment) in policy.segments.iter().enumerate() {
            by_list(policy, n, segment, add);
        }
    } else {
        let test = Test { reverse_path_fails: true, ..Test::default() };
        let why = "packets whose answers would go another way have a forged source";
        add.add(Chain::AntiSpoofing, why, test, Action::Drop);
    }
}

/// The segments where the gateway gives addresses out.
fn dhcp_segments(policy: &Policy) -> impl Iterator<Item = &Segment> {
    let offers = policy.intents.iter().filter(|intent| {
        matches!(&intent.what, What::Plain(service) if service.name == Service::DHCP)
            && intent.to.contains(&End::Gateway)
    });
    let segments = offers.flat_map(|intent| &intent.from).filter_map(End::segment);
    segments.filter_map(|n| policy.segments.get(n))
}

fn by_list(policy: &Policy, n: usize, segment: &Segment, add: &mut Adder<'_>) {
    let family = add.family;
    let chain = Chain::AntiSpoofing;
    let input = segment.interfaces.clone();
    if !segment.asymmetric {
        let test = Test { input, reverse_path_fails: true, ..Test::default() };
        let why = "packets whose answers would go another way have a forged source";
        return add.add(chain, why, test, Action::Drop);
    }
    if family == Family::Ipv6 {
        let test = Test { input: input.clone(), src: nets(&["fe80::/64"]), ..Test::default() };
        add.add(chain, "link-local sources live behind every interface", test, Action::Genuine);
        let test = Test {
            input: input.clone(),
            src: nets(&["::/128"]),
            dst: nets(&["ff02::/16"]),
            proto: Some(L4Proto::ICMPV6),
            ..Test::default()
        };
        let why = "a host that tries an address (DAD) has none yet";
        add.add(chain, why, test, Action::Genuine);
    }
    let own: Vec<IpNet> = policy.segments.iter().flat_map(|s| &s.addresses).copied().collect();
    let own: Vec<IpNet> = own.into_iter().map(|net| IpNet::from(net.addr())).collect();
    let own: Vec<IpNet> = own.into_iter().filter(|net| of(*net) == family).collect();
    if segment.default.has(family) {
        let mut src = elsewhere(policy, n, family);
        src.extend(own.into_iter().filter(|net| segment.nets(family).any(|n| n.contains(net))));
        src.extend(nets(never(family)));
        let test = Test { input, src, ..Test::default() };
        let why = "sources of other segments, of the gateway, or of nobody, are forged here";
        return add.add(chain, why, test, Action::Drop);
    }
    if !own.is_empty() {
        let test = Test { input: input.clone(), src: own, ..Test::default() };
        add.add(chain, "nobody else has the gateway's addresses", test, Action::Drop);
    }
    let src: Vec<IpNet> = segment.nets(family).collect();
    if !src.is_empty() {
        let test = Test { input: input.clone(), src, ..Test::default() };
        add.add(chain, "the networks that live here", test, Action::Genuine);
    }
    let test = Test { input, ..Test::default() };
    add.add(chain, "every other source is forged here", test, Action::Drop);
}

/// Sources that no host has.
fn never(family: Family) -> &'static [&'static str] {
    match family {
        Family::Ipv4 => &["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"],
        Family::Ipv6 => &["::1/128", "ff00::/8"],
    }
}

fn nets(words: &[&str]) -> Vec<IpNet> {
    words.iter().filter_map(|word| word.parse().ok()).collect()
}

fn loopback(add: &mut Adder<'_>) {
    let lo = vec![InterfaceName::LOOPBACK];
    let test = Test { input: lo.clone(), ..Test::default() };
    add.add(Chain::Input, "the gateway speaks to itself", test, Action::Accept);
    let test = Test { output: lo, ..Test::default() };
    add.add(Chain::Output, "the gateway speaks to itself", test, Action::Accept);
}

/// Neighbour discovery, router discovery and multicast membership: without them there is no
/// IPv6. Tracking leaves them alone, so no state can be asked for.
fn neighbours(policy: &Policy, add: &mut Adder<'_>) {
    let icmp = |name, number| Some(Icmp { name, number, code: None });
    let proto = Some(L4Proto::ICMPV6);
    let local = nets(&["fe80::/10"]);
    for (name, number) in [
        ("neighbour-solicitation", 135),
        ("neighbour-advertisement", 136),
        ("router-solicitation", 133),
    ] {
        let test = Test { proto, icmp: icmp(name, number), on_link: true, ..Test::default() };
        let why = "neighbours on the link find each other, and whether an address is free (DAD)";
        add.add(Chain::Input, why, test.clone(), Action::Accept);
        add.add(Chain::Output, why, test, Action::Accept);
    }
    let default = policy.segments.iter().find(|segment| segment.default.has(Family::Ipv6));
    let test = Test {
        proto,
        icmp: icmp("router-advertisement", 134),
        on_link: true,
        src: local.clone(),
        ..Test::default()
    };
    if let Some(segment) = default {
        let test = Test { input: segment.interfaces.clone(), ..test.clone() };
        let why = "routers announce themselves where the default route leads";
        add.add(Chain::Input, why, test, Action::Accept);
    }
    add.add(Chain::Output, "the gateway announces itself as a router", test, Action::Accept);
    // During DAD a host reports its groups from no address.
    let listeners = nets(&["fe80::/10", "::/128"]);
    for (name, number) in [("130", 130), ("131", 131), ("132", 132), ("143", 143)] {
        let test =
            Test { proto, icmp: icmp(name, number), src: listeners.clone(), ..Test::default() };
        let why = "who listens to which multicast group, neighbour discovery's among them";
        add.add(Chain::Input, why, test.clone(), Action::Accept);
        let test = Test { src: Vec::new(), ..test };
        add.add(Chain::Output, why, test, Action::Accept);
    }
}

fn icmp_of(family: Family) -> L4Proto {
    match family {
        Family::Ipv4 => L4Proto::ICMP,
        Family::Ipv6 => L4Proto::ICMPV6,
    }
}

/// The errors that connections need: never redirects, never source quench.
fn errors(family: Family) -> &'static [Icmp] {
    const fn error(name: &'static str, number: u8, code: Option<u8>) -> Icmp {
        Icmp { name, number, code }
    }
    match family {
        Family::Ipv4 => {
            const V4: [Icmp; 4] = [
                error("fragmentation-needed", 3, Some(4)),
                error("destination-unreachable", 3, None),
                error("time-exceeded", 11, None),
                error("parameter-problem", 12, None),
            ];
            &V4
        }
        Family::Ipv6 => {
            const V6: [Icmp; 4] = [
                error("packet-too-big", 2, None),
                error("destination-unreachable", 1, None),
                error("time-exceeded", 3, None),
                error("parameter-problem", 4, None),
            ];
            &V6
        }
    }
}
