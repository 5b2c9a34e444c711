//! Sets of ipset as sets of packets.

use crate::field::Field;
use crate::predicate::View;
use crate::reach::Reach;
use crate::rulebook::Rulebook;
use crate::space::{Ranges, Set};
use crate::universe::{UniverseBuilder, joined, to_address};
use kinwall_rules::matches::Match;
use kinwall_rules::matches::set::Set as Asked;
use kinwall_rules::sets::{Member, Sets};
use kinwall_rules::targets::Target;
use kinwall_rules::targets::set::{Element, Side};
use std::collections::{HashMap, HashSet};

/// What is in the sets that rules ask.
pub(crate) type Known<'a> = HashMap<&'a Element, Vec<Vec<Member>>>;

impl<'a> Rulebook<'a> {
    /// With these sets, as they are now. What rules add to or take away is not known, nor is what
    /// is in a set for a time.
    pub fn with_sets(mut self, sets: &Sets) -> Rulebook<'a> {
        let changed: HashSet<&str> = self
            .rules()
            .filter_map(|rule| match &rule.target {
                Some(Target::Set(set)) => Some([&set.add, &set.del]),
                _ => None,
            })
            .flatten()
            .flatten()
            .map(|element| &*element.set)
            .collect();
        let asked = self.rules().flat_map(|rule| &rule.matches).filter_map(|found| match found {
            Match::Set(asked) => Some(&asked.element.value),
            _ => None,
        });
        let asked = asked.filter(|element| !changed.contains(&*element.set));
        let known =
            asked.filter_map(|element| Some((element, sets.members(element, self.family())?)));
        self.known = known.collect();
        self
    }
}

impl UniverseBuilder {
    /// The addresses, ports and protocols that sets hold.
    pub(crate) fn members(&mut self, known: &Known<'_>) {
        for member in known.values().flatten().flatten() {
            for (_, [min, max]) in &member.addresses {
                self.addresses(*min, *max);
            }
            if let Some((_, [min, max], protos)) = &member.ports {
                self.ports(*min, *max);
                protos.iter().for_each(|proto| self.proto(*proto));
            }
        }
    }
}

impl Reach<'_> {
    /// The packets that are in a set; `None` where that cannot be said.
    pub(crate) fn in_set(&self, asked: &Asked, view: &View<'_>) -> Option<Set> {
        if asked.return_nomatch || asked.packets.is_some() || asked.bytes.is_some() {
            return None;
        }
        let lists = self.given.book.known.get(&asked.element.value)?;
        let sets: Vec<Set> = lists.iter().map(|members| self.of_members(members, view)).collect();
        Some(self.space.held(self.space.any_of(&sets), asked.element.invert))
    }

    fn of_members(&self, members: &[Member], view: &View<'_>) -> Set {
        let space = &self.space;
        // What is an exception and what is not alternates by length: a few groups.
        let groups = members.chunk_by(|a, b| a.exception == b.exception);
        groups.fold(space.nothing(), |all, group| {
            let set = self.of_group(group, view);
            match group.first().is_some_and(|member| member.exception) {
                true => space.minus(&all, &set),
                false => space.or(&all, &set),
            }
        })
    }

    /// Members that are all the same way.
    fn of_group(&self, group: &[Member], view: &View<'_>) -> Set {
        let one_side = |member: &Member| match (member.addresses.as_slice(), &member.ports) {
            ([(side, range)], None) => Some((*side, *range)),
            _ => None,
        };
        if let Some(ranges) = group.iter().map(one_side).collect::<Option<Vec<_>>>()
            && let Some((side, _)) = ranges.first()
        {
            let pieces = ranges.iter().flat_map(|(_, range)| self.address_pieces(*range));
            return self.space.numbers(address_field(*side, view), &joined(pieces));
        }
        let sets: Vec<Set> = group.iter().map(|member| self.of_member(member, view)).collect();
        self.space.any_of(&sets)
    }

    fn of_member(&self, member: &Member, view: &View<'_>) -> Set {
        let space = &self.space;
        let addresses = member.addresses.iter().map(|(side, range)| {
            space.numbers(address_field(*side, view), &self.address_pieces(*range))
        });
        let mut sets: Vec<Set> = addresses.collect();
        if let Some((side, [min, max], protos)) = &member.ports {
            let field = match side {
                Side::Source => Field::Sport,
                Side::Destination => Field::Dport,
            };
            sets.push(space.numbers(view.way(field), &self.universe.port_range(*min, *max)));
            let protos: Vec<Set> = protos.iter().map(|proto| self.proto(*proto)).collect();
            sets.push(space.any_of(&protos));
        }
        space.all_of(&sets)
    }

    fn address_pieces(&self, [min, max]: [u128; 2]) -> Ranges {
        let address = |number| to_address(self.universe.family, number);
        self.universe.between(address(min), address(max))
    }
}

fn address_field(side: Side, view: &View<'_>) -> Field {
    view.way(match side {
        Side::Source => Field::Src,
        Side::Destination => Field::Dst,
    })
}
