//! Targets: one file each, one row each in [`registry`].

pub mod audit;
pub mod checksum;
pub mod classify;
pub mod clusterip;
pub mod connmark;
pub mod connsecmark;
pub mod ct;
pub mod dnat;
pub mod dnpt;
pub mod dscp;
pub mod ecn;
pub mod hl;
pub mod hmark;
pub mod idletimer;
pub mod led;
pub mod log;
pub mod mark;
pub mod masquerade;
pub mod nat;
pub mod netmap;
pub mod nflog;
pub mod nfqueue;
pub mod notrack;
pub mod prefix;
pub mod rateest;
pub mod redirect;
pub mod registry;
pub mod reject;
pub mod secmark;
pub mod set;
pub mod snat;
pub mod snpt;
pub mod synproxy;
pub mod tcpmss;
pub mod tcpoptstrip;
pub mod tee;
pub mod tos;
pub mod tproxy;
pub mod trace;
pub mod ttl;
pub mod ulog;

pub use registry::Target;

use crate::diagnostic::Diagnostic;
use crate::lex::Word;
use crate::option::Args;
use crate::value::{Network, network_as_written};
use kinwall_terms::{Family, Hook};

/// Reports `option`, when it is given in a built-in chain of another hook than `hooks`.
fn only_at(args: &mut Args<'_>, option: &str, hooks: &[Hook]) {
    let hook = Hook::from_chain(args.context.chain);
    if args.has(option) && hook.is_some_and(|hook| !hooks.contains(&hook)) {
        let allowed: Vec<&str> = hooks.iter().map(|hook| hook.chain()).collect();
        let message = format!("--{option} is not allowed in chain {}", args.context.chain);
        args.report_at(option, message, format!("allowed in {}", allowed.join(", ")));
    }
}

/// A name of at most `max` bytes that is printed without quotes: neither empty nor with blanks.
fn name(max: usize) -> impl Fn(&Word) -> Result<Box<str>, Diagnostic> {
    move |word| {
        let text = word.text.as_str();
        let special = |c: char| c.is_whitespace() || c == '"';
        match text.is_empty() || text.len() > max || text.contains(special) {
            false => Ok(text.into()),
            true => Err(word
                .mistake(format!("{text:?} cannot be a name here"))
                .help(format!("1 to {max} bytes, without blanks or quotes"))),
        }
    }
}

/// An IPv6 prefix of 1 to 64 bits, the rest of it zeroes.
fn prefix(word: &Word) -> Result<Network, Diagnostic> {
    let network = network_as_written(Family::Ipv6)(word)?;
    let whole = Network::new(network.address, network.mask) == network;
    match network.prefix_length() {
        Some(1..=64) if whole => Ok(network),
        _ => Err(word
            .mistake(format!("{} is not such a prefix", word.text))
            .help("an address and a length from 1 to 64, the other bits zero: fd00::/64")),
    }
}
