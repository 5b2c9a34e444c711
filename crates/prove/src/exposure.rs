//! Exposure: what a hostile peer could open by way of a helper.
//!
//! For each helper and each signalling connection that the rules allow: the children that could
//! become RELATED and pass, and that would not have passed as NEW. What a payload may choose is
//! what the rows of [`kinwall_terms::freedom`] say.
//!
//! Who announces has these powers. A *client* or *server* is one end of the signalling
//! connection, where its address lives, and sends any bytes on it. A *spoofer* is a third party:
//! it sends packets with a source that cannot live where they come from, as far as anti-spoofing
//! lets them through, hears nothing, and knows sequence numbers. What it could do in the name of
//! a neighbour of its own, no rule can tell from the neighbour: it is listed as that client's or
//! server's. A flow of TCP begins with SYN.

use crate::addresses::{self, AddressRange};
use crate::announce::{BESIDE, Masters};
use crate::boxes::Numbers;
use crate::field::Field;
pub use crate::hostile::Hostile;
use crate::reach::Reach;
use crate::situation::{Situation, Tracked};
use crate::space::{Set, TooLarge, Unknown};
use kinwall_rules::eval::RuleId;
use kinwall_terms::freedom::{Announcer, Row};
use kinwall_terms::{Direction, InterfaceName, L4Proto};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

/// One end of signalling: where, and who there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The interfaces; `None` for the gateway itself.
    pub interfaces: Vec<Option<InterfaceName>>,
    /// Addresses.
    pub addresses: Vec<AddressRange>,
}

/// Signalling connections that differ in nothing that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalling {
    /// Who opens them.
    pub from: Peer,
    /// Who is called.
    pub to: Peer,
    /// Their protocol; `None` for those that no rule names.
    pub proto: Option<L4Proto>,
    /// The ports called.
    pub dport: Vec<(u16, u16)>,
    /// The helper that announced them, when they were announced.
    pub parent: Option<u8>,
}

/// Flows by a box: every combination of what the fields list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flows {
    /// The interface they come by; `None` for those that the gateway opens.
    pub input: Option<InterfaceName>,
    /// The interface they leave by; `None` for those to the gateway.
    pub output: Option<InterfaceName>,
    /// Source addresses; of these, those that can come by the interface.
    pub src: Vec<AddressRange>,
    /// Whether of the source addresses only those pass that can live behind the interface.
    pub at_home: bool,
    /// Destination addresses; of these, those that lie that way.
    pub dst: Vec<AddressRange>,
    /// Protocol; `None` for those that no rule names.
    pub proto: Option<L4Proto>,
    /// Source ports (call ids of GRE).
    pub sport: Vec<(u16, u16)>,
    /// Destination ports (call ids of GRE).
    pub dport: Vec<(u16, u16)>,
    /// Whether only those of the box are meant that do not pass as NEW anyway: what passes as NEW
    /// takes too many boxes out of it.
    pub but_new: bool,
}

/// What could be opened.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// The helper instance that believes the announcement.
    pub helper: u8,
    /// The class of the expectation, by position in the helper's list.
    pub class: u8,
    /// Who announces it.
    pub hostile: Hostile,
    /// On which connections.
    pub signalling: Rc<Signalling>,
    /// The children.
    pub child: Flows,
    /// The rules that name the helper, then those that let the children pass; a chain's policy is
    /// none.
    pub rules: Vec<RuleId>,
    /// Whether they pass whatever cannot be decided.
    pub certain: bool,
    /// What could not be decided and bears on the answer; empty when certain.
    pub undecided: Vec<Unknown>,
    /// The rules of the nat table that translate the signalling connections. Children follow
    /// them.
    pub translated_by: Vec<RuleId>,
    /// The signalling connections as a set: tuples of their first packets.
    pub masters: Set,
    /// The children as a set: their first packets.
    pub children: Set,
    /// Who can say what of which connections, to announce them.
    pub(crate) announcements: Rc<[Announcing]>,
}

/// Announcements of one kind that somebody can make.
#[derive(Clone, Debug)]
pub(crate) struct Announcing {
    /// What is announced.
    pub(crate) row: &'static Row,
    /// Said in this direction.
    pub(crate) direction: Direction,
    /// Of these connections: first packets by tuple and interface.
    pub(crate) masters: Set,
}

/// What one helper lets pass, and by which rules.
struct Open {
    /// First packets.
    passing: Set,
    /// Those that do not pass as NEW.
    set: Set,
    /// The parts of `set` by rule.
    by_rule: Vec<(RuleId, Set)>,
}

/// A set of packets between two interfaces.
pub(crate) struct Slice {
    input: Option<InterfaceName>,
    output: Option<InterfaceName>,
    /// Whether only sources that can live behind the interface are among them.
    at_home: bool,
    pub(crate) packets: Set,
}

impl Reach<'_> {
    /// What could be opened, by whom, on which signalling connections.
    pub fn exposures(&mut self) -> Result<Vec<Exposure>, TooLarge> {
        let mut open: BTreeMap<u8, Open> = BTreeMap::new();
        let mut found = Vec::new();
        for (masters, members) in self.joined_masters()? {
            let open = match open.entry(masters.helper) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(entry) => entry.insert(self.open_by(masters.helper)?),
            };
            if self.space.is_empty(&open.set) {
                continue;
            }
            for hostile in Hostile::ALL {
                self.exposed_by(hostile, (&masters, &members), open, &mut found)?;
            }
        }
        self.space.check()?;
        Ok(found)
    }

    /// Masters of one helper together, whatever rule gave it to them, and one by one.
    fn joined_masters(&mut self) -> Result<Vec<(Masters, Vec<Masters>)>, TooLarge> {
        let mut joined: Vec<(Masters, Vec<Masters>)> = Vec::new();
        for masters in self.connections()?.masters {
            let same = |(known, _): &&mut (Masters, Vec<Masters>)| {
                (known.helper, known.parent) == (masters.helper, masters.parent)
            };
            match joined.iter_mut().find(same) {
                Some((all, members)) => {
                    all.opened = self.space.or(&all.opened, &masters.opened);
                    members.push(masters);
                }
                None => joined.push((masters.clone(), vec![masters])),
            }
        }
        Ok(joined)
    }

    /// What passes as a child of `helper` and not as NEW.
    fn open_by(&mut self, helper: u8) -> Result<Open, TooLarge> {
        let nothing = self.space.nothing();
        let mut open = Open { passing: nothing.clone(), set: nothing, by_rule: Vec::new() };
        let begins = self.begins();
        let children = self.children_of_any(helper)?;
        for sent in [false, true] {
            let new = Situation::received(Tracked::First).sent(sent);
            let passing = self.all_through(new.of(Some(helper)))?;
            let passing = self.space.all_of([&passing, &begins, &children]);
            let as_new = self.all_through(new)?;
            let only = self.space.minus(&passing, &as_new);
            for part in self.accepted(&only, new.of(Some(helper)))? {
                open.by_rule.extend(part.rule.map(|rule| (rule, part.set)));
            }
            open.passing = self.space.or(&open.passing, &passing);
            open.set = self.space.or(&open.set, &only);
        }
        self.space.check()?;
        Ok(open)
    }

    /// Packets that may be the first of a flow.
    pub(crate) fn begins(&self) -> Set {
        let syn = self.space.numbers(Field::Flags, &[(SYN, SYN)]);
        self.space.choose(&self.proto(L4Proto::TCP), &syn, &self.space.everything())
    }

    /// The tuples that a helper could announce at all, on whatever connections.
    fn children_of_any(&mut self, helper: u8) -> Result<Set, TooLarge> {
        let announced = self.connections()?.announced;
        let of_helper = announced.into_iter().find(|(by, _)| *by == helper);
        Ok(of_helper.map_or_else(|| self.space.nothing(), |(_, tuples)| tuples))
    }

    fn exposed_by(
        &mut self,
        hostile: Hostile,
        (masters, members): (&Masters, &[Masters]),
        open: &Open,
        found: &mut Vec<Exposure>,
    ) -> Result<(), TooLarge> {
        let Some(instance) = self.given.instances.get(masters.helper).cloned() else {
            return Ok(());
        };
        let mut classes: BTreeMap<u8, Vec<Announcing>> = BTreeMap::new();
        for row in self.rows_on(masters) {
            for direction in hostile.announces(row).iter().copied() {
                let by = self.signalling_of(hostile, row, direction, masters)?;
                let announcing = Announcing { row, direction, masters: by };
                classes.entry(row.class).or_default().push(announcing);
            }
        }
        for (class, announcements) in classes {
            let all = self.space.any_of(announcements.iter().map(|said| &said.masters));
            for part in self.parts(&all, masters.parent) {
                (self.given.work)("what hostile peers could open");
                let mut children = self.space.nothing();
                let mut said = announcements.clone();
                for Announcing { row, direction, masters } in &mut said {
                    *masters = self.space.and(masters, &part.first);
                    let by = self.space.forget(masters, &BESIDE);
                    let more = self.children(&instance, row, *direction, &by);
                    children = self.space.or(&children, &more);
                }
                let said = said.into();
                let exposed = Exposed { hostile, class, masters, members, open, part: &part, said };
                self.describe(&exposed, &children, found)?;
            }
        }
        Ok(())
    }

    /// Signalling in parts that can be said: box by box between two interfaces, or everything
    /// between two interfaces where the boxes are many, or everything where the interfaces are.
    fn parts(&mut self, all: &Set, parent: Option<u8>) -> Vec<Part> {
        let slices = self.slices(all);
        if slices.len() > SLICES_MAX_COUNT {
            let hull = self.hull(&self.space.possible(all));
            let peer = |interfaces: Vec<_>, numbers: &[(u32, u32)]| Peer {
                interfaces,
                addresses: addresses::ranges(&self.universe, numbers),
            };
            let mut from: Vec<_> = slices.iter().map(|slice| slice.input).collect();
            let mut to: Vec<_> = slices.iter().map(|slice| slice.output).collect();
            [&mut from, &mut to].into_iter().for_each(|list| {
                list.sort_unstable();
                list.dedup();
            });
            let [proto, dport, dst, src, _] = &hull;
            let signalling = Signalling {
                from: peer(from, src),
                to: peer(to, dst),
                proto: self.one_proto(proto),
                dport: addresses::ports(&self.universe, dport),
                parent,
            };
            return vec![Part { signalling: signalling.into(), first: all.clone() }];
        }
        let mut parts = Vec::new();
        for slice in &slices {
            let tuples = self.space.forget(&slice.packets, &BESIDE);
            let shapes = self.space.forget(&self.space.possible(&tuples), &[Field::Sport]);
            let boxes = match self.boxes_up_to(&shapes, SIGNALLING_MAX_COUNT) {
                Some(boxes) => boxes,
                None => vec![self.hull(&shapes)],
            };
            for numbers in boxes {
                let shape = self.set_of(&numbers);
                let first = self.space.and(&slice.packets, &shape);
                let signalling = Signalling { parent, ..self.signalling(slice, &numbers) };
                parts.push(Part { signalling: signalling.into(), first });
            }
        }
        parts
    }

    /// The signalling on which `hostile` can announce in `direction`: first packets, by tuple and
    /// interface.
    fn signalling_of(
        &mut self,
        hostile: Hostile,
        row: &Row,
        direction: Direction,
        masters: &Masters,
    ) -> Result<Set, TooLarge> {
        let local = self.universe.local_input();
        let own = self.space.numbers(Field::Input, &[(local, local)]);
        let beside = [Field::Mac, Field::Flags];
        if row.announcer == Announcer::Gateway {
            let opened = self.space.and(&masters.opened, &own);
            return Ok(self.space.forget(&opened, &beside));
        }
        let routes = self.routes(Situation::received(Tracked::First));
        let (home, strangers) = (routes.at_home.clone(), routes.strangers.clone());
        let opened = match hostile {
            Hostile::Client => self.space.and(&masters.opened, &home),
            Hostile::Server => self.space.and(&masters.opened, &self.space.or(&home, &own)),
            Hostile::Spoofer => masters.opened.clone(),
        };
        let opened = self.space.forget(&opened, &beside);
        let said = self.said(hostile, direction, masters.parent)?;
        let answered = self.speaking(direction.opposite(), masters.parent)?;
        let streams = self.space.all_of([&opened, &said, &answered]);
        let datagrams = match (direction, hostile) {
            (Direction::Original, Hostile::Spoofer) => {
                let first = self.space.and(&masters.opened, &strangers);
                let first = self.space.forget(&first, &beside);
                let later = self.space.all_of([&opened, &said, &answered]);
                self.space.or(&first, &later)
            }
            (Direction::Original, _) => opened,
            (Direction::Reply, _) => self.space.and(&opened, &said),
        };
        Ok(self.space.choose(&self.proto(L4Proto::TCP), &streams, &datagrams))
    }

    /// The tuples of connections of which `hostile` can send later packets in `direction`.
    fn said(
        &mut self,
        hostile: Hostile,
        direction: Direction,
        parent: Option<u8>,
    ) -> Result<Set, TooLarge> {
        let situation = Situation::received(Tracked::Answered(direction)).of(parent);
        let passing = self.all_through(situation)?;
        let routes = self.routes(situation);
        let by = match hostile {
            Hostile::Spoofer => &routes.strangers,
            Hostile::Client | Hostile::Server => &routes.at_home,
        };
        Ok(self.space.forget(&self.space.and(&passing, by), &BESIDE))
    }

    /// The parts of a set of first packets by the interfaces they come and leave by.
    pub(crate) fn slices(&mut self, set: &Set) -> Vec<Slice> {
        let mut found = Vec::new();
        let routes = self.routes(Situation::received(Tracked::First));
        for number in self.numbers_of(set, Field::Input).into_iter().flat_map(|(a, b)| a..=b) {
            let here = self.space.numbers(Field::Input, &[(number, number)]);
            let here = self.space.and(set, &here);
            let input = self.universe.inputs.get(number as usize).copied();
            let ways = routes.outputs.iter().map(|(name, way)| (Some(*name), way));
            for (output, way) in ways.chain([(None, &routes.local)]) {
                let packets = self.space.and(&here, way);
                if !self.space.is_empty(&packets) {
                    let strange = self.space.minus(&packets, &routes.at_home);
                    let at_home = input.is_some() && self.space.is_empty(&strange);
                    found.push(Slice { input, output, at_home, packets });
                }
            }
        }
        found
    }

    /// Adds what `children` are, box by box.
    fn describe(
        &mut self,
        exposed: &Exposed<'_>,
        children: &Set,
        found: &mut Vec<Exposure>,
    ) -> Result<(), TooLarge> {
        let assigned_by = self.assigned_by(exposed)?;
        let passing = self.space.and(children, &exposed.open.passing);
        for slice in self.slices(&passing) {
            let only = self.space.and(&slice.packets, &exposed.open.set);
            if self.space.is_empty(&only) {
                continue;
            }
            let mut rules = assigned_by.clone();
            let by = exposed
                .open
                .by_rule
                .iter()
                .filter(|(_, accepted)| !self.space.is_empty(&self.space.and(accepted, &only)));
            for (rule, _) in by {
                if !rules.contains(rule) {
                    rules.push(*rule);
                }
            }
            for Said { numbers, certain, but_new, set } in self.said_in_boxes(&slice.packets, &only)
            {
                let undecided = if certain { Vec::new() } else { self.space.unknowns_of(&set) };
                found.push(Exposure {
                    helper: exposed.masters.helper,
                    class: exposed.class,
                    hostile: exposed.hostile,
                    signalling: Rc::clone(&exposed.part.signalling),
                    child: Flows { but_new, ..self.flows(&slice, &numbers) },
                    rules: rules.clone(),
                    certain,
                    undecided,
                    translated_by: Vec::new(),
                    masters: exposed.part.first.clone(),
                    children: set,
                    announcements: Rc::clone(&exposed.said),
                });
            }
        }
        self.space.check()
    }

    /// The boxes of `only`: those certain, and those in doubt. Where they are many, the boxes of
    /// `there`, of which `only` is what does not pass as NEW.
    fn said_in_boxes(&self, there: &Set, only: &Set) -> Vec<Said> {
        let space = &self.space;
        let tuples = |set: &Set| space.forget(set, &BESIDE);
        let certain = space.certain(&tuples(only));
        let doubtful = space.minus(&space.possible(&tuples(only)), &certain);
        let exact = [(certain.clone(), true), (doubtful.clone(), false)].map(|(set, certain)| {
            self.boxes_up_to(&set, CHILDREN_MAX_COUNT)
                .filter(is_short)
                .map(|boxes| (boxes, certain))
        });
        let (boxes, but_new) = match exact {
            [Some(certain), Some(doubtful)] => ([certain, doubtful], false),
            _ => {
                let sure = space.is_empty(&doubtful);
                let boxes = self.boxes(&space.possible(&tuples(there)));
                ([(boxes, sure), (Vec::new(), false)], true)
            }
        };
        let [(sure, _), (unsure, _)] = &boxes;
        if let ([one], []) | ([], [one]) = (sure.as_slice(), unsure.as_slice()) {
            let certain = boxes.iter().any(|(boxes, certain)| *certain && !boxes.is_empty());
            return vec![Said { numbers: one.clone(), certain, but_new, set: only.clone() }];
        }
        let said = boxes
            .into_iter()
            .flat_map(|(boxes, certain)| boxes.into_iter().map(move |numbers| (numbers, certain)));
        let said = said.map(|(numbers, certain)| {
            let set = space.and(only, &self.set_of(&numbers));
            Said { numbers, certain, but_new, set }
        });
        said.filter(|said| !space.is_empty(&said.set)).collect()
    }

    /// The CT rules that name the helper, or that of the connections that announced it.
    fn assigned_by(&mut self, exposed: &Exposed<'_>) -> Result<Vec<RuleId>, TooLarge> {
        let those = |masters: &&Masters| {
            let first = self.space.and(&masters.opened, &exposed.part.first);
            !self.space.is_empty(&first)
        };
        let members = exposed.members.iter().filter(those);
        let mut rules: Vec<RuleId> = members.flat_map(|masters| masters.rules.clone()).collect();
        let mut parents: Vec<u8> = exposed.masters.parent.into_iter().collect();
        let all = self.connections()?.masters;
        let mut at = 0;
        while let Some(parent) = parents.get(at).copied() {
            for known in all.iter().filter(|known| known.helper == parent) {
                rules.extend(&known.rules);
                let new = known.parent.filter(|parent| !parents.contains(parent));
                parents.extend(new);
            }
            at += 1;
        }
        rules.sort_unstable();
        rules.dedup();
        Ok(rules)
    }

    fn signalling(&mut self, slice: &Slice, numbers: &Numbers) -> Signalling {
        let Flows { input, output, src, dst, proto, dport, .. } = self.flows(slice, numbers);
        Signalling {
            from: Peer { interfaces: vec![input], addresses: src },
            to: Peer { interfaces: vec![output], addresses: dst },
            proto,
            dport,
            parent: None,
        }
    }

    pub(crate) fn flows(&mut self, slice: &Slice, numbers: &Numbers) -> Flows {
        let between = self.between(slice.input, slice.output, slice.at_home);
        let [proto, dport, dst, src, sport] = numbers;
        let universe = &self.universe;
        Flows {
            input: slice.input,
            output: slice.output,
            src: addresses::ranges(universe, &self.sources_said(src, &between)),
            dst: addresses::ranges(universe, &self.destinations_said(dst, &between)),
            at_home: slice.at_home,
            proto: self.one_proto(proto),
            sport: addresses::ports(universe, sport),
            dport: addresses::ports(universe, dport),
            but_new: false,
        }
    }

    fn one_proto(&self, numbers: &[(u32, u32)]) -> Option<L4Proto> {
        match numbers {
            [(one, same)] if one == same => self.universe.protos.value(*one).map(L4Proto),
            _ => None,
        }
    }
}

/// Whether boxes name few ranges.
fn is_short(boxes: &Vec<Numbers>) -> bool {
    let ranges = boxes.iter().flatten().map(Vec::len).sum::<usize>();
    ranges <= RANGES_MAX_COUNT
}

/// What an exposure is found for.
struct Exposed<'e> {
    hostile: Hostile,
    class: u8,
    masters: &'e Masters,
    members: &'e [Masters],
    open: &'e Open,
    part: &'e Part,
    said: Rc<[Announcing]>,
}

/// Signalling that is said in one breath.
struct Part {
    signalling: Rc<Signalling>,
    /// First packets.
    first: Set,
}

/// Children that are said in one breath.
struct Said {
    numbers: Numbers,
    certain: bool,
    but_new: bool,
    /// First packets that do not pass as NEW.
    set: Set,
}

/// Pairs of interfaces that signalling is told apart by, at most.
const SLICES_MAX_COUNT: usize = 24;

/// Boxes of signalling between two interfaces that are told apart, at most.
const SIGNALLING_MAX_COUNT: usize = 8;

/// Boxes of children between two interfaces that are told apart exactly, at most.
const CHILDREN_MAX_COUNT: usize = 8;

/// Ranges that such boxes name, at most: a list that nobody reads says no more.
const RANGES_MAX_COUNT: usize = 128;

/// The flag of a first packet.
const SYN: u32 = 0x02;
