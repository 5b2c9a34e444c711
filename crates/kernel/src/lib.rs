//! Asks the real Linux kernel what it does with packets, one answer a packet.
//!
//! A [`Gateway`] is a network namespace with the links, addresses, routes and sysctls of a
//! topology and the rules of a [`Scenario`], loaded by the real tools. [`Gateway::send`] gives
//! it one packet and returns its [`Answer`]: the verdict, the state, direction and status of
//! its connection, the helper of that connection's master, the rule that dropped it, the
//! events of connections and expectations, and what left the gateway. Answers are exact and
//! repeatable: the kernel has finished with a packet when `send` returns.
//!
//! This needs root, nftables, iptables (with its nft backend), iproute2, ipset for sets, and
//! Linux 6.16 or later, whose packet traces speak of connections.
//!
//! What is different from a gateway on real wires: nobody asks for neighbours, nothing that is
//! delivered to the gateway is answered, and the clock is the machine's own, so nothing times
//! out between two packets.

mod agreement;
mod answer;
mod error;
mod event;
mod follower;
mod frame;
mod gateway;
mod layout;
mod module_options;
mod namespace;
mod netlink;
mod observed;
mod probe;
mod rulebook;
pub mod tier;

pub use agreement::{Agreement, Case, Disagreement};
pub use answer::{Answer, Decision};
pub use error::KernelError;
pub use event::{Change, Connection, Event, Expectation};
pub use follower::Follower;
pub use gateway::{Gateway, Ingress, Scenario};
pub use observed::{Difference, Observed, ObservedConnection, ObservedExpectation};
pub use probe::{Point, Stage};
pub use rulebook::RulePlace;
