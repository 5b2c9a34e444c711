//! Rules in the order a packet meets them, each behind the jumps that lead to it.

use super::finding::Place;
use super::gateway::Gateway;
use kinwall_rules::matches::Match;
use kinwall_rules::matches::conntrack::States;
use kinwall_rules::matches::multiport::Side;
use kinwall_rules::option::Test;
use kinwall_rules::ruleset::{Policy, Rule, Ruleset};
use kinwall_rules::targets::Target;
use kinwall_rules::value::{Network, PortRange};
use kinwall_terms::{Family, Hook, InterfaceName, L4Proto, Status, Table};
use kinwall_topology::AddressTypes;
use std::net::IpAddr;
use std::rc::Rc;

/// Rules looked at in one hook of one table; a rule behind several jumps counts once for each.
/// More than any rule set needs, and a bound for one made to have endless paths.
const VISITS_MAX: usize = 200_000;

/// A rule and the jumps by which packets of one hook come to it.
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    /// Family of its rule set.
    pub family: Family,
    /// Its table.
    pub table: Table,
    /// The hook whose packets come to it.
    pub hook: Hook,
    /// Its chain.
    pub chain: &'a str,
    /// Its number in the chain, from 1.
    pub number: u32,
    /// The rule.
    pub rule: &'a Rule,
    /// The rules that jump there, the outermost first.
    jumps: Rc<[&'a Rule]>,
    /// Whether its target is the next base chain: for its own, that is to accept.
    leads_on: bool,
    /// Of several base chains at the hook, in which it is met: from 0.
    pub stage: usize,
}

/// What has been laid out, by family, table and hook.
pub struct Visits<'a> {
    lists: Vec<(Family, Table, Hook, Policy, Vec<Visit<'a>>)>,
}

impl<'a> Visits<'a> {
    /// All rules of a gateway.
    pub fn of(gateway: &Gateway<'a>) -> Visits<'a> {
        let mut lists = Vec::new();
        for (family, rules) in gateway.families() {
            for (table, of_table) in rules.tables() {
                for &hook in table.hooks() {
                    let Some(chain) = of_table.chain(hook.chain()) else { continue };
                    let policy = chain.policy.unwrap_or(Policy::Accept);
                    let mut list = Vec::new();
                    let at = (rules, table, hook);
                    let mut todo = vec![hook.chain()];
                    let mut next = 0;
                    while let Some(chain) = todo.get(next).copied() {
                        let first = list.len();
                        lay_out(at, chain, &Rc::from([]), &mut Vec::new(), (&mut list, &mut todo));
                        list.iter_mut().skip(first).for_each(|visit| visit.stage = next);
                        next += 1;
                    }
                    lists.push((family, table, hook, policy, list));
                }
            }
        }
        Visits { lists }
    }

    /// The rules that packets at `hook` meet in `table`, in order.
    pub fn at(&self, family: Family, table: Table, hook: Hook) -> &[Visit<'a>] {
        let of = |l: &&(Family, Table, Hook, Policy, _)| (l.0, l.1, l.2) == (family, table, hook);
        self.lists.iter().find(of).map_or(&[], |list| &list.4)
    }

    /// What becomes of a packet at `hook` of `table` that no rule decides.
    pub fn policy(&self, family: Family, table: Table, hook: Hook) -> Policy {
        let of = |l: &&(Family, Table, Hook, Policy, _)| (l.0, l.1, l.2) == (family, table, hook);
        self.lists.iter().find(of).map_or(Policy::Accept, |list| list.3)
    }

    /// Every rule of `table` in both families.
    pub fn of_table(&self, table: Table) -> impl Iterator<Item = &Visit<'a>> {
        self.lists.iter().filter(move |list| list.1 == table).flat_map(|list| &list.4)
    }

    /// The rules of the filter table that decide over what enters or crosses the gateway.
    pub fn inward(&self) -> impl Iterator<Item = &Visit<'a>> {
        self.of_table(Table::Filter).filter(|v| matches!(v.hook, Hook::Input | Hook::Forward))
    }
}

fn lay_out<'a>(
    at: (&'a Ruleset, Table, Hook),
    chain: &'a str,
    jumps: &Rc<[&'a Rule]>,
    open: &mut Vec<&'a str>,
    (list, stages): (&mut Vec<Visit<'a>>, &mut Vec<&'a str>),
) {
    let (rules, table, hook) = at;
    let Some(found) = rules.table(table).and_then(|table| table.chain(chain)) else { return };
    if open.contains(&chain) {
        return;
    }
    open.push(chain);
    for (rule, number) in found.rules.iter().zip(1..) {
        if list.len() >= VISITS_MAX {
            break;
        }
        let family = rules.family;
        let jumps = Rc::clone(jumps);
        let next = match &rule.target {
            Some(Target::Jump(next) | Target::Goto(next)) => Some(&**next),
            _ => None,
        };
        // A base chain behind others is laid out once, whatever they accept.
        let is_stage = |next: &&str| {
            rules.table(table).and_then(|table| table.chain(next)).is_some_and(|c| c.is_stage)
        };
        let leads_on = next.is_some_and(|next| is_stage(&next));
        if let Some(next) = next.filter(|next| leads_on && !stages.contains(next)) {
            stages.push(next);
        }
        let next = next.filter(|_| !leads_on);
        let visit = Visit { family, table, hook, chain, number, rule, jumps, leads_on, stage: 0 };
        let behind = next.map(|next| (next, visit.parts().collect::<Rc<[&Rule]>>()));
        list.push(visit);
        if let Some((next, behind)) = behind {
            lay_out(at, next, &behind, open, (list, stages));
        }
    }
    open.pop();
}

impl<'a> Visit<'a> {
    /// Where the rule stands.
    pub fn place(&self) -> Place {
        Place::of(self.table, self.chain, self.number, self.rule)
    }

    /// The jumps and the rule itself: all must match.
    pub fn parts(&self) -> impl Iterator<Item = &'a Rule> + '_ {
        self.jumps.iter().copied().chain([self.rule])
    }

    /// All matches that must hold.
    pub fn matches(&self) -> impl Iterator<Item = &'a Match> + '_ {
        self.parts().flat_map(|rule| &rule.matches)
    }

    /// Whether it lets a packet pass.
    pub fn accepts(&self) -> bool {
        matches!(self.rule.target, Some(Target::Accept)) || self.leads_on
    }

    /// Whether it ends a packet.
    pub fn refuses(&self) -> bool {
        matches!(self.rule.target, Some(Target::Drop | Target::Reject(_)))
    }

    /// The helper it assigns.
    pub fn assigns(&self) -> Option<&'a str> {
        match &self.rule.target {
            Some(Target::Ct(ct)) => ct.helper.as_deref().filter(|name| !name.is_empty()),
            _ => None,
        }
    }

    /// The ct states of packets it can match, and whether it asks for them at all.
    pub fn states(&self) -> (States, bool) {
        let mut states = States::REAL;
        let mut asked = false;
        for found in self.matches() {
            let test = match found {
                Match::State(state) => Some(&state.states),
                Match::Conntrack(conntrack) => conntrack.states.as_ref(),
                _ => None,
            };
            if let Some(test) = test {
                asked = true;
                // A translated connection is in any state that a connection is in.
                let named = match by_translation(test) {
                    true => test.value | TRACKED,
                    false => test.value,
                };
                states &= if test.invert { !named } else { named };
            }
        }
        (states & States::REAL, asked)
    }

    /// Whether it names RELATED packets and can match them.
    pub fn asks_for_related(&self) -> bool {
        let named = self.matches().any(|found| match found {
            Match::State(_) => true,
            Match::Conntrack(conntrack) => conntrack
                .states
                .as_ref()
                .is_some_and(|test| !by_translation(test) || test.value.contains(States::RELATED)),
            _ => false,
        });
        named && self.states().0.contains(States::RELATED)
    }

    /// The helper names it asks for without `!`. `""` stands for any.
    pub fn helpers(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.matches().filter_map(|found| match found {
            Match::Helper(helper) if !helper.name.invert => Some(helper.name.value.as_str()),
            _ => None,
        })
    }

    /// Whether a child of the helper called `name` can pass its helper tests.
    pub fn admits_helper(&self, name: &str) -> bool {
        self.matches().all(|found| match found {
            Match::Helper(helper) => {
                helper.name.holds(|asked| asked.is_empty() || asked.starts_with(name))
            }
            _ => true,
        })
    }

    /// Whether packets of `proto` can match.
    pub fn admits_proto(&self, proto: L4Proto) -> bool {
        self.parts().all(|rule| rule.proto.is_none_or(|test| test.holds(|p| *p == proto)))
    }

    /// The one protocol it matches.
    pub fn proto(&self) -> Option<L4Proto> {
        self.parts().find_map(|rule| rule.proto.filter(|test| !test.invert).map(|test| test.value))
    }

    /// Whether something narrows the source (or, with `false`, the destination) address.
    pub fn narrows(&self, source: bool) -> bool {
        self.networks(source).next().is_some()
            || self.matches().any(|found| match found {
                Match::Iprange(range) => (if source { &range.src } else { &range.dst }).is_some(),
                Match::Set(set) => set.element.value.sides.iter().any(|side| {
                    use kinwall_rules::targets::set::Side;
                    matches!((side, source), (Side::Source, true) | (Side::Destination, false))
                }),
                Match::Addrtype(kind) => {
                    (if source { kind.src } else { kind.dst }).is_some_and(|test| !test.invert)
                }
                Match::Mac(_) => source,
                Match::Conntrack(conntrack) => conntrack.addresses.iter().any(Option::is_some),
                _ => false,
            })
    }

    /// The `-s` (or, with `false`, `-d`) tests, those that every address passes left out.
    pub fn networks(&self, source: bool) -> impl Iterator<Item = Test<Network>> + '_ {
        self.parts()
            .filter_map(move |rule| if source { rule.src } else { rule.dst })
            .filter(|test| test.invert || !test.value.is_everything())
    }

    /// Whether a packet that enters by `interface` can match.
    pub fn admits_in(&self, interface: InterfaceName) -> bool {
        self.parts().all(|rule| match &rule.in_iface {
            Some(test) => test.holds(|pattern| pattern.matches(Some(interface))),
            None => true,
        })
    }

    /// Whether a packet that leaves by `interface` can match.
    pub fn admits_out(&self, interface: InterfaceName) -> bool {
        self.parts().all(|rule| match &rule.out_iface {
            Some(test) => test.holds(|pattern| pattern.matches(Some(interface))),
            None => true,
        })
    }

    /// Whether `address` can be the source (or, with `false`, the destination), as far as `-s` and
    /// `-d` say.
    pub fn admits_address(&self, source: bool, address: IpAddr) -> bool {
        self.networks(source).all(|test| test.holds(|network| network.contains(address)))
    }

    /// Whether it holds connections for being translated: `--ctstate DNAT`, `--ctstatus DST_NAT`,
    /// or for the address they began towards.
    pub fn asks_for_translation(&self) -> bool {
        self.matches().any(|found| match found {
            Match::Conntrack(asked) => {
                asked.states.as_ref().is_some_and(by_translation)
                    || asked.status.is_some_and(|test| {
                        !test.invert && test.value.intersects(Status::SRC_NAT | Status::DST_NAT)
                    })
                    || asked.addresses[1].is_some_and(|test| !test.invert)
            }
            _ => false,
        })
    }

    /// Whether it names an interface that packets enter by.
    pub fn names_in(&self) -> bool {
        self.parts().any(|rule| rule.in_iface.as_ref().is_some_and(|t| !t.value.is_everything()))
    }

    /// Whether it names an interface that packets leave by.
    pub fn names_out(&self) -> bool {
        self.parts().any(|rule| rule.out_iface.as_ref().is_some_and(|t| !t.value.is_everything()))
    }

    /// The ports it can match as destination (with `source`: as source), as disjoint ranges in
    /// order, and whether it names ports at all.
    pub fn ports(&self, source: bool) -> (Vec<PortRange>, bool) {
        let mut left = vec![PortRange { min: 0, max: u16::MAX }];
        let mut asked = false;
        for found in self.matches() {
            for (wanted, invert) in ports_of(found, source) {
                asked = true;
                left = cut(&left, &wanted, invert);
            }
        }
        (left, asked)
    }

    /// Whether `port` can be the destination.
    pub fn admits_dport(&self, port: u16) -> bool {
        self.ports(false).0.iter().any(|range| range.contains(port))
    }

    /// Whether packets that come to it may come to `hook` behind routing.
    pub fn may_reach(&self, hook: Hook) -> bool {
        let own = |found: &Match| match found {
            Match::Addrtype(kind) => {
                let local = |types: &AddressTypes| types.contains(AddressTypes::LOCAL);
                let invert = |test: Test<AddressTypes>| local(&test.value).then_some(test.invert);
                kind.dst.and_then(invert)
            }
            _ => None,
        };
        self.matches().filter_map(own).all(|elsewhere| match hook {
            Hook::Input => !elsewhere,
            Hook::Forward => elsewhere,
            _ => true,
        })
    }

    /// Whether it only holds the loopback interface.
    pub fn is_loopback(&self) -> bool {
        self.parts().any(|rule| {
            let named = [&rule.in_iface, &rule.out_iface];
            named.into_iter().flatten().any(|test| !test.invert && test.value.stem() == "lo")
        })
    }

    /// Whether some packet can match both: false only when a test of one excludes the other's.
    pub fn overlaps(&self, other: &Visit<'_>) -> bool {
        let protos = [self.proto(), other.proto()];
        let proto = match protos {
            [Some(one), _] => other.admits_proto(one),
            [None, Some(two)] => self.admits_proto(two),
            [None, None] => true,
        };
        let addresses = [true, false].into_iter().all(|source| {
            self.networks(source).all(|one| other.networks(source).all(|two| meet(&one, &two)))
        });
        let ports = [true, false].into_iter().all(|source| {
            let (one, two) = (self.ports(source).0, other.ports(source).0);
            one.iter().any(|a| two.iter().any(|b| a.min <= b.max && b.min <= a.max))
        });
        let interfaces = self.parts().filter_map(|rule| rule.in_iface.as_ref()).all(|one| {
            other.parts().filter_map(|rule| rule.in_iface.as_ref()).all(|two| {
                one.invert || two.invert || {
                    let (a, b) = (&one.value, &two.value);
                    let (a_stem, b_stem) = (a.stem(), b.stem());
                    a_stem == b_stem
                        || a.is_prefix() && b_stem.starts_with(a_stem)
                        || b.is_prefix() && a_stem.starts_with(b_stem)
                }
            })
        });
        proto && addresses && ports && interfaces
    }
}

/// The states of packets that belong to a connection.
const TRACKED: States = States::NEW.union(States::ESTABLISHED).union(States::RELATED);

/// Whether a test is passed by connections for being translated, whatever their state.
fn by_translation(test: &Test<States>) -> bool {
    !test.invert && test.value.intersects(States::SNAT | States::DNAT)
}

fn meet(one: &Test<Network>, two: &Test<Network>) -> bool {
    let (a, b) = (&one.value, &two.value);
    match (one.invert, two.invert) {
        (false, false) => a.contains(b.address) || b.contains(a.address),
        (false, true) => !includes(b, a),
        (true, false) => !includes(a, b),
        (true, true) => true,
    }
}

/// Whether every address of `part` lies in `whole`; false where a mask is not a prefix.
pub(super) fn includes(whole: &Network, part: &Network) -> bool {
    match (whole.prefix_length(), part.prefix_length()) {
        (Some(long), Some(longer)) => long <= longer && whole.contains(part.address),
        _ => whole == part,
    }
}

fn ports_of(found: &Match, source: bool) -> Vec<(Vec<PortRange>, bool)> {
    let one = |test: Option<Test<PortRange>>| {
        test.map(|test| (vec![test.value], test.invert)).into_iter().collect()
    };
    match found {
        Match::Tcp(tcp) => one(if source { tcp.sport } else { tcp.dport }),
        Match::Udp(udp) => one(if source { udp.sport } else { udp.dport }),
        Match::Sctp(sctp) => one(if source { sctp.sport } else { sctp.dport }),
        Match::Dccp(dccp) => one(if source { dccp.sport } else { dccp.dport }),
        Match::Multiport(multiport) => {
            let wanted = if source { Side::Source } else { Side::Destination };
            let meant = multiport.side == wanted;
            let ports = || (multiport.ports.value.clone(), multiport.ports.invert);
            meant.then(ports).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The part of `left` inside (with `invert`: outside) the ranges `wanted`.
fn cut(left: &[PortRange], wanted: &[PortRange], invert: bool) -> Vec<PortRange> {
    let mut wanted = wanted.to_vec();
    if invert {
        wanted.sort_by_key(|range| range.min);
        let mut gaps = Vec::new();
        let mut next = 0u32;
        for range in &wanted {
            if u32::from(range.min) > next {
                gaps.push(PortRange { min: next as u16, max: range.min - 1 });
            }
            next = next.max(u32::from(range.max) + 1);
        }
        if let Ok(min) = u16::try_from(next) {
            gaps.push(PortRange { min, max: u16::MAX });
        }
        wanted = gaps;
    }
    let mut out = Vec::new();
    for a in left {
        for b in &wanted {
            let (min, max) = (a.min.max(b.min), a.max.min(b.max));
            if min <= max {
                out.push(PortRange { min, max });
            }
        }
    }
    out.sort_by_key(|range| range.min);
    out
}
