//! Spoofing: which sources pass although they cannot live where they come from.
//!
//! A source cannot live behind an interface when it is the gateway's own, or when the routes say
//! that it belongs to another interface. It passes when some packet with it is forwarded or
//! delivered: of whatever protocol, opening a connection, belonging to one that can be, or to
//! none. No address (`0.0.0.0`, `::`) lives nowhere, and is told apart.

use crate::addresses::{self, AddressRange};
use crate::field::Field;
use crate::reach::Reach;
use crate::situation::{Situation, Tracked};
use crate::space::{Ranges, Set, TooLarge, Unknown};
use crate::universe::joined;
use kinwall_rules::eval::RuleId;
use kinwall_terms::{Direction, InterfaceName};

/// What can be spoofed on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoofing {
    /// The interface.
    pub input: InterfaceName,
    /// The sources that pass, whatever cannot be decided.
    pub certain: Vec<AddressRange>,
    /// The sources that pass, depending on what cannot be decided.
    pub possible: Vec<AddressRange>,
    /// Whether packets without a source address pass.
    pub unspecified: bool,
    /// The rules that let them pass.
    pub rules: Vec<RuleId>,
    /// What could not be decided and bears on the answer.
    pub undecided: Vec<Unknown>,
}

impl Spoofing {
    /// Whether it is proved that nobody can be spoofed.
    pub fn is_none(&self) -> bool {
        self.certain.is_empty() && self.possible.is_empty()
    }
}

impl Reach<'_> {
    /// What can be spoofed, interface by interface.
    pub fn spoofing(&mut self) -> Result<Vec<Spoofing>, TooLarge> {
        let forged = self.forged()?;
        let blamed = self.blamed(&forged)?;
        let inputs = self.universe.inputs.clone();
        let forged = self.summed_up(&forged);
        let on = |(number, input)| {
            let rules = blamed.iter().filter(|(inputs, _)| {
                inputs.iter().any(|(first, last)| (*first..=*last).contains(&number))
            });
            let mut rules: Vec<RuleId> = rules.map(|(_, rule)| *rule).collect();
            sort(&mut rules);
            let found = self.spoofing_on(number, input, &forged)?;
            Ok(Spoofing { rules: if found.is_none() { Vec::new() } else { rules }, ..found })
        };
        (0..).zip(inputs).map(on).collect()
    }

    /// The rules that let strangers pass, and the interfaces by which those come.
    fn blamed(&mut self, forged: &[(Situation, Set)]) -> Result<Vec<(Ranges, RuleId)>, TooLarge> {
        let mut blamed = Vec::new();
        for (situation, set) in forged {
            let strangers = self.space.minus(set, &self.nobody(*situation));
            for part in self.accepted(&strangers, *situation)? {
                let inputs = self.numbers_of(&part.set, Field::Input);
                blamed.extend(part.rule.map(|rule| (inputs, rule)));
            }
        }
        Ok(blamed)
    }

    /// The strangers that pass, by situation: the simplest first.
    pub(crate) fn strangers_that_pass(&mut self) -> Result<Vec<(Situation, Set)>, TooLarge> {
        let mut forged = self.forged()?;
        for (situation, set) in &mut forged {
            *set = self.space.minus(set, &self.nobody(*situation));
        }
        let rank = |tracked| match tracked {
            Tracked::First => 0,
            Tracked::Untracked => 1,
            _ => 2,
        };
        forged.sort_by_key(|(situation, _)| (rank(situation.tracked), situation.master));
        Ok(forged)
    }

    /// Every packet that passes and can be, by situation, from strangers and from nobody.
    fn forged(&mut self) -> Result<Vec<(Situation, Set)>, TooLarge> {
        let connections = self.connections()?;
        let mut masters: Vec<(Option<u8>, Set)> = vec![(None, connections.plain)];
        masters.extend(connections.announced.into_iter().map(|(helper, set)| (Some(helper), set)));
        let everything = self.space.everything();
        let mut situations = vec![
            (Situation::received(Tracked::Untracked), everything.clone()),
            (Situation::received(Tracked::Invalid), everything.clone()),
            (Situation::received(Tracked::First), everything),
            (Situation::received(Tracked::Error), self.hosts_of(&masters)),
        ];
        for (master, tuples) in masters {
            if master.is_some() {
                let first = Situation::received(Tracked::First).of(master);
                situations.push((first, tuples.clone()));
            }
            for direction in Direction::ALL {
                let answered = Situation::received(Tracked::Answered(direction)).of(master);
                situations.push((answered, tuples.clone()));
            }
        }
        let mut forged = Vec::new();
        for (situation, can_be) in situations {
            let passing = self.all_through(situation)?;
            let passing = self.space.and(&passing, &can_be);
            let nobody = self.nobody(situation);
            let foreign = self.space.or(&self.routes(situation).strangers, &nobody);
            forged.push((situation, self.space.and(&passing, &foreign)));
        }
        self.space.check()?;
        Ok(forged)
    }

    /// Packets to a host that takes part in some connection: ICMP errors can be about it.
    fn hosts_of(&self, connections: &[(Option<u8>, Set)]) -> Set {
        let space = &self.space;
        let all = space.any_of(connections.iter().map(|(_, tuples)| tuples));
        let others = |kept: Field| {
            let rest: Vec<Field> = Field::ALL.into_iter().filter(|field| *field != kept).collect();
            space.forget(&all, &rest)
        };
        let sources = space.rename(&others(Field::Src), &[(Field::Src, Field::Dst)]);
        space.or(&others(Field::Dst), &sources)
    }

    /// Packets without a source address.
    fn nobody(&self, situation: Situation) -> Set {
        let field = if situation.swapped { Field::Dst } else { Field::Src };
        self.space.numbers(field, &self.universe.net(addresses::unspecified(self.family())))
    }

    /// What of `forged` the answer is given by: without the fields that it does not name.
    fn summed_up(&self, forged: &[(Situation, Set)]) -> Vec<Forged> {
        let sum = |(situation, set): &(Situation, Set)| {
            let src = if situation.swapped { Field::Dst } else { Field::Src };
            let others = |field: &Field| *field != src && *field != Field::Input;
            let rest: Vec<Field> = Field::ALL.into_iter().filter(others).collect();
            let only = |set: &Set| self.by_input(&self.space.forget(set, &rest), src);
            let nobody = self.nobody(*situation);
            let strangers = self.space.minus(set, &nobody);
            Forged {
                possible: only(&self.space.possible(&strangers)),
                certain: only(&self.space.certain(&strangers)),
                unspecified: only(&self.space.and(set, &nobody)),
                strangers,
            }
        };
        forged.iter().map(sum).collect()
    }

    /// The numbers in `field` by interface, of packets told apart by nothing else.
    fn by_input(&self, set: &Set, field: Field) -> Vec<Ranges> {
        let mut found = vec![Ranges::new(); self.universe.local_input() as usize + 1];
        for (ranges, rest) in self.space.split(set, field) {
            let inputs = self.space.split(&rest, Field::Input).into_iter();
            for (first, last) in inputs.flat_map(|(inputs, _)| inputs) {
                let inputs = found.get_mut(first as usize..=last as usize);
                inputs.into_iter().flatten().for_each(|on| on.extend(&ranges));
            }
        }
        found.into_iter().map(joined).collect()
    }

    fn spoofing_on(
        &self,
        number: u32,
        input: InterfaceName,
        forged: &[Forged],
    ) -> Result<Spoofing, TooLarge> {
        let (mut certain, mut possible) = (Ranges::new(), Ranges::new());
        let mut unspecified = false;
        for part in forged {
            let on = |by_input: &Vec<Ranges>| by_input.get(number as usize).cloned();
            unspecified |= on(&part.unspecified).is_some_and(|there| !there.is_empty());
            possible.extend(on(&part.possible).unwrap_or_default());
            certain.extend(on(&part.certain).unwrap_or_default());
        }
        let (certain, possible) = (joined(certain), joined(possible));
        let doubt = apart(&possible, &certain);
        let mut undecided = Vec::new();
        let here = self.space.numbers(Field::Input, &[(number, number)]);
        for part in forged.iter().filter(|_| !doubt.is_empty()) {
            undecided.extend(self.space.unknowns_of(&self.space.and(&part.strangers, &here)));
        }
        sort(&mut undecided);
        let of = |ranges: &[(u32, u32)]| addresses::ranges(&self.universe, ranges);
        let (certain, possible) = (of(&certain), of(&doubt));
        self.space.check()?;
        Ok(Spoofing { input, certain, possible, unspecified, rules: Vec::new(), undecided })
    }

    /// The numbers that packets of `set` have in `field`.
    pub(crate) fn numbers_of(&self, set: &Set, field: Field) -> Ranges {
        let rest: Vec<Field> = Field::ALL.into_iter().filter(|other| *other != field).collect();
        let numbers = self.space.possible(&self.space.forget(set, &rest));
        self.space.split(&numbers, field).into_iter().flat_map(|(ranges, _)| ranges).collect()
    }
}

/// Forged packets of one situation.
struct Forged {
    /// By interface, the sources of those that pass perhaps.
    possible: Vec<Ranges>,
    /// The same of those that pass whatever the unknowns.
    certain: Vec<Ranges>,
    /// The same of those without a source address.
    unspecified: Vec<Ranges>,
    /// The packets themselves, without these.
    strangers: Set,
}

/// What is in `one` and not in `other`; both ascend and are apart.
fn apart(one: &[(u32, u32)], other: &[(u32, u32)]) -> Ranges {
    let mut left = Ranges::new();
    for (first, last) in one {
        let mut from = *first;
        for (a, b) in other.iter().filter(|(a, b)| b >= first && a <= last) {
            if *a > from {
                left.push((from, a - 1));
            }
            from = b + 1;
        }
        if from <= *last {
            left.push((from, *last));
        }
    }
    left
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_subtracted() {
        type Row<'a> = (&'a [(u32, u32)], &'a [(u32, u32)], &'a [(u32, u32)]);
        let rows: &[Row<'_>] = &[
            (&[(0, 9)], &[], &[(0, 9)]),
            (&[(0, 9)], &[(0, 9)], &[]),
            (&[(0, 9)], &[(2, 3), (5, 5)], &[(0, 1), (4, 4), (6, 9)]),
            (&[(2, 4), (8, 9)], &[(0, 2), (9, 12)], &[(3, 4), (8, 8)]),
        ];
        for (one, other, expected) in rows {
            assert_eq!(apart(one, other), *expected, "{one:?} {other:?}");
        }
    }
}
