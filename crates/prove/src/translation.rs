//! Address translation: what the nat table does with the first packets of connections, and how
//! rules see what it does.
//!
//! Sets hold packets as routing and the filter table see them: with the translated destination
//! and the source that came. Rules before the nat table see another packet: the destination as it
//! came. A lens says which, so that the rules of PREROUTING, and matches that ask for the
//! original destination, can be answered. Connections that are translated are analysed apart from
//! those that are not: through lenses every connection that is meant is a translated one.
//!
//! Where several addresses or ports become one, rules are answered for all of them at once. What
//! the gateway itself sends is not translated here.

use crate::addresses::{self, AddressRange};
use crate::announce::BESIDE;
use crate::exposure::{Exposure, Flows};
use crate::field::Field;
use crate::predicate::View;
use crate::reach::Reach;
use crate::rulebook::Step;
use crate::situation::{Situation, Tracked};
use crate::space::{Ranges, Set, TooLarge};
use crate::universe::{joined, to_number};
use crate::walk::Marks;
use kinwall_rules::eval::RuleId;
use kinwall_rules::targets::Target;
use kinwall_rules::targets::nat::Wanted;
use kinwall_terms::{Direction, Family, Hook, Manip, Table};

/// What a rule of the nat table does.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The rule.
    pub rule: RuleId,
    /// The end that it changes.
    pub manip: Manip,
    /// First packets of the connections it translates, as it sees them.
    pub before: Set,
    /// The same as the filter table sees them.
    pub after: Set,
    /// What the end becomes: pieces of addresses, and ports if they change.
    pub(crate) to: (Ranges, Option<[u16; 2]>),
}

/// What the nat table does, and what can be opened then.
#[derive(Clone, Debug)]
pub struct Translated {
    /// What its rules do.
    pub translations: Vec<Translation>,
    /// By translation, those of its connections that the rules let begin, as the filter table
    /// sees them.
    pub passing: Vec<Vec<Flows>>,
    /// What can be opened, on connections that are not translated and then on those that are.
    pub exposures: Vec<Exposure>,
}

/// How rules see packets that came with other fields.
struct Lens {
    /// As they came.
    before: Set,
    /// What is different then.
    fields: Vec<Field>,
    /// As they are.
    after: Set,
}

/// Everything that is seen otherwise.
pub(crate) struct Lenses {
    /// By whether the connection was announced; then of first packets and those that follow them,
    /// and of answers.
    lenses: [[Vec<Lens>; 2]; 2],
    /// First packets of translated connections.
    region: Set,
}

/// Which connections are meant.
pub(crate) enum World {
    /// Those of a gateway that translates nothing.
    Plain,
    /// Those that are not translated: these would be.
    Untranslated(Set),
    /// Those that are.
    Translated(Lenses),
}

impl Reach<'_> {
    /// What the nat table does, and what could be opened, by whom, on which signalling
    /// connections: those that it does nothing with, and those that it translates.
    pub fn translated_exposures(&mut self) -> Result<Translated, TooLarge> {
        let translations = self.translations()?;
        if translations.is_empty() {
            let exposures = self.exposures()?;
            return Ok(Translated { translations, passing: Vec::new(), exposures });
        }
        self.look_beside(&translations);
        let mut exposures = self.exposures()?;
        self.look_through(&translations);
        for exposure in self.exposures()? {
            let masters = &exposure.masters;
            let by = translations.iter().filter(|one| {
                let both = self.space.and(&one.after, masters);
                !self.space.is_empty(&both)
            });
            let translated_by = by.map(|one| one.rule).collect();
            exposures.push(Exposure { translated_by, ..exposure });
        }
        let all = self.all_through(Situation::received(Tracked::First))?;
        let mut passing = Vec::new();
        for one in &translations {
            let open = self.space.and(&one.after, &all);
            passing.push(self.flows_of(&open));
        }
        self.look_plainly();
        self.space.check()?;
        Ok(Translated { translations, passing, exposures })
    }

    /// The flows that begin with these packets, and those that may, by boxes.
    pub(crate) fn flows_of(&mut self, first: &Set) -> Vec<Flows> {
        let mut found = Vec::new();
        for slice in self.slices(first) {
            let tuples = self.space.forget(&slice.packets, &BESIDE);
            let boxes = self.boxes(&self.space.possible(&tuples));
            found.extend(boxes.iter().map(|numbers| self.flows(&slice, numbers)));
        }
        found
    }

    /// What the end becomes: addresses, and ports if they change.
    pub fn becomes(&self, translation: &Translation) -> (Vec<AddressRange>, Option<[u16; 2]>) {
        let (addresses, ports) = &translation.to;
        (addresses::ranges(&self.universe, addresses), *ports)
    }

    /// What the nat table does with first packets that come by an interface, in the order of its
    /// rules.
    pub(crate) fn translations(&mut self) -> Result<Vec<Translation>, TooLarge> {
        let situation = Situation::received(Tracked::First);
        let start = self.start(situation);
        let marks = self.tracked_marks(situation, &start);
        let marks = self.table(Table::Mangle, Hook::Prerouting, situation, &marks).marks;
        let mut found = Vec::new();
        for (hook, manip) in
            [(Hook::Prerouting, Manip::Destination), (Hook::Postrouting, Manip::Source)]
        {
            let Some(entry) = self.given.book.entry(Table::Nat, hook) else { continue };
            let mut taken = Vec::new();
            let everybody = self.space.everything();
            self.taken(entry, (hook, situation, &marks), everybody, &mut taken);
            for (rule, before) in taken {
                found.extend(self.translation(rule, manip, before));
            }
        }
        self.space.check()?;
        Ok(found)
    }

    /// Those in `here` through a chain of the nat table: `taken` by which rules. Returns who comes
    /// back.
    fn taken(
        &mut self,
        chain: usize,
        at: (Hook, Situation, &Marks),
        mut here: Set,
        taken: &mut Vec<(RuleId, Set)>,
    ) -> Set {
        let (hook, situation, marks) = at;
        let book = self.given.book;
        let mut back = self.space.nothing();
        for (step, at_rule) in book.chain(chain).steps.iter().zip(0..) {
            let id = RuleId(book.chain(chain).first + at_rule);
            let Some(rule) = book.rule(id).filter(|_| *step != Step::Pass) else { continue };
            let view = View { hook, situation, mark: &marks.packet, connmark: &marks.connection };
            let matched = self.predicate(id, rule, &view);
            let those = self.space.and(&here, &matched);
            if self.space.is_empty(&those) {
                continue;
            }
            here = self.space.minus(&here, &those);
            match (step, rule.target.as_ref()) {
                (Step::Jump(to), _) => {
                    let returned = self.taken(*to, at, those, taken);
                    here = self.space.or(&here, &returned);
                }
                (Step::Goto(to), _) => {
                    let returned = self.taken(*to, at, those, taken);
                    back = self.space.or(&back, &returned);
                }
                (_, Some(Target::Accept | Target::Drop)) => {}
                (_, Some(Target::Return)) => back = self.space.or(&back, &those),
                (_, Some(target)) if target.wanted().is_some() => taken.push((id, those)),
                _ => here = self.space.or(&here, &those),
            }
        }
        self.space.or(&back, &here)
    }

    /// What a rule makes of those that it takes.
    fn translation(&mut self, rule: RuleId, manip: Manip, before: Set) -> Option<Translation> {
        let wanted = self.given.book.rule(rule)?.target.as_ref()?.wanted()?;
        let own = |reach: &Self, names: &[u32]| -> Ranges {
            let interfaces = reach.given.topology.interfaces().iter();
            let here = interfaces.filter(|interface| {
                let number = reach.universe.inputs.iter().position(|name| *name == interface.name);
                number.is_some_and(|number| names.contains(&(number as u32)))
            });
            let addresses = here.flat_map(|interface| &interface.addresses);
            let of_family =
                addresses.filter(|network| Family::of(network.addr()) == reach.family());
            joined(of_family.map(|network| {
                let number = to_number(network.addr());
                reach.universe.addresses.pieces(number, number)
            }))
        };
        let (addresses, ports) = match wanted {
            Wanted::Range(range) => {
                let to = range.addresses.map(|[min, max]| self.universe.between(min, max));
                (to?, range.ports)
            }
            Wanted::Masquerade { ports, .. } => (own(self, &self.ways_out(&before)), ports),
            Wanted::Redirect { ports, .. } => (own(self, &self.ways_in(&before)), ports),
            Wanted::Netmap(network) => (self.universe.network(&network)?, None),
        };
        let after = match manip {
            Manip::Source => before.clone(),
            Manip::Destination => {
                let mut fields = vec![Field::Dst];
                fields.extend(ports.map(|_| Field::Dport));
                let rest = self.space.forget(&before, &fields);
                let to = self.space.numbers(Field::Dst, &addresses);
                let ports = ports.map_or(self.space.everything(), |[min, max]| {
                    self.space.numbers(Field::Dport, &self.universe.port_range(min, max))
                });
                self.space.all_of([&rest, &to, &ports])
            }
        };
        Some(Translation { rule, manip, before, after, to: (addresses, ports) })
    }

    /// The interfaces by which packets came, by number.
    fn ways_in(&self, set: &Set) -> Vec<u32> {
        let inputs = 0..self.universe.inputs.len() as u32;
        let came = |number: &u32| {
            let here = self.space.numbers(Field::Input, &[(*number, *number)]);
            !self.space.is_empty(&self.space.and(set, &here))
        };
        inputs.filter(came).collect()
    }

    /// The interfaces by which packets leave, by number.
    fn ways_out(&self, set: &Set) -> Vec<u32> {
        let routes = self.routes(Situation::received(Tracked::First));
        let inputs = self.universe.inputs.iter().zip(0..);
        let leaves = |name| {
            routes.outputs.iter().any(|(output, way)| {
                *output == name && !self.space.is_empty(&self.space.and(set, way))
            })
        };
        inputs.filter(|(name, _)| leaves(**name)).map(|(_, number)| number).collect()
    }

    /// From now on, connections are meant that the translations do nothing with.
    pub(crate) fn look_beside(&mut self, translations: &[Translation]) {
        let all = self.space.any_of(translations.iter().map(|one| &one.before));
        self.look(World::Untranslated(all));
    }

    /// From now on, all are meant, as if nothing were translated.
    pub(crate) fn look_plainly(&mut self) {
        self.look(World::Plain);
    }

    /// From now on, those are meant that are translated.
    pub(crate) fn look_through(&mut self, translations: &[Translation]) {
        let mut lenses: [[Vec<Lens>; 2]; 2] = Default::default();
        for one in translations {
            let (addresses, ports) = &one.to;
            let only = |field| {
                let rest: Vec<Field> = Field::ALL.into_iter().filter(|f| *f != field).collect();
                self.space.forget(&one.before, &rest)
            };
            let by = |numbers: Vec<u32>| {
                self.space.numbers(Field::Input, &joined(numbers.into_iter().map(|n| (n, n))))
            };
            let dst = self.space.numbers(Field::Dst, addresses);
            let src = self.space.numbers(Field::Src, addresses);
            let [[first, answers], [announced, announced_answers]] = &mut lenses;
            match one.manip {
                Manip::Destination => {
                    let mut fields = vec![Field::Dst];
                    fields.extend(ports.map(|_| Field::Dport));
                    let (before, after) = (one.before.clone(), one.after.clone());
                    first.push(Lens { before, fields, after });
                    // Children come to the same address.
                    let after = self.space.and(&dst, &by(self.ways_in(&one.before)));
                    let (before, fields) = (only(Field::Dst), vec![Field::Dst]);
                    announced.push(Lens { before, fields, after });
                }
                Manip::Source => {
                    let after = self.space.forget(&one.before, &BESIDE);
                    answers.push(Lens { before: src.clone(), fields: vec![Field::Src], after });
                    let after = only(Field::Src);
                    let fields = vec![Field::Src];
                    announced_answers.push(Lens { before: src, fields, after: after.clone() });
                    // Children come to the address that is shown, and leave to the one behind it.
                    let hosts = self.space.rename(&after, &[(Field::Src, Field::Dst)]);
                    let after = self.space.and(&hosts, &by(self.ways_out(&one.before)));
                    announced.push(Lens { before: dst, fields: vec![Field::Dst], after });
                }
            }
        }
        let region = self.space.any_of(translations.iter().map(|one| &one.after));
        self.look(World::Translated(Lenses { lenses, region }));
    }

    /// Of first packets, those of connections that are meant.
    pub(crate) fn meant(&self, opened: &Set) -> Set {
        match &self.world {
            World::Plain => opened.clone(),
            World::Untranslated(others) => self.space.minus(opened, others),
            World::Translated(lenses) => self.space.and(opened, &lenses.region),
        }
    }

    /// The packets that a rule of PREROUTING matches, of which `set` are those that it matches as
    /// they come to it.
    pub(crate) fn as_they_came(&self, set: Set, situation: Situation) -> Set {
        let direction = match situation.swapped {
            false => Direction::Original,
            true => Direction::Reply,
        };
        self.through_lenses(set, situation.master.is_some(), direction)
    }

    /// Tuples whose first packet, or whose answers, came as those in `set`.
    pub(crate) fn through_lenses(&self, set: Set, announced: bool, direction: Direction) -> Set {
        let World::Translated(lenses) = &self.world else { return set };
        let space = &self.space;
        let lenses = &lenses.lenses[usize::from(announced)][direction.index()];
        let after = space.any_of(lenses.iter().map(|lens| &lens.after));
        let seen = lenses.iter().map(|lens| {
            let came = space.forget(&space.and(&set, &lens.before), &lens.fields);
            space.and(&came, &lens.after)
        });
        let seen = space.any_of(&seen.collect::<Vec<_>>());
        space.or(&space.minus(&set, &after), &seen)
    }

    /// Connections of which the end is translated.
    pub(crate) fn translated(&self, manip: Manip, announced: bool) -> Set {
        let World::Translated(lenses) = &self.world else { return self.space.nothing() };
        let direction = match manip {
            Manip::Destination => Direction::Original,
            Manip::Source => Direction::Reply,
        };
        let lenses = &lenses.lenses[usize::from(announced)][direction.index()];
        self.space.any_of(lenses.iter().map(|lens| &lens.after))
    }
}
