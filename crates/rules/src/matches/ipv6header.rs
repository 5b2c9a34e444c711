//! `-m ipv6header --header frag,route --soft`: which extension headers an IPv6 packet has:
//! exactly these, or with `--soft` at least these.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{parse_number, parts};
use kinwall_terms::{Family, L4Proto};
use kinwall_wire::ExtensionKind;

/// What the match declares.
pub const SPEC: Spec = Spec::new("ipv6header")
    .passive()
    .only(Family::Ipv6)
    .options(&[value("header").invert().required(), flag("soft")]);

bitflags::bitflags! {
    /// Headers, in the order they are printed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Kinds: u8 {
        /// Hop-by-hop options.
        const HOP_BY_HOP = 1 << 0;
        /// Destination options.
        const DESTINATION = 1 << 1;
        /// Routing.
        const ROUTING = 1 << 2;
        /// Fragment.
        const FRAGMENT = 1 << 3;
        /// Authentication.
        const AUTHENTICATION = 1 << 4;
        /// Encapsulating security payload.
        const ESP = 1 << 5;
        /// Nothing follows.
        const NOTHING = 1 << 6;
        /// A transport protocol.
        const PROTOCOL = 1 << 7;
    }
}

/// Number, printed name, short name.
const NAMES: [(Kinds, u8, &str, &str); 8] = [
    (Kinds::HOP_BY_HOP, 0, "hop-by-hop", "hop"),
    (Kinds::DESTINATION, 60, "ipv6-opts", "dst"),
    (Kinds::ROUTING, 43, "ipv6-route", "route"),
    (Kinds::FRAGMENT, 44, "ipv6-frag", "frag"),
    (Kinds::AUTHENTICATION, 51, "ah", "auth"),
    (Kinds::ESP, 50, "esp", "esp"),
    (Kinds::NOTHING, 59, "ipv6-nonxt", "none"),
    (Kinds::PROTOCOL, 255, "protocol", "prot"),
];

/// Which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6header {
    /// The headers.
    pub kinds: Test<Kinds>,
    /// Whether others are allowed.
    pub soft: bool,
}

impl Ipv6header {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ipv6header> {
        Some(Ipv6header { kinds: args.read("header", kinds)?, soft: args.has("soft") })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let set = NAMES.iter().filter(|name| self.kinds.value.contains(name.0));
        let names: Vec<&str> = set.map(|name| name.2).collect();
        out.not(self.kinds.invert).value("header", names.join(",")).flag("soft", self.soft);
    }

    /// Compares the headers. As in Linux `! --soft` means that none of them is there.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        let mut there = match headers.proto {
            L4Proto::ESP => Kinds::ESP,
            L4Proto(59) => Kinds::NOTHING,
            _ => Kinds::PROTOCOL,
        };
        for (kind, bit) in [
            (ExtensionKind::HopByHop, Kinds::HOP_BY_HOP),
            (ExtensionKind::Destination, Kinds::DESTINATION),
            (ExtensionKind::Routing, Kinds::ROUTING),
            (ExtensionKind::Fragment, Kinds::FRAGMENT),
            (ExtensionKind::Authentication, Kinds::AUTHENTICATION),
        ] {
            there.set(bit, headers.extensions.has(kind));
        }
        let Test { invert, value: wanted } = self.kinds;
        match (self.soft, invert) {
            (true, false) => there.contains(wanted).into(),
            (true, true) => (!there.intersects(wanted)).into(),
            (false, invert) => ((there == wanted) != invert).into(),
        }
    }
}

fn kinds(word: &Word) -> Result<Kinds, Diagnostic> {
    let mut kinds = Kinds::empty();
    for part in parts(&word.text) {
        let number = parse_number(part);
        let same = |name: &&(Kinds, u8, &str, &str)| {
            part == name.2 || part == name.3 || number == Some(u64::from(name.1))
        };
        let Some(found) = NAMES.iter().find(same) else {
            let names: Vec<&str> = NAMES.iter().map(|name| name.2).collect();
            return Err(word
                .mistake(format!("{part:?} is not an extension header"))
                .help(format!("a list of {}", names.join(", "))));
        };
        kinds |= found.0;
    }
    match kinds.is_empty() {
        true => Err(word.mistake("no header is named").help("such as frag,esp")),
        false => Ok(kinds),
    }
}
