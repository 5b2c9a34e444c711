//! `-m conntrack --ctstate RELATED --ctproto tcp --ctorigsrc 10.0.0.0/8 --ctdir ORIGINAL`: what
//! connection tracking says of the packet and of its connection.
//!
//! As in Linux a packet without a connection (INVALID, UNTRACKED) is only asked for its ct
//! state: when that matches, the other tests are skipped, and without a state test it does not
//! match. `--ctstatus NONE` matches nothing.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Network, PortRange, Range, network_as_written, port_range, protocol};
use kinwall_terms::ct::CtFacts;
use kinwall_terms::{CtState, Direction, Family, L4Proto, Status, Tuple};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the match declares.
pub const SPEC: Spec = Spec::new("conntrack").passive().options(&[
    value("ctstate").invert(),
    value("ctproto").invert(),
    value("ctorigsrc").invert(),
    value("ctorigdst").invert(),
    value("ctreplsrc").invert(),
    value("ctrepldst").invert(),
    value("ctorigsrcport").invert(),
    value("ctorigdstport").invert(),
    value("ctreplsrcport").invert(),
    value("ctrepldstport").invert(),
    value("ctstatus").invert(),
    value("ctexpire").invert(),
    value("ctdir"),
]);

bitflags::bitflags! {
    /// The states `--ctstate` knows, in the order they are printed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct States: u8 {
        /// No connection.
        const INVALID = 1 << 0;
        /// Opens a connection.
        const NEW = 1 << 1;
        /// Opens an announced connection, or is an error about one.
        const RELATED = 1 << 2;
        /// Belongs to a connection seen in both directions.
        const ESTABLISHED = 1 << 3;
        /// Not tracked.
        const UNTRACKED = 1 << 4;
        /// The source of the connection is translated.
        const SNAT = 1 << 5;
        /// The destination of the connection is translated.
        const DNAT = 1 << 6;
    }
}

impl States {
    /// The states of a packet: all but the translations.
    pub const REAL: States = States::SNAT.union(States::DNAT).complement();
}

impl fmt::Display for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, _)) in self.iter_names().enumerate() {
            write!(f, "{}{name}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// The bit of a ct state.
pub fn state_of(state: CtState) -> States {
    match state {
        CtState::Invalid => States::INVALID,
        CtState::New => States::NEW,
        CtState::Related => States::RELATED,
        CtState::Established => States::ESTABLISHED,
        CtState::Untracked => States::UNTRACKED,
    }
}

/// Reads a list of states out of `known`.
pub fn states(
    known: States,
) -> impl Fn(&crate::lex::Word) -> Result<States, crate::diagnostic::Diagnostic> {
    let names: Vec<(&'static str, u32)> =
        known.iter_names().map(|(name, bit)| (name, u32::from(bit.bits()))).collect();
    move |word| {
        crate::value::choices(&names, true)(word).map(|b| States::from_bits_truncate(b as u8))
    }
}

/// The statuses `--ctstatus` knows.
const STATUSES: &[(&str, u32)] = &[
    ("NONE", 0),
    ("EXPECTED", Status::EXPECTED.bits() as u32),
    ("SEEN_REPLY", Status::SEEN_REPLY.bits() as u32),
    ("ASSURED", Status::ASSURED.bits() as u32),
    ("CONFIRMED", Status::CONFIRMED.bits() as u32),
];

/// What is asked of the connection; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// `--ctstate`.
    pub states: Option<Test<States>>,
    /// `--ctproto`.
    pub proto: Option<Test<L4Proto>>,
    /// `--ctorigsrc`, `--ctorigdst`, `--ctreplsrc`, `--ctrepldst`, in this order.
    pub addresses: [Option<Test<Network>>; 4],
    /// `--ctorigsrcport`, `--ctorigdstport`, `--ctreplsrcport`, `--ctrepldstport`, in this order.
    pub ports: [Option<Test<PortRange>>; 4],
    /// `--ctstatus`: any of these bits; empty for NONE.
    pub status: Option<Test<Status>>,
    /// `--ctexpire`: seconds until the connection expires.
    pub expires_s: Option<Test<Range<u32>>>,
    /// `--ctdir`.
    pub direction: Option<Direction>,
}

const ADDRESSES: [&str; 4] = ["ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst"];
const PORTS: [&str; 4] = ["ctorigsrcport", "ctorigdstport", "ctreplsrcport", "ctrepldstport"];
const DIRECTIONS: [(&str, Direction); 2] =
    [("ORIGINAL", Direction::Original), ("REPLY", Direction::Reply)];

impl Conntrack {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Conntrack> {
        let family = args.context.family;
        if args.in_order().next().is_none() {
            args.report_here("conntrack needs an option", "such as --ctstate RELATED,ESTABLISHED");
        }
        let status = args.read("ctstatus", crate::value::choices(STATUSES, true));
        Some(Conntrack {
            states: args.read("ctstate", states(States::all())),
            proto: args.read("ctproto", protocol),
            addresses: ADDRESSES.map(|name| args.read(name, network_as_written(family))),
            ports: PORTS.map(|name| args.read(name, port_range(None))),
            status: status.map(|s| Test {
                invert: s.invert,
                value: Status::from_bits_truncate(s.value as u16),
            }),
            expires_s: args.read("ctexpire", |word| {
                let range = crate::value::range(0, u64::from(u32::MAX))(word)?;
                Ok(Range { min: range.min as u32, max: range.max as u32 })
            }),
            direction: args.plain("ctdir", |word| {
                let upper = crate::lex::Word { text: word.text.to_uppercase(), ..word.clone() };
                crate::value::choice(&DIRECTIONS)(&upper)
            }),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("ctstate", &self.states);
        if let Some(proto) = &self.proto {
            out.not(proto.invert).value("ctproto", proto.value.0);
        }
        for (name, test) in ADDRESSES.iter().zip(&self.addresses) {
            if let Some(test) = test {
                out.not(test.invert).value(name, test.value.short());
            }
        }
        for (name, test) in PORTS.iter().zip(&self.ports) {
            out.test(name, test);
        }
        if let Some(status) = &self.status {
            let names: Vec<&str> = status.value.names().collect();
            let text = if names.is_empty() { "NONE".to_owned() } else { names.join(",") };
            out.not(status.invert).value("ctstatus", text);
        }
        out.test("ctexpire", &self.expires_s);
        if let Some(direction) = self.direction {
            let [original, reply] = DIRECTIONS.map(|(name, _)| name);
            out.value("ctdir", if direction == Direction::Original { original } else { reply });
        }
    }

    /// Compares with the packet's ct state and its connection.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let facts = scene.facts;
        let mut state = state_of(scene.state.ct_state(facts));
        let translated = |test: Test<States>| test.value.intersects(States::SNAT | States::DNAT);
        if let Some(ct) = facts.ct.filter(|_| self.states.is_some_and(translated)) {
            state.set(States::SNAT, ct.status.contains(Status::SRC_NAT));
            state.set(States::DNAT, ct.status.contains(Status::DST_NAT));
        }
        if self.states.is_some_and(|test| !test.holds(|states| states.intersects(state))) {
            return Answer::No;
        }
        match facts.ct {
            None if scene.state.has_template() => self.matches_template(scene.family).into(),
            None => self.states.is_some().into(),
            Some(_) if self.is_of_states_alone() => Answer::Yes,
            Some(ct) => self.connection_matches(ct).into(),
        }
    }

    /// Whether nothing is asked but `--ctstate`.
    pub fn is_of_states_alone(&self) -> bool {
        self.proto.is_none()
            && self.addresses.iter().all(Option::is_none)
            && self.ports.iter().all(Option::is_none)
            && self.status.is_none()
            && self.expires_s.is_none()
            && self.direction.is_none()
    }

    /// Whether it matches, beside the ct state, what a CT rule leaves in the place of a connection:
    /// nothing but zeroes, and confirmed.
    pub fn matches_template(&self, family: Family) -> bool {
        let address = match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let none = Tuple { src: address, dst: address, sport: 0, dport: 0, proto: L4Proto(0) };
        self.connection_matches(&CtFacts {
            direction: Direction::Original,
            status: Status::CONFIRMED,
            original: none,
            reply: none,
            mark: 0,
            expires_s: 0,
            has_master: false,
            master_helper: None,
            counters: None,
            zone: [0; 2],
        })
    }

    fn connection_matches(&self, ct: &CtFacts<'_>) -> bool {
        let (original, reply) = (&ct.original, &ct.reply);
        let addresses: [IpAddr; 4] = [original.src, original.dst, reply.src, reply.dst];
        let ports = [original.sport, original.dport, reply.sport, reply.dport];
        self.direction.is_none_or(|wanted| wanted == ct.direction)
            && holds_all(&self.addresses, &addresses, |network, address| network.contains(*address))
            && self.proto.is_none_or(|test| test.holds(|proto| *proto == original.proto))
            && holds_all(&self.ports, &ports, |range, port| range.contains(*port))
            && self.status.is_none_or(|test| test.holds(|bits| bits.intersects(ct.status)))
            && self.expires_s.is_none_or(|test| test.holds(|range| range.contains(ct.expires_s)))
    }
}

fn holds_all<T, V>(
    tests: &[Option<Test<T>>; 4],
    values: &[V; 4],
    compare: impl Fn(&T, &V) -> bool,
) -> bool {
    tests.iter().zip(values).all(|(test, value)| {
        test.as_ref().is_none_or(|test| test.holds(|wanted| compare(wanted, value)))
    })
}
