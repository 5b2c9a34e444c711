//! A live gateway: the engine as the decision maker of the kernel's own forwarding path.
//!
//! The kernel hands packets out by a queue (NFQUEUE), routes them itself, resolves neighbours and
//! sends; what a packet is, whether it passes and what becomes of it is the engine's business. It
//! sees each packet twice, before and behind routing, joined by a token in reserved bits of the
//! packet's mark ([`Marks`]). The chains that bring packets here are set up and taken down by
//! [`chains`]; [`serve`] is the loop.
#![allow(clippy::disallowed_methods)] // Sockets, clocks and programs are this crate's business.
#![allow(clippy::disallowed_types)]

pub mod chains;
mod check;
mod judge;
mod links;
mod marks;
mod message;
mod queue;
mod refused;
mod serve;
mod tracer;

pub use chains::{Plan, WhileDown};
pub use check::{Finding, check};
pub use judge::Counts;
pub use marks::Marks;
pub use serve::{End, Host, Next, serve};
pub use tracer::{Traced, Tracer, Wanted};

use std::io;

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A program that is needed is not there.
    #[error("{program} is not installed: apt-get install iptables")]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// A program refused: its own words.
    #[error("{program}: {message}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Its words.
        message: String,
    },
    /// The queue is not given to us.
    #[error("{}", refusal(*.number, *.owner))]
    Refused {
        /// The queue's number.
        number: u16,
        /// Who has it, by its netlink port, which often is its process.
        owner: Option<u32>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There are no queues here, or their socket fails.
    #[error(
        "packet queue {number}: {source}; the kernel needs CONFIG_NETFILTER_NETLINK_QUEUE \
         (modprobe nfnetlink_queue)"
    )]
    NoQueue {
        /// The queue's number.
        number: u16,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The queue stopped working.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn refusal(number: u16, owner: Option<u32>) -> String {
    match owner {
        Some(owner) => format!(
            "packet queue {number} is taken, by process {owner} most likely: end that, or choose \
             another number (`queue = {}`)",
            number.wrapping_add(1)
        ),
        None => format!(
            "packet queue {number}: not permitted; the capability CAP_NET_ADMIN is needed (run it \
             as root)"
        ),
    }
}
