//! Which connections get a helper, and which others these may announce.
//!
//! The rows of [`kinwall_terms::freedom`] say how an expectation follows from its master; here
//! they are applied to all masters at once.

use crate::field::Field;
use crate::reach::Reach;
use crate::situation::{Situation, Tracked};
use crate::space::{Set, TooLarge};
use crate::universe::{joined, to_number};
use ipnet::IpNet;
use kinwall_helpers::{Guard, Instance};
use kinwall_rules::eval::RuleId;
use kinwall_terms::freedom::{Announcer, End, Field as Freedom, ProtoField, Row};
use kinwall_terms::{Direction, L4Proto};
use std::net::IpAddr;

/// The fields that make a tuple.
pub(crate) const TUPLE: [Field; 5] =
    [Field::Proto, Field::Dport, Field::Dst, Field::Src, Field::Sport];
/// What else a packet has.
pub(crate) const BESIDE: [Field; 3] = [Field::Mac, Field::Input, Field::Flags];

/// Connections that have a helper.
#[derive(Clone)]
pub struct Masters {
    /// The helper instance.
    pub helper: u8,
    /// The helper that announced them, when they were announced.
    pub parent: Option<u8>,
    /// The CT rules that name the helper; none for automatic assignment and for children.
    pub rules: Vec<RuleId>,
    /// Their first packets, as far as rules let them pass; addresses, ports, protocol and
    /// interface.
    pub opened: Set,
}

impl Reach<'_> {
    /// Everything that comes through, as one set.
    pub(crate) fn all_through(&mut self, situation: Situation) -> Result<Set, TooLarge> {
        let through = self.through(situation)?;
        Ok(self.space.any_of([&through.delivered, &through.forwarded, &through.sent]))
    }

    /// The first packets of connections that rules give a helper, by instance and rule.
    pub(crate) fn assigned(
        &mut self,
        sent: bool,
    ) -> Result<Vec<(u8, Option<RuleId>, Set)>, TooLarge> {
        let situation = Situation::received(Tracked::First).sent(sent);
        let passing = self.all_through(situation)?;
        let family = self.family();
        let mut found = Vec::new();
        let mut unnamed = passing.clone();
        for (template, set) in self.start(situation).helpers {
            let Some(name) = &template.helper else { continue };
            unnamed = self.space.minus(&unnamed, &set);
            let proto = self.given.book.rule(template.rule).and_then(|rule| rule.proto);
            let proto = proto.map_or(L4Proto(0), |proto| proto.value);
            let Ok(helper) = self.given.instances.assigned(name, family, proto) else { continue };
            found.push((helper, Some(template.rule), self.space.and(&passing, &set)));
        }
        if self.given.automatic {
            for helper in 0..self.given.instances.list().len() as u8 {
                let set = self.automatic(helper);
                found.push((helper, None, self.space.and(&unnamed, &set)));
            }
        }
        found.retain(|(_, _, set)| !self.space.is_empty(set));
        self.space.check()?;
        Ok(found)
    }

    /// The packets that automatic assignment gives this instance.
    fn automatic(&self, helper: u8) -> Set {
        let instances = self.given.instances;
        let Some(instance) = instances.get(helper) else { return self.space.nothing() };
        let Some(port) = instance.port else { return self.space.nothing() };
        let protos = instance
            .helper
            .l4
            .iter()
            .filter(|proto| instances.automatic(self.family(), **proto, port) == Some(helper));
        let protos = self.space.any_of(&protos.map(|proto| self.proto(*proto)).collect::<Vec<_>>());
        let port = self.space.numbers(Field::Dport, &self.universe.port_range(port, port));
        self.space.and(&protos, &port)
    }

    /// The original tuples of connections of which packets in `direction` pass, once both ends
    /// have spoken.
    pub(crate) fn speaking(
        &mut self,
        direction: Direction,
        parent: Option<u8>,
    ) -> Result<Set, TooLarge> {
        let situation = Situation::received(Tracked::Answered(direction)).of(parent);
        let received = self.all_through(situation)?;
        let sent = self.all_through(situation.sent(true))?;
        Ok(self.space.forget(&self.space.or(&received, &sent), &BESIDE))
    }

    /// The tuples of masters of which packets in `direction` pass that their helper reads.
    pub(crate) fn announcing(
        &mut self,
        masters: &Masters,
        direction: Direction,
    ) -> Result<Set, TooLarge> {
        let opened = self.space.forget(&masters.opened, &BESIDE);
        let said = self.speaking(direction, masters.parent)?;
        let other = self.speaking(direction.opposite(), masters.parent)?;
        // TCP is read once both have spoken.
        let streams = self.space.all_of([&opened, &said, &other]);
        let datagrams = match direction {
            Direction::Original => opened,
            Direction::Reply => self.space.and(&opened, &said),
        };
        let tcp = self.proto(L4Proto::TCP);
        let all = self.space.choose(&tcp, &streams, &datagrams);
        self.space.check()?;
        Ok(all)
    }

    /// The tuples of children that `row` allows to be announced on `masters` by a packet in
    /// `direction`.
    pub(crate) fn children(
        &self,
        instance: &Instance,
        row: &Row,
        direction: Direction,
        masters: &Set,
    ) -> Set {
        if row.src == Freedom::InterfaceNetwork {
            return self.broadcast_children(instance, row, direction, masters);
        }
        let mut children = self.moved(row, &instance.guard, direction, masters);
        for (freedom, field) in [(row.sport, Field::Sport), (row.dport, Field::Dport)] {
            let range = match freedom {
                Freedom::Constant(port) => Some((port, port)),
                Freedom::PayloadRange(min, max) => Some((min, max)),
                _ => None,
            };
            if let Some((min, max)) = range {
                let ports = self.space.numbers(field, &self.universe.port_range(min, max));
                children = self.space.and(&children, &ports);
            }
        }
        if let ProtoField::Fixed(proto) = row.proto {
            children = self.space.and(&children, &self.proto(proto));
        }
        self.guarded(&instance.guard, children)
    }

    /// The children with what is copied from the master, and nothing else settled.
    fn moved(&self, row: &Row, guard: &Guard, direction: Direction, masters: &Set) -> Set {
        let wanted = copied(row, guard, direction);
        let mut pairs: Vec<(Field, Field)> = Vec::new();
        let mut again: Vec<(Field, Field)> = Vec::new();
        for (from, to) in wanted {
            match pairs.iter().find(|(known, _)| *known == from) {
                Some((_, first)) => again.push((*first, to)),
                None => pairs.push((from, to)),
            }
        }
        let unused: Vec<Field> =
            TUPLE.into_iter().filter(|field| pairs.iter().all(|(from, _)| from != field)).collect();
        let kept = self.space.forget(masters, &unused);
        let mut children = self.space.rename(&kept, &pairs);
        for (one, other) in again {
            children = self.space.and(&children, &self.space.equal(one, other));
        }
        children
    }

    fn guarded(&self, guard: &Guard, mut children: Set) -> Set {
        let space = &self.space;
        if guard.min_port > 0 {
            let low = space.numbers(Field::Dport, &self.universe.port_range(0, guard.min_port - 1));
            let ports = space.or(&self.proto(L4Proto::TCP), &self.proto(L4Proto::UDP));
            children = space.minus(&children, &space.and(&low, &ports));
        }
        if !guard.networks.is_empty() {
            let pieces = guard.networks.iter().flat_map(|network| self.universe.net(*network));
            children = space.and(&children, &space.numbers(Field::Dst, &joined(pieces)));
        }
        children
    }

    /// Answers to a broadcast that the gateway sent: from the network it was sent to.
    fn broadcast_children(
        &self,
        instance: &Instance,
        row: &Row,
        direction: Direction,
        masters: &Set,
    ) -> Set {
        let local = self.given.topology.interfaces().iter();
        let networks = local.flat_map(|interface| &interface.addresses);
        let mut children = self.space.nothing();
        for network in networks {
            let IpNet::V4(v4) = network else { continue };
            let everybody = to_number(IpAddr::V4(v4.broadcast()));
            let pieces = [self.universe.addresses.pieces(everybody, everybody)];
            let queries = self.space.and(masters, &self.space.numbers(Field::Dst, &pieces));
            let plain = Row { src: Freedom::Any, ..*row };
            let answers = self.children(instance, &plain, direction, &queries);
            let from = self.space.numbers(Field::Src, &self.universe.net(*network));
            children = self.space.or(&children, &self.space.and(&answers, &from));
        }
        children
    }
}

/// The fields of a master that a child has in fields of its own, as pairs of the master's field
/// and the child's.
pub(crate) fn copied(row: &Row, guard: &Guard, direction: Direction) -> Vec<(Field, Field)> {
    let is_originator = |end| match end {
        End::Originator => true,
        End::Responder => false,
        End::Sender => direction == Direction::Original,
        End::Receiver => direction == Direction::Reply,
    };
    let address = |freedom| match freedom {
        Freedom::Fixed(end) if is_originator(end) => Some(Field::Src),
        Freedom::Fixed(_) => Some(Field::Dst),
        _ => None,
    };
    let port = |freedom| match freedom {
        Freedom::Fixed(end) if is_originator(end) => Some(Field::Sport),
        Freedom::Fixed(_) => Some(Field::Dport),
        _ => None,
    };
    let dst = match row.dst {
        // The guard believes no other address than the sender's.
        Freedom::Payload if guard.peer_only => address(Freedom::Fixed(End::Sender)),
        freedom => address(freedom),
    };
    let proto = (row.proto == ProtoField::Master).then_some(Field::Proto);
    let wanted = [
        (address(row.src), Field::Src),
        (dst, Field::Dst),
        (port(row.sport), Field::Sport),
        (port(row.dport), Field::Dport),
        (proto, Field::Proto),
    ];
    wanted.into_iter().filter_map(|(from, to)| Some((from?, to))).collect()
}

/// In which directions an announcement may be made.
pub(crate) fn directions(announcer: Announcer) -> &'static [Direction] {
    match announcer {
        Announcer::Originator | Announcer::Gateway => &[Direction::Original],
        Announcer::Responder => &[Direction::Reply],
        Announcer::Either => &Direction::ALL,
    }
}
