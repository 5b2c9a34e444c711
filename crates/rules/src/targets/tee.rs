//! `-j TEE --gateway 192.0.2.1`: a copy of the packet goes to another gateway; the walk goes on.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{InterfacePattern, address, interface};
use std::net::IpAddr;

/// What the target declares.
pub const SPEC: Spec =
    Spec::new("TEE").passive().options(&[value("gateway").required(), value("oif")]);

/// Where the copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tee {
    /// The gateway, on a network of this host.
    pub gateway: IpAddr,
    /// The interface by which the copy leaves.
    pub oif: Option<InterfacePattern>,
}

impl Tee {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tee> {
        let family = args.context.family;
        let gateway = args.plain("gateway", |word| {
            let gateway = address(family)(word)?;
            let whole = word.text.parse::<IpAddr>().is_ok();
            match gateway.is_unspecified() || !whole {
                true => Err(word
                    .mistake(format!("{} is not a gateway", word.text))
                    .help("a whole address, not of zeroes")),
                false => Ok(gateway),
            }
        });
        let oif = args.plain("oif", interface);
        Some(Tee { gateway: gateway?, oif })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("gateway", self.gateway);
        if let Some(oif) = self.oif {
            out.value("oif", oif);
        }
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}
