//! `-j NETMAP --to 192.0.2.0/24`: a whole network becomes another, host by host: the source after
//! routing, the destination before it.
//!
//! The target ends the chain. What it wants ([`super::nat::Wanted`]) is for the caller to do.

use crate::diagnostic::Diagnostic;
use crate::eval::{Decision, Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{Network, parse_network};
use kinwall_terms::{Family, Table};
use std::net::Ipv4Addr;

/// What the target declares.
pub const SPEC: Spec = Spec::new("NETMAP").tables(&[Table::Nat]).options(&[value("to").required()]);

/// The new network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netmap {
    /// Its mask is contiguous.
    pub to: Network,
}

impl Netmap {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Netmap> {
        let family = args.context.family;
        args.plain("to", |word| network(word, family)).map(|to| Netmap { to })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("to", self.to);
    }

    /// Ends the chain.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Accept)
    }
}

/// A network with a contiguous mask and, unlike elsewhere, all four numbers of an address.
fn network(word: &Word, family: Family) -> Result<Network, Diagnostic> {
    let network = parse_network(word, &word.text, family)?;
    let host = word.text.split('/').next().unwrap_or_default();
    let short = family == Family::Ipv4 && host.parse::<Ipv4Addr>().is_err();
    if short || network.prefix_length().is_none() {
        let help = "an address and a length, such as 192.0.2.0/24";
        return Err(word.mistake(format!("{:?} is not such a network", word.text)).help(help));
    }
    Ok(network)
}
