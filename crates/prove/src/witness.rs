//! Witnesses: packets, one after the other, that show what was found.
//!
//! The last packet of a [`Witness`] is the one that was found to pass; those before it are what
//! makes it pass: the signalling connection, opened by its ends, and on it the announcement, made
//! by whoever is hostile. Every packet comes by an interface, and from a sender on the link, that
//! the rules let through. [`confirm()`] replays it.

mod announce;
mod confirm;
mod h323;
mod per;
mod sip;
mod talk;

pub use confirm::{Confirmation, Replayer, confirm};

use crate::announce::{BESIDE, TUPLE, copied, directions};
use crate::exposure::{Announcing, Exposure, Hostile};
use crate::field::Field;
use crate::question::Answer;
use crate::reach::Reach;
use crate::sample::{Sample, USUAL_SPORT, outsider};
use crate::situation::{Situation, Tracked};
use crate::space::{Ranges, Set, TooLarge};
use crate::spoof::Spoofing;
use crate::universe::{joined, to_address, to_number};
use announce::{Announcement, Saying};
use ipnet::IpNet;
use kinwall_helpers::HelperKind;
use kinwall_terms::freedom::{Announcer, Row};
use kinwall_terms::{CtState, Direction, InterfaceName, L4Proto, Tuple};
use std::net::IpAddr;
use talk::Talk;

/// A packet of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The interface it comes in by; `None` when the gateway sends it.
    pub input: Option<InterfaceName>,
    /// Its sender on the link.
    pub mac: [u8; 6],
    /// From its network header on.
    pub bytes: Vec<u8>,
}

/// Packets that show what was found; the last one is what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// In order.
    pub lines: Vec<Line>,
    /// What tracking says of the last.
    pub state: CtState,
    /// The helper instance that announced the last.
    pub helper: Option<u8>,
}

/// Where a packet comes from, and who sends it there.
type From = (Option<InterfaceName>, [u8; 6]);

/// Who sends a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// The end whose source it has, from where that lives.
    Owner,
    /// Somebody from where the source cannot live.
    Stranger,
}

/// A signalling connection, and what is announced on it.
struct Chosen {
    helper: u8,
    parent: Option<u8>,
    row: &'static Row,
    direction: Direction,
    master: Tuple,
}

/// Announcements so deep are followed: RAS, Q.931, forwarded Q.931, H.245.
const DEPTH_MAX: usize = 4;

impl Reach<'_> {
    /// Packets by which `exposure` happens. `None`: none were found that the rules let through in
    /// this order.
    pub fn witness(&mut self, exposure: &Exposure) -> Result<Option<Witness>, TooLarge> {
        let parent = exposure.signalling.parent;
        let children = self.settled(&exposure.children);
        for announcing in exposure.announcements.iter() {
            // Rather connections whose ends open them themselves.
            for masters in [self.at_home(&announcing.masters), announcing.masters.clone()] {
                let known = Announcing { masters: self.settled(&masters), ..announcing.clone() };
                let found = self.choose((exposure.helper, parent), &known, &children, None);
                let Some((chosen, child)) = found else { continue };
                if let Some(lines) = self.told(&chosen, &child, Some(exposure.hostile), 0)? {
                    return Ok(Some(self.shown(lines, &child, Some(exposure.helper))));
                }
            }
        }
        self.space.check()?;
        Ok(None)
    }

    /// Packets by which the packet of an answer passes.
    pub fn witness_of_answer(&mut self, answer: &Answer) -> Result<Option<Witness>, TooLarge> {
        let Some(packet) = answer.packet else { return Ok(None) };
        let lines = match answer.via {
            None => Some(Vec::new()),
            Some(helper) => self.announced(helper, None, &packet, 0)?,
        };
        Ok(lines.map(|lines| self.shown(lines, &packet, answer.via)))
    }

    /// A packet that passes although its source cannot live where it comes from, with what must go
    /// before it.
    pub fn witness_of_spoofing(&mut self, found: &Spoofing) -> Result<Option<Witness>, TooLarge> {
        let input = self.universe.input(found.input).unwrap_or(u32::MAX);
        let here = self.space.numbers(Field::Input, &[(input, input)]);
        for (situation, set) in self.strangers_that_pass()? {
            let set = self.space.and(&set, &here);
            let set = self.settled(&set);
            let Some(packet) = self.one_of(&set) else { continue };
            let (master, tracked) = (situation.master, situation.tracked);
            let lines = match (tracked, master) {
                (Tracked::First, Some(helper)) => self.announced(helper, None, &packet, 0)?,
                (Tracked::Answered(direction), None) => {
                    self.later(&packet, direction)?.map(|lines| lines.to_vec())
                }
                (Tracked::First | Tracked::Untracked, None) => Some(Vec::new()),
                _ => None,
            };
            let Some(lines) = lines else { continue };
            if let Tracked::Answered(_) = tracked {
                return Ok(Some(Witness { lines, state: CtState::Established, helper: None }));
            }
            let witness = self.shown(lines, &packet, master);
            return Ok(Some(Witness { state: situation.state(), ..witness }));
        }
        self.space.check()?;
        Ok(None)
    }

    /// A connection between its ends, and on it a later packet from elsewhere: `packet` names the
    /// connection's tuple and where the later packet comes from.
    fn later(
        &mut self,
        packet: &Sample,
        direction: Direction,
    ) -> Result<Option<Vec<Line>>, TooLarge> {
        let Some(from) = self.ends(&packet.tuple, None, [Who::Owner; 2])? else { return Ok(None) };
        let mut talk = Talk::new(packet.tuple, from);
        talk.handshake();
        if packet.tuple.proto != L4Proto::TCP {
            talk.say(Direction::Original, b"a question", None);
            talk.say(Direction::Reply, b"an answer", None);
        }
        talk.say(direction, b"forged", Some((packet.input, packet.mac)));
        Ok(Some(talk.finish()))
    }

    /// `lines`, and the packet that passes.
    fn shown(&self, mut lines: Vec<Line>, packet: &Sample, helper: Option<u8>) -> Witness {
        let mut built = packet.packet();
        if packet.tuple.proto == L4Proto::UDP {
            built = built.payload(*b"shown");
        }
        lines.push(Line { input: packet.input, mac: packet.mac, bytes: built.build() });
        let state = if helper.is_some() { CtState::Related } else { CtState::New };
        Witness { lines, state, helper }
    }

    /// The first packets that come from where their source lives, and the gateway's own.
    fn at_home(&self, set: &Set) -> Set {
        let local = self.universe.local_input();
        let own = self.space.numbers(Field::Input, &[(local, local)]);
        let routes = self.routes(Situation::received(Tracked::First));
        self.space.and(set, &self.space.or(&routes.at_home, &own))
    }

    /// Those that pass for certain, or else those that may.
    fn settled(&self, set: &Set) -> Set {
        let certain = self.space.certain(set);
        if self.space.is_empty(&certain) { self.space.possible(set) } else { certain }
    }

    /// A packet of a set, rather one that a reader expects.
    fn one_of(&self, set: &Set) -> Option<Sample> {
        let outside = outsider(self.family());
        let wishes = [
            (Field::Dport, self.universe.port_range(1024, u16::MAX)),
            (Field::Src, self.universe.between(outside, outside)),
            (Field::Dst, self.universe.between(outside, outside)),
            (Field::Src, self.crowds()),
            (Field::Dst, self.crowds()),
            (Field::Sport, self.universe.port_range(USUAL_SPORT, USUAL_SPORT)),
        ];
        let those = wishes.into_iter().fold(set.clone(), |set, (field, numbers)| {
            let those = self.space.and(&set, &self.space.numbers(field, &numbers));
            if self.space.is_empty(&those) { set } else { those }
        });
        let (numbers, _) = self.space.pick(&those)?;
        Some(Sample::of(&self.universe, &numbers))
    }

    /// The addresses that no rule and no route tells from others: a host's, mostly.
    fn crowds(&self) -> Ranges {
        let bounds = |piece: &u32| self.universe.addresses.bounds(*piece);
        let pieces = (0..self.universe.addresses.count()).filter(|piece| {
            let (first, last) = bounds(piece);
            last > first.saturating_add(1) && first > 0
        });
        joined(pieces.map(|piece| (piece, piece)))
    }

    /// A master and a child of it, of those given; the child may be `given` itself.
    fn choose(
        &self,
        (helper, parent): (u8, Option<u8>),
        said: &Announcing,
        children: &Set,
        given: Option<&Sample>,
    ) -> Option<(Chosen, Sample)> {
        let instance = self.given.instances.get(helper)?.clone();
        let &Announcing { row, direction, ref masters } = said;
        let tuples = self.space.forget(masters, &BESIDE);
        let possible = self.children(&instance, row, direction, &tuples);
        let child = self.one_of(&self.space.and(&possible, children))?;
        let child = given.copied().unwrap_or(child);
        let pairs = match row.announcer {
            Announcer::Gateway => vec![(Field::Src, Field::Dst), (Field::Sport, Field::Dport)],
            _ => copied(row, &instance.guard, direction),
        };
        let numbers = child.numbers(&self.universe);
        let mut those = masters.clone();
        for (from, to) in &pairs {
            let number = numbers[to.index()];
            those = self.space.and(&those, &self.space.numbers(*from, &[(number, number)]));
        }
        if row.announcer == Announcer::Gateway {
            let everybody = self.everybody_near(child.tuple.src)?;
            let pieces = self.universe.between(everybody, everybody);
            those = self.space.and(&those, &self.space.numbers(Field::Dst, &pieces));
        }
        // Who talks to itself is no example, where there are others.
        let others = self.space.minus(&those, &self.space.equal(Field::Src, Field::Dst));
        let others = if self.space.is_empty(&others) { those } else { others };
        let mut master = self.one_of(&others)?.tuple;
        if master.sport == USUAL_SPORT {
            // Of connections between the same ends each has a port of its own.
            let apart = child.tuple.sport.max(USUAL_SPORT).saturating_add(2);
            let same = self.universe.ports.piece(apart.into());
            if same == self.universe.ports.piece(USUAL_SPORT.into()) {
                master.sport = apart;
            }
        }
        let own = |field| pairs.iter().all(|(from, _)| *from != field);
        for (from, to) in &pairs {
            copy(&mut master, *from, &child.tuple, *to);
        }
        let other = master.dport.saturating_add(2);
        let ports = &self.universe.ports;
        let is_same = ports.piece(other.into()) == ports.piece(master.dport.into());
        if own(Field::Dport) && master.dport == child.tuple.dport && is_same {
            master.dport = other;
        }
        // Who need not be the same is somebody else.
        if own(Field::Src) {
            master.src = self.apart(master.src, &[master.dst, child.tuple.src, child.tuple.dst]);
        }
        if own(Field::Dst) && row.announcer != Announcer::Gateway {
            master.dst = self.apart(master.dst, &[master.src, child.tuple.src, child.tuple.dst]);
        }
        Some((Chosen { helper, parent, row, direction, master }, child))
    }

    /// An address that no rule tells from `address`, none of `taken` if there is such a one.
    fn apart(&self, address: IpAddr, taken: &[IpAddr]) -> IpAddr {
        let number = to_number(address);
        let (_, last) = self.universe.addresses.bounds(self.universe.addresses.piece(number));
        let candidates = (number..=last.min(number.saturating_add(8)))
            .map(|number| to_address(self.family(), number));
        candidates.into_iter().find(|one| !taken.contains(one)).unwrap_or(address)
    }

    /// The address by which everybody in the network of `address` is called.
    fn everybody_near(&self, address: IpAddr) -> Option<IpAddr> {
        let interfaces = self.given.topology.interfaces().iter();
        let mut networks = interfaces.flat_map(|interface| &interface.addresses);
        networks.find(|network| network.contains(&address)).map(IpNet::broadcast)
    }

    /// The packets that announce `child` to `helper`; it gets the helper `own`, if one is given.
    fn announced(
        &mut self,
        helper: u8,
        own: Option<u8>,
        child: &Sample,
        depth: usize,
    ) -> Result<Option<Vec<Line>>, TooLarge> {
        if depth >= DEPTH_MAX {
            return Ok(None);
        }
        let numbers = child.numbers(&self.universe);
        let exactly = self.packets_like(&numbers, &TUPLE);
        let mut all = self.connections()?.masters;
        all.retain(|masters| masters.helper == helper);
        all.sort_by_key(|masters| masters.parent);
        for masters in all {
            for row in self.rows_on(&masters) {
                let kind = row.child.and_then(HelperKind::by_name);
                let gets = kind.and_then(|kind| self.given.instances.child(helper, kind));
                if own.is_some() && gets != own {
                    continue;
                }
                for direction in directions(row.announcer).iter().copied() {
                    let by = self.announcing(&masters, direction)?;
                    let all = self.space.and(&by, &masters.opened);
                    // Rather connections whose ends open them themselves.
                    for (by, hostile) in [(self.at_home(&all), None), (all, Some(Hostile::Spoofer))]
                    {
                        let by = Announcing { row, direction, masters: self.settled(&by) };
                        let parent = masters.parent;
                        let found = self.choose((helper, parent), &by, &exactly, Some(child));
                        let Some((chosen, _)) = found else { continue };
                        if let Some(lines) = self.told(&chosen, child, hostile, depth)? {
                            return Ok(Some(lines));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// The packets of a signalling connection on which `child` is announced.
    fn told(
        &mut self,
        chosen: &Chosen,
        child: &Sample,
        hostile: Option<Hostile>,
        depth: usize,
    ) -> Result<Option<Vec<Line>>, TooLarge> {
        let Chosen { helper, parent, row, direction, master } = *chosen;
        let Some(instance) = self.given.instances.get(helper) else { return Ok(None) };
        let kind = instance.helper.kind;
        let announcement =
            Announcement { helper: kind, row, direction, master, child: child.tuple };
        let mut sayings = announcement.sayings();
        let spoofed = hostile == Some(Hostile::Spoofer);
        // A datagram that opens the connection may be the announcement itself.
        let mut opens =
            master.proto != L4Proto::TCP && sayings.first().is_some_and(|s| s.announces);
        let first = Situation::received(Tracked::First).of(parent);
        if spoofed && opens && self.sender(first, &master, Who::Stranger)?.is_none() {
            // Or a later one, once both ends have spoken.
            opens = false;
            sayings.insert(0, Saying::by(Direction::Reply, *b"an answer"));
            sayings.insert(0, Saying::by(Direction::Original, *b"a question"));
        }
        // What an end does not do itself, the spoofer does in its name.
        let who = match (spoofed, opens) {
            (true, true) => [Who::Stranger, Who::Owner],
            (true, false) => [Who::Owner, Who::Stranger],
            (false, _) => [Who::Owner; 2],
        };
        let Some(from) = self.ends(&master, parent, who)? else { return Ok(None) };
        let mut lines = match parent {
            None => Vec::new(),
            Some(parent) => {
                let flags = if master.proto == L4Proto::TCP { SYN as u8 } else { 0 };
                let (input, mac) = from.first;
                let first = Sample { input, tuple: master, mac, flags };
                match self.announced(parent, Some(helper), &first, depth + 1)? {
                    Some(lines) => lines,
                    None => return Ok(None),
                }
            }
        };
        let forger = match spoofed && !opens {
            true => match self.voice(&master, parent, direction, Who::Stranger)? {
                Some(from) => Some(from),
                None => return Ok(None),
            },
            false => None,
        };
        let mut talk = Talk::new(master, from);
        talk.handshake();
        for Saying { direction, payload, announces } in &sayings {
            talk.say(*direction, payload, forger.filter(|_| *announces));
        }
        lines.extend(talk.finish());
        Ok(Some(lines))
    }

    /// From where the two ends of a connection send: its first packet, later ones, answers; by the
    /// first of `who` that can.
    fn ends(
        &mut self,
        tuple: &Tuple,
        parent: Option<u8>,
        who: [Who; 2],
    ) -> Result<Option<Ends>, TooLarge> {
        let tracked = [
            Tracked::First,
            Tracked::Answered(Direction::Original),
            Tracked::Answered(Direction::Reply),
        ];
        let mut found = [None; 3];
        for (from, tracked) in found.iter_mut().zip(tracked) {
            for who in who {
                let situation = Situation::received(tracked).of(parent);
                *from = from.or(self.sender(situation, tuple, who)?);
            }
        }
        let [Some(first), later, answers] = found else { return Ok(None) };
        // Where an answer never passes, nobody answers.
        let answers = answers.unwrap_or((None, [0; 6]));
        Ok(Some(Ends { first, later: later.unwrap_or(first), answers }))
    }

    fn voice(
        &mut self,
        tuple: &Tuple,
        parent: Option<u8>,
        direction: Direction,
        who: Who,
    ) -> Result<Option<From>, TooLarge> {
        self.sender(Situation::received(Tracked::Answered(direction)).of(parent), tuple, who)
    }

    /// From where a packet of this connection can come in a situation, so that it passes.
    fn sender(
        &mut self,
        situation: Situation,
        tuple: &Tuple,
        who: Who,
    ) -> Result<Option<From>, TooLarge> {
        let sample = Sample { input: None, tuple: *tuple, mac: [0; 6], flags: 0 };
        let numbers = sample.numbers(&self.universe);
        let exactly = self.packets_like(&numbers, &TUPLE);
        let flags = if situation.tracked == Tracked::First { SYN } else { ACK };
        let flags = self.space.numbers(Field::Flags, &[(flags, flags)]);
        let flags = match tuple.proto {
            L4Proto::TCP => flags,
            _ => self.space.everything(),
        };
        for sent in [false, true] {
            let situation = situation.sent(sent);
            let passing = self.all_through(situation)?;
            let mut those = self.space.all_of([&passing, &exactly, &flags]);
            if !sent {
                let routes = self.routes(situation);
                let lives = match who {
                    Who::Owner => &routes.at_home,
                    Who::Stranger => &routes.strangers,
                };
                those = self.space.and(&those, lives);
            } else if who == Who::Stranger {
                continue;
            }
            if let Some((numbers, _)) = self.space.pick(&self.settled(&those)) {
                let Sample { input, mac, .. } = Sample::of(&self.universe, &numbers);
                return Ok(Some((input, mac)));
            }
        }
        Ok(None)
    }

    /// Packets that have these numbers in `fields`.
    fn packets_like(&self, numbers: &[u32; Field::ALL.len()], fields: &[Field]) -> Set {
        let sets = fields.iter().map(|field| {
            let number = numbers[field.index()];
            self.space.numbers(*field, &[(number, number)])
        });
        self.space.all_of(&sets.collect::<Vec<_>>())
    }
}

/// From where the ends of a connection send.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: From,
    later: From,
    answers: From,
}

/// Sets the field `from` of a master to what the child has in `to`.
fn copy(master: &mut Tuple, from: Field, child: &Tuple, to: Field) {
    let address = match to {
        Field::Src => child.src,
        _ => child.dst,
    };
    let port = match to {
        Field::Sport => child.sport,
        _ => child.dport,
    };
    match from {
        Field::Src => master.src = address,
        Field::Dst => master.dst = address,
        Field::Sport => master.sport = port,
        Field::Dport => master.dport = port,
        _ => {}
    }
}

/// Flags of TCP.
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;
