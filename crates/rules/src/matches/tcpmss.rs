//! `-p tcp -m tcpmss --mss 500:1400`: the maximum segment size option of TCP.
//!
//! A packet without the option has no size: it only passes a negated test. A header that is cut
//! short drops the packet, as in Linux.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{PortRange, Range, ascending, range};
use kinwall_terms::L4Proto;
use kinwall_wire::L4;
use kinwall_wire::tcp::TcpOption;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("tcpmss").needs(&[L4Proto::TCP]).options(&[value("mss").invert().required()]);

/// Which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcpmss {
    /// Bytes.
    pub mss: Test<PortRange>,
}

impl Tcpmss {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tcpmss> {
        let mss = args.read("mss", |word| {
            let Range { min, max } = ascending(range(0, 0xffff))(word)?;
            Ok(Range { min: min as u16, max: max as u16 })
        });
        Some(Tcpmss { mss: mss? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("mss", &Some(self.mss));
    }

    /// Compares the option.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        let L4::Tcp(tcp) = headers.l4 else {
            return if headers.is_later_fragment() { Answer::No } else { Answer::HotDrop };
        };
        let transport = headers.transport(scene.facts.bytes);
        let length = usize::from(tcp.data_offset);
        if length < 20 || transport.len() < length {
            return Answer::HotDrop;
        }
        let mss = tcp.options(transport).find_map(|option| match option {
            TcpOption::Mss(mss) => Some(mss),
            _ => None,
        });
        let mss = scene.state.mss.or(mss);
        self.mss.holds(|range| mss.is_some_and(|mss| range.contains(mss))).into()
    }
}
