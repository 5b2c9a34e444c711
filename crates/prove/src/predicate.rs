//! Rules as sets: which packets a rule matches.
//!
//! Exact where what is asked is a field of the packet, a fact of the situation, a mark or a
//! question to the routes. Everything else is an unknown: the set then holds the packets that
//! match if the answer is yes.

use crate::field::Field;
use crate::marks::Mark;
use crate::reach::Reach;
use crate::routes::pieces_where;
use crate::situation::{Situation, Tracked};
use crate::space::{Ranges, Set};
use crate::universe::{counterpart, joined};
use crate::unknowns::Topic;
use kinwall_rules::eval::RuleId;
use kinwall_rules::matches::Match;
use kinwall_rules::matches::addrtype::Addrtype;
use kinwall_rules::matches::conntrack::{Conntrack, States, state_of};
use kinwall_rules::matches::icmp::Message;
use kinwall_rules::matches::iprange::Iprange;
use kinwall_rules::matches::multiport::{Multiport, Side};
use kinwall_rules::matches::rpfilter::Rpfilter;
use kinwall_rules::matches::tcp::Tcp;
use kinwall_rules::option::Test;
use kinwall_rules::print::Line;
use kinwall_rules::ruleset::Rule;
use kinwall_rules::value::{InterfacePattern, Network, PortRange};
use kinwall_terms::{Direction, Hook, L4Proto, Manip, Status};
use kinwall_topology::RpfilterOptions;
use std::net::IpAddr;

/// Where a rule is asked, and what is known there.
#[derive(Clone, Copy)]
pub(crate) struct View<'m> {
    pub(crate) hook: Hook,
    pub(crate) situation: Situation,
    /// The packet mark.
    pub(crate) mark: &'m Mark,
    /// The connection's mark.
    pub(crate) connmark: &'m Mark,
}

impl View<'_> {
    /// The field of the set that holds a field of the packet.
    pub(crate) fn way(&self, field: Field) -> Field {
        if self.situation.swapped { field.swapped() } else { field }
    }

    fn sees_in(&self) -> bool {
        matches!(self.hook, Hook::Prerouting | Hook::Input | Hook::Forward)
    }

    fn sees_out(&self) -> bool {
        matches!(self.hook, Hook::Forward | Hook::Output | Hook::Postrouting)
    }
}

/// What of a view bears on tests of the packet alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sight {
    hook: Hook,
    sent: bool,
    swapped: bool,
    announced: bool,
}

impl Sight {
    pub(crate) fn new(hook: Hook, situation: Situation) -> Sight {
        let Situation { sent, swapped, master, .. } = situation;
        // Only where a translation is still to come do the packets that were announced differ.
        let announced = hook == Hook::Prerouting && master.is_some();
        Sight { hook, sent, swapped, announced }
    }
}

impl Reach<'_> {
    /// The packets that rule `id` matches.
    pub(crate) fn predicate(&mut self, id: RuleId, rule: &Rule, view: &View<'_>) -> Set {
        let View { hook, situation, .. } = *view;
        let sight = Sight::new(hook, situation);
        let mut all = match self.stable.get(&(id, sight)) {
            Some(known) => known.clone(),
            None => {
                let mut all = self.base(id, rule, view);
                self.narrow(&mut all, id, rule, view, |found| !is_of_situation(found));
                self.stable.insert((id, sight), all.clone());
                all
            }
        };
        self.narrow(&mut all, id, rule, view, is_of_situation);
        match hook {
            Hook::Prerouting => self.as_they_came(all, situation),
            _ => all,
        }
    }

    /// Takes out of `all` what the matches that are `meant` do not match.
    fn narrow(
        &mut self,
        all: &mut Set,
        id: RuleId,
        rule: &Rule,
        view: &View<'_>,
        meant: impl Fn(&Match) -> bool,
    ) {
        for (at, found) in rule.matches.iter().enumerate().filter(|(_, found)| meant(found)) {
            if self.space.is_empty(all) {
                return;
            }
            let set = self.found(id, rule, at, found, view);
            *all = self.space.and(all, &set);
        }
    }

    /// What the rule itself tests.
    fn base(&mut self, id: RuleId, rule: &Rule, view: &View<'_>) -> Set {
        let mut all = self.interfaces(rule, view);
        for (test, field) in [(&rule.dst, Field::Dst), (&rule.src, Field::Src)] {
            if let Some(test) = test {
                let set = self.network(id, &test.value, view.way(field));
                all = self.space.and(&all, &self.space.held(set, test.invert));
            }
        }
        if let Some(test) = &rule.proto {
            let set = self.proto(test.value);
            all = self.space.and(&all, &self.space.held(set, test.invert));
        }
        // Datagrams are put together before any rule sees them.
        if rule.fragment == Some(false) { self.space.nothing() } else { all }
    }

    fn interfaces(&self, rule: &Rule, view: &View<'_>) -> Set {
        let (space, universe) = (&self.space, &self.universe);
        let mut all = space.everything();
        if let Some(test) = &rule.in_iface {
            let known = view.sees_in() && !view.situation.sent;
            let set = if known {
                let hits = universe.inputs.iter().zip(0..);
                let hits = hits.filter(|(name, _)| test.value.matches(Some(**name)));
                space.numbers(Field::Input, &joined(hits.map(|(_, n)| (n, n))))
            } else {
                space.held(space.nothing(), test.value.matches(None))
            };
            all = space.and(&all, &space.held(set, test.invert));
        }
        if let Some(test) = &rule.out_iface {
            let set = self.output(&test.value, view);
            all = space.and(&all, &space.held(set, test.invert));
        }
        all
    }

    fn output(&self, pattern: &InterfacePattern, view: &View<'_>) -> Set {
        let space = &self.space;
        if !view.sees_out() {
            return space.held(space.nothing(), pattern.matches(None));
        }
        let outputs = &self.routes(view.situation).outputs;
        space.any_of(outputs.iter().filter(|(name, _)| pattern.matches(Some(*name))).map(|o| &o.1))
    }

    fn network(&mut self, id: RuleId, network: &Network, field: Field) -> Set {
        match self.universe.network(network) {
            Some(pieces) => self.space.numbers(field, &pieces),
            None => {
                let text = format!("{field:?} {network}");
                self.ask(Topic::Text(text.clone()), Some(id), || text)
            }
        }
    }

    pub(crate) fn proto(&self, proto: L4Proto) -> Set {
        let number = self.universe.protos.number(proto.0);
        self.space.numbers(Field::Proto, &[(number, number)])
    }

    pub(crate) fn ask(
        &mut self,
        topic: Topic,
        rule: Option<RuleId>,
        text: impl FnOnce() -> String,
    ) -> Set {
        self.unknowns.ask(&mut self.space, topic, rule, text)
    }

    fn found(&mut self, id: RuleId, rule: &Rule, at: usize, found: &Match, view: &View<'_>) -> Set {
        let exact = match found {
            Match::Comment(_) => Some(self.space.everything()),
            Match::Tcp(tcp) => self.tcp(id, rule, at, tcp, view),
            Match::Udp(udp) => {
                let plain = rule.proto.is_some_and(|p| !p.invert && p.value == L4Proto::UDP);
                plain.then(|| self.both_ports(&udp.sport, &udp.dport, view))
            }
            Match::Sctp(sctp) if sctp.chunks.is_none() => {
                Some(self.both_ports(&sctp.sport, &sctp.dport, view))
            }
            Match::Dccp(dccp) if dccp.types.is_none() && dccp.option.is_none() => {
                Some(self.both_ports(&dccp.sport, &dccp.dport, view))
            }
            Match::Multiport(list) => Some(self.multiport(list, view)),
            Match::Icmp(icmp) => Some(self.message(&icmp.message, L4Proto::ICMP, view)),
            Match::Icmp6(icmp) => Some(self.message(&icmp.message, L4Proto::ICMPV6, view)),
            Match::Mac(_) if view.situation.sent => Some(self.space.nothing()),
            Match::Mac(mac) => {
                let number = self.universe.macs.number(mac.source.value);
                let set = self.space.numbers(Field::Mac, &[(number, number)]);
                Some(self.space.held(set, mac.source.invert))
            }
            Match::Iprange(ranges) => Some(self.iprange(ranges, view)),
            Match::Set(set) => self.in_set(set, view),
            Match::Addrtype(types) => Some(self.addrtype(types, view)),
            Match::Rpfilter(options) => Some(self.rpfilter(options, view)),
            Match::State(state) => Some(self.states(&state.states, view.situation)),
            Match::Conntrack(conntrack) => self.conntrack(id, at, conntrack, view),
            Match::Helper(helper) => self.helper(&helper.name, view.situation),
            Match::Mark(mark) => {
                let set = view.mark.equals(&self.space, mark.mark.value);
                Some(self.space.held(set, mark.mark.invert))
            }
            // Without a connection it does not match, `!` or not.
            Match::Connmark(mark) if view.situation.tracked == Tracked::Template => {
                Some(self.constant(mark.mark.holds(|mark| mark.matches(0))))
            }
            Match::Connmark(_) if !view.situation.has_connection() => Some(self.space.nothing()),
            Match::Connmark(mark) => {
                let set = view.connmark.equals(&self.space, mark.mark.value);
                Some(self.space.held(set, mark.mark.invert))
            }
            _ => None,
        };
        match exact {
            Some(set) => set,
            None => self.undecided(id, at, found, view),
        }
    }

    /// A match that cannot be decided: as assumed, or an unknown.
    fn undecided(&mut self, id: RuleId, at: usize, found: &Match, view: &View<'_>) -> Set {
        let settled = !found.kind().spec().evaluated || matches!(found, Match::Set(_));
        if settled && let Some(answer) = self.given.book.assumed(id) {
            return self.constant(answer);
        }
        let mut line = Line::new(format!("-m {}", found.kind().spec().name));
        found.print(&mut line);
        let text = line.as_str().to_owned();
        let topic = match depends_on(found) {
            DependsOn::Packet => Topic::Text(text.clone()),
            DependsOn::Header if !self.given.book.rewrites_header => {
                // Forwarding counts the time to live down before the FORWARD chains.
                let before = matches!(view.hook, Hook::Prerouting | Hook::Input | Hook::Output);
                Topic::Text(format!("{text} {before}"))
            }
            DependsOn::Header | DependsOn::Past => Topic::Rule(id, at, 0),
        };
        self.ask(topic, Some(id), || text)
    }

    fn constant(&self, truth: bool) -> Set {
        self.space.held(self.space.nothing(), truth)
    }

    fn tcp(
        &mut self,
        id: RuleId,
        rule: &Rule,
        at: usize,
        tcp: &Tcp,
        view: &View<'_>,
    ) -> Option<Set> {
        if !rule.proto.is_some_and(|proto| !proto.invert && proto.value == L4Proto::TCP) {
            return None;
        }
        let mut all = self.both_ports(&tcp.sport, &tcp.dport, view);
        if let Some(test) = &tcp.flags {
            let impossible = test.value.set & !test.value.mask != 0;
            let bits = (0..6).filter(|bit| test.value.mask >> bit & 1 == 1);
            let set = bits.fold(self.constant(!impossible), |set, bit| {
                let flag = self.space.field_bit(Field::Flags, bit);
                self.space.and(&set, &self.space.held(flag, test.value.set >> bit & 1 == 0))
            });
            all = self.space.and(&all, &self.space.held(set, test.invert));
        }
        if let Some(option) = &tcp.option {
            let topic = Topic::Rule(id, at, 0);
            let set = self.ask(topic, Some(id), || format!("--tcp-option {}", option.value));
            all = self.space.and(&all, &self.space.held(set, option.invert));
        }
        Some(all)
    }

    fn both_ports(
        &self,
        sport: &Option<Test<PortRange>>,
        dport: &Option<Test<PortRange>>,
        view: &View<'_>,
    ) -> Set {
        let mut all = self.space.everything();
        for (test, field) in [(sport, Field::Sport), (dport, Field::Dport)] {
            if let Some(test) = test {
                let set = self.port_list(&[test.value], view.way(field));
                all = self.space.and(&all, &self.space.held(set, test.invert));
            }
        }
        all
    }

    fn port_list(&self, ranges: &[PortRange], field: Field) -> Set {
        let pieces = ranges.iter().flat_map(|r| self.universe.port_range(r.min, r.max));
        self.space.numbers(field, &joined(pieces))
    }

    fn multiport(&self, list: &Multiport, view: &View<'_>) -> Set {
        let side = |field| self.port_list(&list.ports.value, view.way(field));
        let set = match list.side {
            Side::Source => side(Field::Sport),
            Side::Destination => side(Field::Dport),
            Side::Either => self.space.or(&side(Field::Sport), &side(Field::Dport)),
        };
        self.space.held(set, list.ports.invert)
    }

    /// Type and code stand in the destination port of a tuple; those of an answer are the
    /// counterparts of the question's.
    fn message(&self, test: &Test<Message>, proto: L4Proto, view: &View<'_>) -> Set {
        let Some(kind) = test.value.kind else { return self.constant(!test.invert) };
        let kind = match view.situation.swapped {
            false => Some(kind),
            true => counterpart(proto, kind),
        };
        let codes = test.value.codes;
        let pieces = kind.map_or(Ranges::new(), |kind| {
            let [min, max] = [codes.min, codes.max].map(|code| u16::from_be_bytes([kind, code]));
            self.universe.port_range(min, max)
        });
        self.space.held(self.space.numbers(Field::Dport, &pieces), test.invert)
    }

    fn iprange(&self, ranges: &Iprange, view: &View<'_>) -> Set {
        let mut all = self.space.everything();
        for (test, field) in [(&ranges.src, Field::Src), (&ranges.dst, Field::Dst)] {
            if let Some(test) = test {
                let pieces = self.universe.between(test.value.min, test.value.max);
                let set = self.space.numbers(view.way(field), &pieces);
                all = self.space.and(&all, &self.space.held(set, test.invert));
            }
        }
        all
    }

    fn addrtype(&self, types: &Addrtype, view: &View<'_>) -> Set {
        let (space, topology) = (&self.space, self.given.topology);
        let mut all = space.everything();
        for (test, field) in [(&types.src, Field::Src), (&types.dst, Field::Dst)] {
            let Some(test) = test else { continue };
            let field = view.way(field);
            let of = |on| {
                let pieces = pieces_where(&self.universe, topology, |address| {
                    topology.matches_address_type(address, on, test.value)
                });
                space.numbers(field, &pieces)
            };
            let set = if types.limit_in && view.sees_in() && !view.situation.sent {
                let parts = self.universe.inputs.iter().zip(0..).map(|(name, number)| {
                    space.and(&space.numbers(Field::Input, &[(number, number)]), &of(Some(*name)))
                });
                space.any_of(&parts.collect::<Vec<_>>())
            } else if types.limit_out && view.sees_out() {
                let outputs = self.routes(view.situation).outputs.iter();
                let parts = outputs.map(|(name, set)| space.and(set, &of(Some(*name))));
                space.any_of(&parts.collect::<Vec<_>>())
            } else {
                of(None)
            };
            all = space.and(&all, &space.held(set, test.invert));
        }
        all
    }

    fn rpfilter(&self, options: &Rpfilter, view: &View<'_>) -> Set {
        let (space, topology) = (&self.space, self.given.topology);
        let wanted = RpfilterOptions { loose: options.loose, accept_local: options.accept_local };
        let [src, dst] = [Field::Src, Field::Dst].map(|field| view.way(field));
        // Only a source without address is judged by its destination.
        let nobody = pieces_where(&self.universe, topology, |a| a.is_unspecified());
        let nobody = space.numbers(src, &nobody);
        let mut all = space.nothing();
        for (name, number) in self.universe.inputs.iter().zip(0..) {
            let passes = |src: IpAddr, dst| topology.rpfilter(src, dst, Some(*name), wanted);
            let somewhere = self.universe.address(self.universe.addresses.count() / 2);
            let sources = pieces_where(&self.universe, topology, |src| passes(src, somewhere));
            let unspecified = self.universe.address(0);
            let targets = pieces_where(&self.universe, topology, |dst| passes(unspecified, dst));
            let good =
                space.choose(&nobody, &space.numbers(dst, &targets), &space.numbers(src, &sources));
            let here = space.numbers(Field::Input, &[(number, number)]);
            all = space.or(&all, &space.and(&here, &good));
        }
        space.held(all, options.invert)
    }

    fn states(&self, test: &Test<States>, situation: Situation) -> Set {
        let mut set = self.constant(test.value.intersects(state_of(situation.state())));
        for (state, manip) in [(States::SNAT, Manip::Source), (States::DNAT, Manip::Destination)] {
            if test.value.contains(state) && situation.direction().is_some() {
                let translated = self.translated(manip, situation.master.is_some());
                set = self.space.or(&set, &translated);
            }
        }
        self.space.held(set, test.invert)
    }

    fn conntrack(
        &mut self,
        id: RuleId,
        at: usize,
        conntrack: &Conntrack,
        view: &View<'_>,
    ) -> Option<Set> {
        let situation = view.situation;
        let states = conntrack.states.as_ref();
        if states.is_some_and(|test| self.space.is_empty(&self.states(test, situation))) {
            return Some(self.space.nothing());
        }
        if situation.tracked == Tracked::Template {
            return Some(self.constant(conntrack.matches_template(self.family())));
        }
        if !situation.has_connection() {
            return Some(self.constant(states.is_some()));
        }
        if situation.tracked == Tracked::Error {
            // The connection is not that of the packet's own tuple.
            let plain = Conntrack { states: conntrack.states, ..Conntrack::default() };
            return (*conntrack == plain).then(|| self.space.everything());
        }
        let mut all = match states {
            Some(test) => self.states(test, situation),
            None => self.space.everything(),
        };
        let announced = situation.master.is_some();
        let mut add = |reach: &Self, set: Set, invert: bool| {
            all = reach.space.and(&all, &reach.space.held(set, invert));
        };
        let addresses = [Field::Src, Field::Dst, Field::Dst, Field::Src];
        for ((test, field), of) in conntrack.addresses.iter().zip(addresses).zip(ENDS) {
            if let Some(test) = test {
                let set = self.network(id, &test.value, field);
                let set = self.told_by(set, of, announced);
                add(self, set, test.invert);
            }
        }
        let ports = [Field::Sport, Field::Dport, Field::Dport, Field::Sport];
        for ((test, field), of) in conntrack.ports.iter().zip(ports).zip(ENDS) {
            if let Some(test) = test {
                let set = self.port_list(&[test.value], field);
                add(self, self.told_by(set, of, announced), test.invert);
            }
        }
        if let Some(test) = &conntrack.proto {
            add(self, self.proto(test.value), test.invert);
        }
        if let Some(direction) = conntrack.direction {
            add(self, self.constant(situation.direction() == Some(direction)), false);
        }
        if let Some(test) = &conntrack.status {
            let set = self.status(id, at, test.value, situation);
            add(self, set, test.invert);
        }
        if let Some(test) = &conntrack.expires_s {
            let set =
                self.ask(Topic::Rule(id, at, 1), Some(id), || format!("--ctexpire {}", test.value));
            add(self, set, test.invert);
        }
        Some(all)
    }

    /// What the tuples of a connection hold, where translation makes a difference.
    fn told_by(&self, set: Set, of: Option<Direction>, announced: bool) -> Set {
        match of {
            Some(direction) => self.through_lenses(set, announced, direction),
            None => set,
        }
    }

    fn status(&mut self, id: RuleId, at: usize, wanted: Status, situation: Situation) -> Set {
        let (sure, may) = situation.status();
        if wanted.intersects(sure) {
            return self.space.everything();
        }
        if !wanted.intersects(may) {
            return self.space.nothing();
        }
        let names: Vec<&str> = (wanted & may).names().collect();
        self.ask(Topic::Rule(id, at, 0), Some(id), || format!("--ctstatus {}", names.join(",")))
    }

    /// An ICMP error may be about any connection: whose child that is cannot be said.
    fn helper(&self, name: &Test<String>, situation: Situation) -> Option<Set> {
        if situation.tracked == Tracked::Error {
            return None;
        }
        let master = situation.master.and_then(|at| self.given.instances.get(at));
        let found = master.filter(|_| situation.has_connection()).is_some_and(|instance| {
            name.value.is_empty() || name.value.starts_with(&instance.name)
        });
        Some(self.constant(found != name.invert))
    }
}

/// The ends of a connection's tuples in the order of the options (`--ctorigsrc`, `--ctorigdst`,
/// `--ctreplsrc`, `--ctrepldst`): of those that translation changes, whose destination it is.
const ENDS: [Option<Direction>; 4] =
    [None, Some(Direction::Original), None, Some(Direction::Reply)];

/// Whether the answer depends on the situation or on marks, and not on the packet alone.
pub(crate) fn is_of_situation(found: &Match) -> bool {
    matches!(
        found,
        Match::State(_)
            | Match::Conntrack(_)
            | Match::Helper(_)
            | Match::Mark(_)
            | Match::Connmark(_)
    )
}

/// What the answer of a match that cannot be decided depends on.
enum DependsOn {
    /// Bytes of the packet that no rule changes, and the moment.
    Packet,
    /// Bytes that rules or forwarding may change.
    Header,
    /// What came before, chance, or the state of something else.
    Past,
}

fn depends_on(found: &Match) -> DependsOn {
    match found {
        Match::Ah(_)
        | Match::Ah6(_)
        | Match::Esp(_)
        | Match::Eui64(_)
        | Match::Frag(_)
        | Match::Hbh(_)
        | Match::Dst(_)
        | Match::Rt(_)
        | Match::Mh(_)
        | Match::Ipv6header(_)
        | Match::Ipcomp(_)
        | Match::Pkttype(_)
        | Match::Time(_)
        | Match::Owner(_)
        | Match::Physdev(_) => DependsOn::Packet,
        Match::Length(_)
        | Match::Text(_)
        | Match::U32(_)
        | Match::Bpf(_)
        | Match::Dscp(_)
        | Match::Tos(_)
        | Match::Ecn(_)
        | Match::Ttl(_)
        | Match::Hl(_)
        | Match::Tcpmss(_) => DependsOn::Header,
        _ => DependsOn::Past,
    }
}
