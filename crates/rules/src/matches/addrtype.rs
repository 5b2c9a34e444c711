//! `-m addrtype --dst-type LOCAL`: the types of the addresses, as the routes make them. The
//! answer is [`kinwall_topology::Topology::matches_address_type`]'s.

use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::choices;
use kinwall_terms::{Family, Hook};
use kinwall_topology::AddressTypes;

/// What the match declares.
pub const SPEC: Spec = Spec::new("addrtype").passive().steady().options(&[
    value("src-type").invert(),
    value("dst-type").invert(),
    flag("limit-iface-in").excludes(&["limit-iface-out"]),
    flag("limit-iface-out"),
]);

/// Which types are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addrtype {
    /// Types of the source.
    pub src: Option<Test<AddressTypes>>,
    /// Types of the destination.
    pub dst: Option<Test<AddressTypes>>,
    /// Only what the interface the packet came by knows counts.
    pub limit_in: bool,
    /// Only what the interface the packet leaves by knows counts.
    pub limit_out: bool,
}

const NAMES: &[(&str, u32)] = &[
    ("UNSPEC", AddressTypes::UNSPEC.bits() as u32),
    ("UNICAST", AddressTypes::UNICAST.bits() as u32),
    ("LOCAL", AddressTypes::LOCAL.bits() as u32),
    ("BROADCAST", AddressTypes::BROADCAST.bits() as u32),
    ("ANYCAST", AddressTypes::ANYCAST.bits() as u32),
    ("MULTICAST", AddressTypes::MULTICAST.bits() as u32),
    ("BLACKHOLE", AddressTypes::BLACKHOLE.bits() as u32),
    ("UNREACHABLE", AddressTypes::UNREACHABLE.bits() as u32),
    ("PROHIBIT", AddressTypes::PROHIBIT.bits() as u32),
    ("THROW", AddressTypes::THROW.bits() as u32),
    ("NAT", AddressTypes::NAT.bits() as u32),
    ("XRESOLVE", AddressTypes::XRESOLVE.bits() as u32),
];

/// Types that Linux asks for in IPv4 only.
const ONLY_IPV4: AddressTypes = AddressTypes::BROADCAST
    .union(AddressTypes::BLACKHOLE)
    .union(AddressTypes::PROHIBIT)
    .union(AddressTypes::THROW)
    .union(AddressTypes::NAT)
    .union(AddressTypes::XRESOLVE);

impl Addrtype {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Addrtype> {
        args.one_of(&["src-type", "dst-type"]);
        check_place(args);
        let family = args.context.family;
        let read = |word: &Word| {
            let bits = choices(NAMES, true)(word)?;
            let types = AddressTypes::from_bits_truncate(bits as u16);
            match family == Family::Ipv6 && types.intersects(ONLY_IPV4) {
                true => Err(word
                    .mistake("IPv6 does not have all of these types")
                    .help("UNSPEC, UNICAST, LOCAL, ANYCAST, MULTICAST and UNREACHABLE")),
                false => Ok(types),
            }
        };
        Some(Addrtype {
            src: args.read("src-type", read),
            dst: args.read("dst-type", read),
            limit_in: args.has("limit-iface-in"),
            limit_out: args.has("limit-iface-out"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        for (name, test) in [("src-type", self.src), ("dst-type", self.dst)] {
            if let Some(test) = test {
                let names: Vec<&str> = test.value.iter_names().map(|(name, _)| name).collect();
                out.not(test.invert).value(name, names.join(","));
            }
        }
        out.flag("limit-iface-in", self.limit_in).flag("limit-iface-out", self.limit_out);
    }

    /// Asks the topology.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let facts = scene.facts;
        let on = match (self.limit_in, self.limit_out) {
            (true, _) => facts.in_iface,
            (_, true) => facts.out_iface,
            _ => None,
        };
        let holds = |test: &Option<Test<AddressTypes>>, address| {
            test.is_none_or(|test| {
                test.holds(|types| facts.topology.matches_address_type(address, on, *types))
            })
        };
        (holds(&self.src, facts.headers.src) && holds(&self.dst, facts.headers.dst)).into()
    }
}

/// An interface that is not known yet, or no more, cannot be asked for.
fn check_place(args: &mut Args<'_>) {
    for (option, hooks) in [
        ("limit-iface-in", [Hook::Output, Hook::Postrouting]),
        ("limit-iface-out", [Hook::Prerouting, Hook::Input]),
    ] {
        let chain = args.context.chain;
        if args.has(option) && hooks.iter().any(|hook| hook.chain() == chain) {
            let message = format!("--{option} has no meaning in {chain}");
            args.report_at(option, message, "there is no such interface there: remove it");
        }
    }
}
