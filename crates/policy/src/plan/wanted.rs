//! The rules that an intent comes to.

use super::sides::{Side, pairs, pairs_of};
use super::{Action, Chain, Icmp, Limit, Plan, Rule, Serves, State, Test};
use crate::intent::{End, Intent, Policy, Published, What, of};
use crate::kinds::{Role, Signalling, When};
use crate::services::Service;
use ipnet::IpNet;
use kinwall_terms::{Family, L4Proto};

/// Where ports begin that need no privilege.
const UNPRIVILEGED: (u16, u16) = (1024, u16::MAX);

/// Which connections a helper reads.
pub(super) fn signalling(policy: &Policy, n: usize, family: Family, plan: &mut Plan) {
    let Some(intent) = policy.intents.get(n) else { return };
    let What::Helped(kind) = &intent.what else { return };
    for read in kind.signalling {
        let published = intent.published.as_ref();
        let outside = published.and_then(Published::outside);
        let port = outside.or(intent.port).unwrap_or(read.port);
        for (from, to) in pairs_of(policy, intent, &intent.from, ends(intent, read.to), family) {
            let chain = match from.segment {
                Some(_) => Chain::AssignArriving,
                None => Chain::AssignOwn,
            };
            // The destination is not translated yet.
            let dst = match (published, to.segment) {
                (Some(published), _) => published.nets(family),
                (None, Some(_)) => to.nets,
                (None, None) => own_addresses(policy, from.segment, family),
            };
            let test = Test {
                input: from.interfaces,
                output: if from.segment.is_none() { to.interfaces } else { Vec::new() },
                src: from.nets,
                dst,
                dst_except: to.except,
                proto: Some(read.proto),
                dports: vec![(port, port)],
                ..Test::default()
            };
            let why = format!("{} reads these connections, and no others", read.helper);
            let action = Action::Assign(read.helper);
            plan.add(Rule { chain, family, serves: Serves::Intent(n), why, test, action });
        }
    }
}

/// The flows that the helper announces.
pub(super) fn related(policy: &Policy, n: usize, family: Family, plan: &mut Plan) {
    let Some(intent) = policy.intents.get(n) else { return };
    let What::Helped(kind) = &intent.what else { return };
    for child in kind.related {
        if child.when == When::Active && !intent.active {
            continue;
        }
        let (from, to) = (played(intent, child.from), played(intent, child.to));
        // Whoever is sent to the published address comes to the host by translation alone.
        let published = intent.published.as_ref().filter(|_| child.to == Role::Server);
        for (from, to) in pairs_of(policy, intent, &from, &to, family) {
            let test = Test {
                proto: Some(child.proto),
                began_to: published.map_or(Vec::new(), |published| published.nets(family)),
                sport: child.sport,
                dports: child.unprivileged.then_some(UNPRIVILEGED).into_iter().collect(),
                state: Some(State::Related),
                helper: Some(child.helper),
                ..between(&from, &to)
            };
            let (chain, why) = (chain(&from, &to), child.what.to_owned());
            let (serves, action) = (Serves::Intent(n), Action::Accept);
            plan.add(Rule { chain, family, serves, why, test, action });
        }
    }
}

/// The connections that may begin.
pub(super) fn new(policy: &Policy, n: usize, family: Family, plan: &mut Plan) {
    let Some(intent) = policy.intents.get(n) else { return };
    for (wanted, role) in firsts(intent, family) {
        begin(policy, n, family, ends(intent, role), &wanted, plan);
    }
    let service = match &intent.what {
        What::Plain(service) => answers(service),
        What::Helped(_) => None,
    };
    if let Some(ports) = service {
        answered(policy, n, family, ports, plan);
    }
}

/// What the first packets of an intent look like behind translation, and who they are for.
pub(super) fn firsts(intent: &Intent, family: Family) -> Vec<(Test, Role)> {
    let first = Test { state: Some(State::New), ..Test::default() };
    match &intent.what {
        What::Helped(kind) => {
            let of = |read: &Signalling| {
                let port = intent.port.unwrap_or(read.port);
                let dports = vec![(port, port)];
                (Test { proto: Some(read.proto), dports, ..first.clone() }, read.to)
            };
            kind.signalling.iter().map(of).collect()
        }
        What::Plain(service) => {
            let tests = tests(service, family, &first);
            tests.into_iter().map(|test| (test, Role::Server)).collect()
        }
    }
}

/// The port that is asked and the port that asks, where the answer to a broadcast or multicast
/// belongs to no connection.
fn answers(service: &Service) -> Option<(u16, u16)> {
    match service.name.as_str() {
        Service::DHCP => Some((67, 68)),
        Service::DHCPV6 => Some((547, 546)),
        _ => None,
    }
}

fn answered(policy: &Policy, n: usize, family: Family, ports: (u16, u16), plan: &mut Plan) {
    let Some(intent) = policy.intents.get(n) else { return };
    for (from, to) in pairs(policy, &intent.from, &intent.to, family) {
        let test = Test {
            input: to.interfaces.clone(),
            output: from.interfaces.clone(),
            proto: Some(L4Proto::UDP),
            sport: Some(ports.0),
            dports: vec![(ports.1, ports.1)],
            state: Some(State::New),
            ..Test::default()
        };
        let why = String::from("the answer to a broadcast belongs to no connection");
        let (chain, serves, action) = (chain(&to, &from), Serves::Intent(n), Action::Accept);
        plan.add(Rule { chain, family, serves, why, test, action });
    }
}

/// What the first packets of a service look like.
fn tests(service: &Service, family: Family, first: &Test) -> Vec<Test> {
    let mut tests = Vec::new();
    for proto in [L4Proto::TCP, L4Proto::UDP] {
        let of_proto = service.ports.iter().filter(|port| port.0 == proto);
        let dports: Vec<(u16, u16)> = of_proto.map(|port| (port.1, port.2)).collect();
        if !dports.is_empty() {
            tests.push(Test { proto: Some(proto), dports, ..first.clone() });
        }
    }
    if service.ping {
        let (proto, number) = match family {
            Family::Ipv4 => (L4Proto::ICMP, 8),
            Family::Ipv6 => (L4Proto::ICMPV6, 128),
        };
        let icmp = Some(Icmp { name: "echo-request", number, code: None });
        tests.push(Test { proto: Some(proto), icmp, ..first.clone() });
    }
    tests
}

fn begin(policy: &Policy, n: usize, family: Family, to: &[End], wanted: &Test, plan: &mut Plan) {
    let Some(intent) = policy.intents.get(n) else { return };
    let published = intent.published.as_ref();
    for (from, to) in pairs_of(policy, intent, &intent.from, to, family) {
        let mut ends = between(&from, &to);
        if wants_any_address(intent) {
            ends.src.clear();
        }
        let test = Test {
            proto: wanted.proto,
            dports: wanted.dports.clone(),
            icmp: wanted.icmp,
            state: wanted.state,
            syn: wanted.proto == Some(L4Proto::TCP),
            began_to: published.map_or(Vec::new(), |published| published.nets(family)),
            began_to_port: published.and_then(Published::outside),
            ..ends
        };
        let chain = chain(&from, &to);
        let mut add = |test: &Test, limit, action, why: &str| {
            let test = Test { limit, ..test.clone() };
            let (serves, why) = (Serves::Intent(n), why.to_owned());
            plan.add(Rule { chain, family, serves, why, test, action });
        };
        if let Some(rate) = intent.limit_per_source.filter(|rate| rate.count > 0) {
            // What is within the rate of its source goes on; the rest ends here.
            let table = format!("{}-{}", intent.name, family_digit(family));
            let limit = Some(Limit::PerSource(rate, table));
            add(&test, limit, Action::Drop, "too many from one source");
        }
        let limit = intent.limit.filter(|rate| rate.count > 0).map(Limit::Total);
        if intent.log {
            let action = Action::Log(format!("{} ", intent.name));
            add(&test, limit.clone(), action, "the beginning of each is logged");
        }
        add(&test, limit, Action::Accept, "connections may begin");
    }
}

/// The digit of a family, where two tables need two names.
fn family_digit(family: Family) -> char {
    match family {
        Family::Ipv4 => '4',
        Family::Ipv6 => '6',
    }
}

/// Who asks for an address has none yet, or a link-local one.
fn wants_any_address(intent: &Intent) -> bool {
    matches!(&intent.what, What::Plain(service) if service.name.starts_with(Service::DHCP))
}

fn chain(from: &Side, to: &Side) -> Chain {
    match (from.segment, to.segment) {
        (None, _) => Chain::Output,
        (_, None) => Chain::Input,
        _ => Chain::Forward,
    }
}

fn between(from: &Side, to: &Side) -> Test {
    Test {
        input: from.interfaces.clone(),
        output: to.interfaces.clone(),
        src: from.nets.clone(),
        dst: to.nets.clone(),
        hairpin: from.interfaces.len() == 1 && from.interfaces == to.interfaces,
        ..Test::default()
    }
}

pub(super) fn ends(intent: &Intent, role: Role) -> &[End] {
    match role {
        Role::Client => &intent.from,
        Role::Media if !intent.media.is_empty() => &intent.media,
        Role::Server | Role::Media | Role::SegmentOfServer => &intent.to,
    }
}

fn played(intent: &Intent, role: Role) -> Vec<End> {
    let ends = ends(intent, role);
    match role {
        Role::SegmentOfServer => ends.iter().filter_map(End::segment).map(End::Segment).collect(),
        _ => ends.to_vec(),
    }
}

/// The gateway's addresses towards a segment.
fn own_addresses(policy: &Policy, segment: Option<usize>, family: Family) -> Vec<IpNet> {
    let segment = segment.and_then(|n| policy.segments.get(n));
    let addresses = segment.into_iter().flat_map(|segment| &segment.addresses);
    addresses.map(|net| IpNet::from(net.addr())).filter(|net| of(*net) == family).collect()
}
