//! What a rule asks of plain numbers, ready to be compared.
//!
//! Most of what rules ask for is an address, an interface, a protocol, a port or the ct state. A
//! [`Sieve`] holds these tests of a rule as masks and ranges, made when the rules are compiled. A
//! packet that it keeps back does not match; one that it lets through matches if the rest of the
//! rule does, and often there is no rest.
//!
//! A match takes part only when everything before it changes nothing and drops no packet: a rule
//! that is passed over earlier than in the order of its matches has done the same, nothing.

use crate::key::{Key, left_aligned};
use crate::matches::Match;
use crate::matches::conntrack::{States, state_of};
use crate::option::Test;
use crate::ruleset::Rule;
use crate::value::{InterfacePattern, Network, PortRange};
use kinwall_terms::CtState;

bitflags::bitflags! {
    /// Which fields are compared.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    struct Fields: u16 {
        const SRC = 1 << 0;
        const DST = 1 << 1;
        const IN = 1 << 2;
        const OUT = 1 << 3;
        const PROTO = 1 << 4;
        const FRAGMENT = 1 << 5;
        const SPORT = 1 << 6;
        const DPORT = 1 << 7;
    }
}

/// The tests of one rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sieve {
    asked: Fields,
    /// Tests with a `!` before them.
    inverted: Fields,
    /// One bit for each ct state that may pass.
    states: u8,
    proto: u8,
    sport: PortRange,
    dport: PortRange,
    src: Bits,
    dst: Bits,
    in_iface: Bits,
    out_iface: Bits,
    /// How many of the rule's matches, from the first on, are tested here as a whole.
    pub(crate) covered: u16,
}

/// A value, of which the bits in `mask` count.
#[derive(Clone, Copy, Debug, Default)]
struct Bits {
    value: u128,
    mask: u128,
}

impl Bits {
    #[inline]
    fn fit(self, number: u128) -> bool {
        (number ^ self.value) & self.mask == 0
    }
}

const ANY_PORT: PortRange = PortRange { min: 0, max: u16::MAX };

impl Sieve {
    /// The tests of `rule`.
    pub(crate) fn new(rule: &Rule) -> Sieve {
        let mut sieve = Sieve {
            asked: Fields::empty(),
            inverted: Fields::empty(),
            states: u8::MAX,
            proto: 0,
            sport: ANY_PORT,
            dport: ANY_PORT,
            src: Bits::default(),
            dst: Bits::default(),
            in_iface: Bits::default(),
            out_iface: Bits::default(),
            covered: 0,
        };
        sieve.ask_base(rule);
        sieve.ask_matches(rule);
        sieve
    }

    /// Whether the packet may match the rule.
    #[inline]
    pub(crate) fn passes(&self, key: &Key) -> bool {
        if self.states >> key.state & 1 == 0 {
            return false;
        }
        let (asked, inverted) = (self.asked, self.inverted);
        let fails =
            |field: Fields, held: bool| asked.contains(field) && held == inverted.contains(field);
        if asked.is_empty() {
            return true;
        }
        if fails(Fields::PROTO, self.proto == key.proto)
            || fails(Fields::IN, self.in_iface.fit(key.in_iface))
            || fails(Fields::OUT, self.out_iface.fit(key.out_iface))
            || fails(Fields::SRC, self.src.fit(key.src))
            || fails(Fields::DST, self.dst.fit(key.dst))
            || fails(Fields::FRAGMENT, key.is_later_fragment)
        {
            return false;
        }
        if !asked.intersects(Fields::SPORT | Fields::DPORT) {
            return true;
        }
        (key.has_dport || !asked.contains(Fields::DPORT))
            && (key.has_sport || !asked.contains(Fields::SPORT))
            && !fails(Fields::DPORT, self.dport.contains(key.dport))
            && !fails(Fields::SPORT, self.sport.contains(key.sport))
    }

    /// Whether no packet of that ct state passes.
    pub(crate) fn excludes(&self, state: CtState) -> bool {
        self.states >> state as u8 & 1 == 0
    }

    fn ask(&mut self, field: Fields, invert: bool) {
        self.asked |= field;
        self.inverted.set(field, invert);
    }

    /// `-s -d -i -o -p -f`.
    fn ask_base(&mut self, rule: &Rule) {
        if let Some(test) = rule.src {
            self.ask(Fields::SRC, test.invert);
            self.src = network(&test.value);
        }
        if let Some(test) = rule.dst {
            self.ask(Fields::DST, test.invert);
            self.dst = network(&test.value);
        }
        if let Some(test) = rule.in_iface {
            self.ask(Fields::IN, test.invert);
            self.in_iface = interface(&test.value);
        }
        if let Some(test) = rule.out_iface {
            self.ask(Fields::OUT, test.invert);
            self.out_iface = interface(&test.value);
        }
        if let Some(test) = rule.proto {
            self.ask(Fields::PROTO, test.invert);
            self.proto = test.value.0;
        }
        if let Some(invert) = rule.fragment {
            self.ask(Fields::FRAGMENT, invert);
        }
    }

    fn ask_matches(&mut self, rule: &Rule) {
        let has_protocol = rule.proto.is_some_and(|test| !test.invert);
        let mut all_covered = true;
        for found in &rule.matches {
            let (covered, passive) = match found {
                Match::Comment(_) => (true, true),
                Match::State(state) => (self.ask_states(&state.states), true),
                Match::Conntrack(asked) => {
                    let covered = asked.states.is_some_and(|states| self.ask_states(&states));
                    (covered && asked.is_of_states_alone(), true)
                }
                Match::Tcp(tcp) if has_protocol && tcp.is_plain() => {
                    let covered = self.ask_ports(&tcp.sport, &tcp.dport);
                    (covered && tcp.flags.is_none(), true)
                }
                Match::Udp(udp) if has_protocol && udp.is_plain() => {
                    (self.ask_ports(&udp.sport, &udp.dport), true)
                }
                other => (false, other.kind().spec().passive),
            };
            all_covered &= covered;
            self.covered = self.covered.saturating_add(u16::from(all_covered));
            if !passive {
                break;
            }
        }
    }

    /// Narrows the ct states; whether that says all of the test.
    fn ask_states(&mut self, test: &Test<States>) -> bool {
        if !States::REAL.contains(test.value) {
            return false;
        }
        for state in STATES {
            if !test.holds(|states| states.intersects(state_of(state))) {
                self.states &= !(1 << state as u8);
            }
        }
        true
    }

    /// Takes over tests of ports, where none is there already; whether that says all of them.
    fn ask_ports(
        &mut self,
        sport: &Option<Test<PortRange>>,
        dport: &Option<Test<PortRange>>,
    ) -> bool {
        if self.asked.intersects(Fields::SPORT | Fields::DPORT) {
            return false;
        }
        if let Some(test) = sport {
            self.ask(Fields::SPORT, test.invert);
            self.sport = test.value;
        }
        if let Some(test) = dport {
            self.ask(Fields::DPORT, test.invert);
            self.dport = test.value;
        }
        sport.is_some() || dport.is_some()
    }
}

/// Every ct state.
pub(crate) const STATES: [CtState; 5] =
    [CtState::Invalid, CtState::New, CtState::Related, CtState::Established, CtState::Untracked];

fn network(network: &Network) -> Bits {
    Bits { value: left_aligned(network.address), mask: left_aligned(network.mask) }
}

fn interface(pattern: &InterfacePattern) -> Bits {
    let stem = pattern.stem().as_bytes();
    let name = stem.iter().fold(0, |name: u128, byte| name << 8 | u128::from(*byte));
    let left = 128 - 8 * stem.len() as u32;
    let mask = match pattern.is_prefix() {
        true => u128::MAX.checked_shl(left).unwrap_or(0),
        false => u128::MAX,
    };
    Bits { value: name.checked_shl(left).unwrap_or(0), mask }
}
