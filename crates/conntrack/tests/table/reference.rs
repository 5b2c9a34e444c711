//! Random operations on the table and on a naive one, which must agree on everything.

use crate::support::{START, Wall, expect, ip, udp, zone};
use kinwall_conntrack::{ConnId, ExpId, Expectation, HelperId, Refusal, Tracked};
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::{CtState, Direction, L4Proto, Status, Time, Tuple, ZoneScope};
use proptest::prelude::*;
use std::net::IpAddr;

const EXPECT_MAX: u32 = 8;

/// A connection as the reference keeps it: in a list, searched from end to end.
#[derive(Clone, Debug)]
struct Known {
    serial: u64,
    original: Tuple,
    reply: Tuple,
    zone: u16,
    status: Status,
    mark: u32,
    /// Meaningless until confirmed.
    deadline: Time,
    opened: Time,
    master: Option<u64>,
    id: ConnId,
}

/// An expectation as the reference keeps it.
#[derive(Clone, Debug)]
struct Awaited {
    serial: u64,
    request: Expectation,
    master: u64,
    zone: u16,
    deadline: Time,
    id: ExpId,
}

#[derive(Default)]
struct Reference {
    /// In order of creation, unconfirmed ones included.
    known: Vec<Known>,
    /// In order of creation.
    awaited: Vec<Awaited>,
    connections: u64,
    expectations: u64,
}

/// What a packet should be, and the master of a child.
struct Seen {
    state: CtState,
    serial: u64,
    direction: Direction,
    new: bool,
}

impl Reference {
    fn purge(&mut self, now: Time) {
        let expired = |known: &Known| known.is_confirmed() && known.deadline <= now;
        let gone: Vec<u64> = self.known.iter().filter(|k| expired(k)).map(|k| k.serial).collect();
        for serial in gone {
            self.end(serial);
        }
        self.awaited.retain(|awaited| awaited.deadline > now);
    }

    fn end(&mut self, serial: u64) {
        self.known.retain(|known| known.serial != serial);
        self.awaited.retain(|awaited| awaited.master != serial);
    }

    fn get(&mut self, serial: u64) -> &mut Known {
        self.known.iter_mut().find(|known| known.serial == serial).expect("known")
    }

    fn find(&self, tuple: &Tuple, zone: u16) -> Option<(u64, Direction)> {
        self.known.iter().filter(|known| known.is_confirmed() && known.zone == zone).find_map(
            |known| match tuple {
                tuple if *tuple == known.reply => Some((known.serial, Direction::Reply)),
                tuple if *tuple == known.original => Some((known.serial, Direction::Original)),
                _ => None,
            },
        )
    }

    fn track(&mut self, tuple: &Tuple, zone: u16, now: Time) -> Seen {
        if let Some((serial, direction)) = self.find(tuple, zone) {
            let known = self.get(serial);
            let answered = known.status.contains(Status::SEEN_REPLY);
            let state = match direction {
                Direction::Reply => CtState::Established,
                Direction::Original if answered => CtState::Established,
                Direction::Original if known.master.is_some() => CtState::Related,
                Direction::Original => CtState::New,
            };
            let streams = answered && now > known.opened.after_s(2);
            known.deadline = now.after_s(if streams { 120 } else { 30 });
            known.status.set(Status::ASSURED, streams || known.status.contains(Status::ASSURED));
            if direction == Direction::Reply {
                known.status |= Status::SEEN_REPLY;
            }
            return Seen { state, serial, direction, new: false };
        }
        let master = self.take(tuple, zone);
        self.connections += 1;
        let serial = self.connections;
        let mark = master.map_or(0, |master| self.get(master).mark);
        self.known.push(Known {
            serial,
            original: *tuple,
            reply: tuple.invert().expect("UDP"),
            zone,
            status: if master.is_some() { Status::EXPECTED } else { Status::empty() },
            mark,
            deadline: Time(0),
            opened: now,
            master,
            id: ConnId::NONE,
        });
        let state = if master.is_some() { CtState::Related } else { CtState::New };
        Seen { state, serial, direction: Direction::Original, new: true }
    }

    /// The master of the newest expectation that matches.
    fn take(&mut self, tuple: &Tuple, zone: u16) -> Option<u64> {
        let matches = |awaited: &&Awaited| {
            let inactive = awaited.request.flags.contains(ExpectationFlags::INACTIVE);
            awaited.zone == zone && !inactive && covers(&awaited.request.expected, tuple)
        };
        let found = self.awaited.iter().rev().find(matches)?.clone();
        if !self.get(found.master).is_confirmed() {
            return None;
        }
        if !found.request.flags.contains(ExpectationFlags::PERMANENT) {
            self.awaited.retain(|awaited| awaited.serial != found.serial);
        }
        Some(found.master)
    }

    /// The connection the packet belongs to afterwards.
    fn confirm(&mut self, serial: u64, now: Time) -> u64 {
        let known = self.get(serial).clone();
        let holder = self.find(&known.original, known.zone);
        if let Some((holder, _)) = holder.or_else(|| self.find(&known.reply, known.zone)) {
            self.end(serial);
            return holder;
        }
        let known = self.get(serial);
        known.status |= Status::CONFIRMED;
        known.deadline = now.after_s(30);
        serial
    }

    fn expect(&mut self, master: u64, request: &Expectation, now: Time) -> Result<(), Refusal> {
        let zone = self.get(master).zone;
        let mut same = None;
        for awaited in self.awaited.iter().filter(|awaited| awaited.zone == zone) {
            let other = &awaited.request;
            let ours = awaited.master == master;
            if other.expected == request.expected && (ours || request.skip_master) {
                if !ours || other.class != request.class {
                    return Err(Refusal::Already);
                }
                same = Some(awaited.serial);
            } else if overlap(&other.expected, &request.expected) {
                return Err(Refusal::Clash);
            }
        }
        self.awaited.retain(|awaited| Some(awaited.serial) != same);
        let of_class =
            |awaited: &&Awaited| awaited.master == master && awaited.request.class == request.class;
        let limit = usize::from(request.class_limit);
        if limit > 0 && self.awaited.iter().filter(of_class).count() >= limit {
            let oldest = self.awaited.iter().find(of_class).expect("one").serial;
            self.awaited.retain(|awaited| awaited.serial != oldest);
        }
        if self.awaited.len() >= EXPECT_MAX as usize {
            return Err(Refusal::TableFull);
        }
        self.expectations += 1;
        self.awaited.push(Awaited {
            serial: self.expectations,
            request: *request,
            master,
            zone,
            deadline: now.after_s(request.timeout_s),
            id: ExpId::NONE,
        });
        Ok(())
    }
}

impl Known {
    fn is_confirmed(&self) -> bool {
        self.status.contains(Status::CONFIRMED)
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Whether the sources are equal where both masks have ones, and all else is.
fn same_under(a: &Tuple, b: &Tuple, masks: &[IpAddr], port_mask: u16) -> bool {
    let same_end = a.dst == b.dst && a.dport == b.dport && a.proto == b.proto;
    same_end
        && a.sport & port_mask == b.sport & port_mask
        && octets(a.src).iter().zip(octets(b.src)).enumerate().all(|(place, (x, y))| {
            let mask = masks.iter().fold(0xff, |mask, &part| mask & octets(part)[place]);
            x & mask == y & mask
        })
}

fn covers(expected: &Expected, tuple: &Tuple) -> bool {
    same_under(&expected.tuple, tuple, &[expected.mask.address], expected.mask.port)
}

fn overlap(a: &Expected, b: &Expected) -> bool {
    let masks = [a.mask.address, b.mask.address];
    same_under(&a.tuple, &b.tuple, &masks, a.mask.port & b.mask.port)
}

#[derive(Clone, Debug)]
enum Step {
    /// A packet between two of three hosts and two ports, and what the rules do with it.
    Packet {
        v6: bool,
        ends: [usize; 4],
        zone: u16,
        fate: Fate,
    },
    /// The oldest first packet that is still under way gets its verdict.
    Settle {
        accept: bool,
    },
    Wait {
        ms: u32,
    },
    Collect {
        budget: usize,
    },
    Expect {
        master: usize,
        v6: bool,
        src: Source,
        ends: [usize; 4],
        request: [u8; 4],
    },
    Activate {
        which: usize,
        timeout_s: u32,
    },
    Withdraw {
        which: usize,
    },
    WithdrawClass {
        master: usize,
        class: u8,
    },
    Mark {
        which: usize,
        mark: u32,
    },
    Kill {
        which: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Accept,
    Drop,
    Hold,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Any,
    Address,
    AddressAndPort,
    Network,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ends = || [0usize..3, 0..3, 0..2, 0..2];
    let fate = prop_oneof![6 => Just(Fate::Accept), 1 => Just(Fate::Drop), 1 => Just(Fate::Hold)];
    let source = prop_oneof![
        Just(Source::Any),
        Just(Source::Address),
        Just(Source::AddressAndPort),
        Just(Source::Network)
    ];
    let packet = (any::<bool>(), ends(), 0u16..2, fate)
        .prop_map(|(v6, ends, zone, fate)| Step::Packet { v6, ends, zone, fate });
    let expect = (0usize..16, any::<bool>(), source, ends(), any::<[u8; 4]>()).prop_map(
        |(master, v6, src, ends, request)| Step::Expect { master, v6, src, ends, request },
    );
    let step = prop_oneof![
        20 => packet,
        1 => any::<bool>().prop_map(|accept| Step::Settle { accept }),
        4 => (0u32..40_000).prop_map(|ms| Step::Wait { ms }),
        2 => (0usize..20).prop_map(|budget| Step::Collect { budget }),
        8 => expect,
        1 => (0usize..8, 1u32..60)
            .prop_map(|(which, timeout_s)| Step::Activate { which, timeout_s }),
        1 => (0usize..8).prop_map(|which| Step::Withdraw { which }),
        1 => (0usize..16, 0u8..2)
            .prop_map(|(master, class)| Step::WithdrawClass { master, class }),
        1 => (0usize..16, 0u32..4).prop_map(|(which, mark)| Step::Mark { which, mark }),
        1 => (0usize..16).prop_map(|which| Step::Kill { which }),
    ];
    prop::collection::vec(step, 1..250)
}

const PORTS: [u16; 2] = [1000, 2000];

fn host(v6: bool, number: usize) -> IpAddr {
    let v4 = ["10.0.0.1", "10.0.0.2", "10.0.1.1"];
    let all = if v6 { ["fd00::1", "fd00::2", "fd00:1::1"] } else { v4 };
    ip(all[number])
}

/// Both tables, under way together.
struct Pair {
    wall: Wall,
    reference: Reference,
    /// First packets whose verdict is open.
    held: Vec<u64>,
}

impl Pair {
    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.reference.purge(self.wall.now);
        match *step {
            Step::Packet { v6, ends, zone: id, fate } => self.packet(v6, ends, id, fate)?,
            Step::Settle { accept } if !self.held.is_empty() => {
                let serial = self.held.remove(0);
                self.settle(serial, accept)?;
            }
            Step::Settle { .. } => {}
            Step::Wait { ms } => self.wall.now.0 += u64::from(ms) * 1_000_000,
            Step::Collect { budget } => {
                self.wall.ct.expire(self.wall.now, budget);
            }
            Step::Expect { master, v6, src, ends, request } => {
                self.expect(master, v6, src, ends, request)?;
            }
            Step::Activate { which, timeout_s } => {
                let deadline = self.wall.now.after_s(timeout_s);
                if let Some(awaited) = pick(&mut self.reference.awaited, which) {
                    awaited.request.flags -= ExpectationFlags::INACTIVE;
                    awaited.deadline = deadline;
                    prop_assert!(self.wall.ct.activate(awaited.id, self.wall.now, timeout_s));
                }
            }
            Step::Withdraw { which } => {
                if let Some(awaited) = pick(&mut self.reference.awaited, which).cloned() {
                    prop_assert!(self.wall.ct.remove_expectation(awaited.id));
                    self.reference.awaited.retain(|other| other.serial != awaited.serial);
                }
            }
            Step::WithdrawClass { master, class } => {
                if let Some(known) = pick(&mut self.reference.known, master).cloned() {
                    self.wall.ct.remove_expectations(known.id, |other| other == class);
                    self.reference.awaited.retain(|awaited| {
                        awaited.master != known.serial || awaited.request.class != class
                    });
                }
            }
            Step::Mark { which, mark } => {
                if let Some(known) = pick(&mut self.reference.known, which) {
                    known.mark = mark;
                    prop_assert!(self.wall.ct.set_mark(known.id, mark));
                }
            }
            Step::Kill { which } => {
                if let Some(known) = pick(&mut self.reference.known, which).cloned() {
                    prop_assert!(self.wall.ct.kill(known.id));
                    self.reference.end(known.serial);
                    self.held.retain(|serial| *serial != known.serial);
                }
            }
        }
        self.compare()
    }

    fn packet(
        &mut self,
        v6: bool,
        [src, dst, sport, dport]: [usize; 4],
        id: u16,
        fate: Fate,
    ) -> Result<(), TestCaseError> {
        let (sport, dport) = (PORTS[sport], PORTS[dport]);
        let [src, dst] = [src, dst].map(|number| host(v6, number));
        let tuple = Tuple { src, dst, sport, dport, proto: L4Proto::UDP };
        let end = |address, port| std::net::SocketAddr::new(address, port).to_string();
        self.wall.template = zone(id, ZoneScope::Both);
        let tracked = self.wall.track(&udp(&end(src, sport), &end(dst, dport)));
        let seen = self.reference.track(&tuple, id, self.wall.now);
        let Tracked::Packet(ct) = tracked else { panic!("dropped") };
        prop_assert_eq!((ct.state, ct.direction, ct.new), (seen.state, seen.direction, seen.new));
        let conn = ct.conn.expect("a connection");
        prop_assert_eq!(self.wall.ct.connection(conn).map(|view| view.serial), Some(seen.serial));
        self.reference.get(seen.serial).id = conn;
        if seen.new {
            match fate {
                Fate::Accept => self.settle(seen.serial, true)?,
                Fate::Drop => self.settle(seen.serial, false)?,
                Fate::Hold => self.held.push(seen.serial),
            }
        }
        Ok(())
    }

    fn settle(&mut self, serial: u64, accept: bool) -> Result<(), TestCaseError> {
        let id = self.reference.get(serial).id;
        if accept {
            let found = self.wall.ct.confirm(self.wall.now, id).expect("UDP does not clash");
            let found = self.wall.ct.connection(found).map(|view| view.serial);
            prop_assert_eq!(found, Some(self.reference.confirm(serial, self.wall.now)));
        } else {
            self.wall.ct.abandon(id);
            self.reference.end(serial);
        }
        Ok(())
    }

    fn expect(
        &mut self,
        master: usize,
        v6: bool,
        source: Source,
        [src, dst, sport, dport]: [usize; 4],
        [class, limit, flags, timeout]: [u8; 4],
    ) -> Result<(), TestCaseError> {
        let Some(master) = pick(&mut self.reference.known, master).cloned() else {
            return Ok(());
        };
        self.wall.ct.set_helper(master.id, HelperId(1), 0);
        let [src, dst] = [src, dst].map(|number| host(v6, number));
        let (sport, dport, udp) = (PORTS[sport], PORTS[dport], L4Proto::UDP);
        let netmask = if v6 { ip("ffff:ffff::") } else { ip("255.255.255.0") };
        let expected = match source {
            Source::Any => Expected::new(None, None, dst, dport, udp),
            Source::Address => Expected::new(Some(src), None, dst, dport, udp),
            Source::AddressAndPort => Expected::new(Some(src), Some(sport), dst, dport, udp),
            Source::Network => Expected::from_network(src, netmask, sport, dst, dport, udp),
        };
        let request = Expectation {
            class: class % 2,
            class_limit: limit % 4,
            flags: ExpectationFlags::from_bits_truncate(flags & 3),
            skip_master: flags & 0x10 != 0,
            timeout_s: u32::from(timeout % 60) + 1,
            ..expect(expected)
        };
        let found = self.wall.ct.expect(self.wall.now, master.id, request);
        let before = self.reference.awaited.clone();
        let wanted = self.reference.expect(master.serial, &request, self.wall.now);
        match found {
            // What expired within the last tick may still take a place.
            Err(Refusal::TableFull) if wanted.is_ok() => {
                prop_assert!(self.wall.ct.expectation_count() >= EXPECT_MAX);
                prop_assert!(before.len() < self.wall.ct.expectation_count() as usize + 1);
                self.reference.awaited.pop();
                self.reference.expectations -= 1;
            }
            Ok(id) => {
                prop_assert_eq!(wanted, Ok(()));
                self.reference.awaited.last_mut().expect("made").id = id;
            }
            Err(refusal) => prop_assert_eq!(wanted, Err(refusal)),
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let now = self.wall.now;
        self.reference.purge(now);
        let mut found: Vec<_> = self
            .wall
            .ct
            .connections(now)
            .map(|v| {
                let master = v.master.map(|master| master.serial);
                (v.serial, v.original, v.reply, v.status, v.mark, v.deadline, v.zone.id, master)
            })
            .collect();
        found.sort_unstable_by_key(|row| row.0);
        let wanted: Vec<_> = self
            .reference
            .known
            .iter()
            .map(|k| {
                let deadline = k.is_confirmed().then_some(k.deadline);
                (k.serial, k.original, k.reply, k.status, k.mark, deadline, k.zone, k.master)
            })
            .collect();
        prop_assert_eq!(found, wanted);

        let mut found: Vec<_> = self
            .wall
            .ct
            .expectations(now)
            .map(|v| (v.serial, v.expected, v.class, v.flags, v.deadline, v.master_serial, v.zone))
            .collect();
        found.sort_unstable_by_key(|row| row.0);
        let wanted: Vec<_> = self
            .reference
            .awaited
            .iter()
            .map(|a| {
                let request = &a.request;
                let Expectation { expected, class, flags, .. } = *request;
                (a.serial, expected, class, flags, a.deadline, a.master, a.zone)
            })
            .collect();
        prop_assert_eq!(found, wanted);
        Ok(())
    }
}

fn pick<T>(all: &mut [T], which: usize) -> Option<&mut T> {
    let count = all.len();
    all.get_mut(which % count.max(1))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_the_naive_table(steps in steps()) {
        let limit = EXPECT_MAX.to_string();
        let wall = Wall::with(&[("nf_conntrack_expect_max", limit.as_str())]);
        let mut pair = Pair { wall, reference: Reference::default(), held: Vec::new() };
        prop_assert_eq!(pair.wall.now, START);
        for step in &steps {
            pair.step(step)?;
        }
        // When all time has passed, nothing is left.
        for serial in std::mem::take(&mut pair.held) {
            pair.settle(serial, false)?;
        }
        pair.wall.wait(1_000_000);
        prop_assert!(pair.wall.ct.expire(pair.wall.now, 1_000_000));
        prop_assert_eq!((pair.wall.ct.count(), pair.wall.ct.expectation_count()), (0, 0));
        prop_assert_eq!(pair.wall.ct.next_deadline(), None);
    }
}
