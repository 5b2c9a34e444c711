//! `-j SNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64`: the prefix of the source becomes
//! another (RFC 6296). A few other bits of the address change with it, so that checksums
//! stay right; what an ICMPv6 error quotes is changed at its other end.
//!
//! The walk goes on, with the new address. To change the packet is for the caller
//! ([`Decision::Readdress`], [`super::prefix`]).

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::Network;
use kinwall_terms::{Family, Hook, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("SNPT")
    .readdresses()
    .only(Family::Ipv6)
    .tables(&[Table::Mangle])
    .hooks(&[Hook::Input, Hook::Postrouting])
    .options(&[value("src-pfx").required(), value("dst-pfx").required()]);

/// The prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snpt {
    /// The old one, of 1 to 64 bits.
    pub src: Network,
    /// The new one, of 1 to 64 bits.
    pub dst: Network,
}

impl Snpt {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Snpt> {
        let src = args.plain("src-pfx", super::prefix);
        let dst = args.plain("dst-pfx", super::prefix);
        Some(Snpt { src: src?, dst: dst? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("src-pfx", self.src).value("dst-pfx", self.dst);
    }

    /// The packet becomes another.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Readdress)
    }
}
