//! The answers that the kernel composes for packets it was told to refuse.
//!
//! It sends them as its own, and so they come by the queue. In Linux they belong to the connection
//! of what they answer; here they are recognised, and pass.

use kinwall_terms::Time;
use kinwall_wire::tcp::TcpFlags;
use kinwall_wire::{Headers, L4};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Answers that are waited for, at most; the kernel composes them while its verdict is carried out.
const ANSWERS_MAX: usize = 1_024;

/// How long an answer is waited for, in seconds.
const WAIT_S: u32 = 1;

#[derive(Clone, Copy, Debug)]
struct Awaited {
    since: Time,
    to: IpAddr,
    /// Ports of the answer, if it is a RST.
    ports: Option<(u16, u16)>,
}

/// The answers that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    awaited: VecDeque<Awaited>,
}

impl Refused {
    /// A packet is refused, with a RST or an ICMP error.
    pub(crate) fn note(&mut self, now: Time, packet: &[u8], with_reset: bool) {
        let Ok(headers) = Headers::parse(packet) else { return };
        let ports = headers.ports().filter(|_| with_reset);
        if self.awaited.len() == ANSWERS_MAX {
            self.awaited.pop_front();
        }
        let ports = ports.map(|(from, to)| (to, from));
        self.awaited.push_back(Awaited { since: now, to: headers.src, ports });
    }

    /// Whether a packet of the gateway's own is such an answer; each is one once.
    pub(crate) fn is_answer(&mut self, now: Time, packet: &[u8]) -> bool {
        while self.awaited.front().is_some_and(|first| first.since.after_s(WAIT_S) < now) {
            self.awaited.pop_front();
        }
        if self.awaited.is_empty() {
            return false;
        }
        let Ok(headers) = Headers::parse(packet) else { return false };
        let ports = match headers.l4 {
            L4::Tcp(tcp) if tcp.flags.contains(TcpFlags::RST) => headers.ports(),
            L4::Icmp(icmp) if matches!(icmp.kind, 1 | 3) => None,
            _ => return false,
        };
        let fits = |one: &Awaited| one.to == headers.dst && one.ports == ports;
        match self.awaited.iter().position(fits) {
            Some(at) => self.awaited.remove(at).is_some(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_wire::emit::{Packet, Tcp};

    fn segment(src: &str, dst: &str, ports: (u16, u16), flags: TcpFlags) -> Vec<u8> {
        let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
        Packet::new(src, dst, Tcp::new(ports.0, ports.1).flags(flags)).build()
    }

    #[test]
    fn an_answer_passes_once_and_in_time() {
        let syn = segment("192.0.2.1", "198.51.100.1", (1025, 23), TcpFlags::SYN);
        let reset = segment("198.51.100.1", "192.0.2.1", (23, 1025), TcpFlags::RST);
        let other = segment("198.51.100.1", "192.0.2.1", (24, 1025), TcpFlags::RST);
        let mut refused = Refused::default();
        assert!(!refused.is_answer(Time(0), &reset));
        refused.note(Time(0), &syn, true);
        assert!(!refused.is_answer(Time(1), &other));
        assert!(!refused.is_answer(Time(1), &syn));
        assert!(refused.is_answer(Time(1), &reset));
        assert!(!refused.is_answer(Time(1), &reset));
        refused.note(Time(0), &syn, true);
        assert!(!refused.is_answer(Time(0).after_s(2), &reset));
    }
}
