//! `-m pkttype --pkt-type broadcast`: to whom the link layer addressed the packet.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::choice;
use kinwall_wire::PacketType;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("pkttype").passive().options(&[value("pkt-type").invert().required()]);

/// Which packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pkttype {
    /// To whom they are addressed.
    pub kind: Test<PacketType>,
}

/// The names; of two for one type the first is printed.
const NAMES: &[(&str, PacketType)] = &[
    ("unicast", PacketType::Host),
    ("broadcast", PacketType::Broadcast),
    ("multicast", PacketType::Multicast),
    ("otherhost", PacketType::OtherHost),
    ("host", PacketType::Host),
    ("bcast", PacketType::Broadcast),
    ("mcast", PacketType::Multicast),
];

impl Pkttype {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Pkttype> {
        let read = |word: &Word| -> Result<PacketType, Diagnostic> {
            choice(NAMES)(&Word { text: word.text.to_ascii_lowercase(), ..word.clone() })
        };
        Some(Pkttype { kind: args.read("pkt-type", read)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let name = NAMES.iter().find(|(_, kind)| *kind == self.kind.value).map_or("", |n| n.0);
        out.not(self.kind.invert).value("pkt-type", name);
    }

    /// Compares.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let kind = scene.facts.link.packet_type;
        self.kind.holds(|wanted| *wanted == kind).into()
    }
}
