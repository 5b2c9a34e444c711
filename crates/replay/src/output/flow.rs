//! Who talks to whom, on a line.

use kinwall_terms::expectation::Expected;
use kinwall_terms::{L4Proto, Tuple};
use std::fmt;
use std::net::IpAddr;

/// A tuple: `tcp 10.0.0.1:80 > 10.0.0.2:4000`.
#[derive(Clone, Copy, Debug)]
pub struct Flow(pub Tuple);

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuple { src, dst, sport, dport, proto } = self.0;
        match proto {
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                write!(f, "{proto} {src} > {dst} type {} code {}", dport >> 8, dport & 0xff)
            }
            L4Proto::GRE if sport == 0 && dport != 0 => {
                write!(f, "{proto} {src} > {dst} call {dport}")
            }
            _ if (sport, dport) == (0, 0) => write!(f, "{proto} {src} > {dst}"),
            _ => write!(f, "{proto} {}:{sport} > {}:{dport}", Host(src), Host(dst)),
        }
    }
}

/// An expected tuple; what may be anything is `*`: `tcp 10.0.0.1:* > 10.0.0.2:4000`.
#[derive(Clone, Copy, Debug)]
pub struct Expecting<'a>(pub &'a Expected);

impl fmt::Display for Expecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Expected { tuple, mask } = self.0;
        write!(f, "{} ", tuple.proto)?;
        match mask.address {
            any if any.is_unspecified() => f.write_str("*")?,
            mask if is_host(mask) => write!(f, "{}", Host(tuple.src))?,
            mask => write!(f, "{}/{mask}", tuple.src)?,
        }
        match mask.port {
            0 => f.write_str(":*")?,
            _ => write!(f, ":{}", tuple.sport)?,
        }
        write!(f, " > {}:{}", Host(tuple.dst), tuple.dport)
    }
}

fn is_host(mask: IpAddr) -> bool {
    match mask {
        IpAddr::V4(mask) => mask.is_broadcast(),
        IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
    }
}

/// An address before a port.
struct Host(IpAddr);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_reads_well() {
        let host = |text: &str| text.parse::<IpAddr>().unwrap();
        let tcp = |src: Option<&str>, sport, dst| {
            Expecting(&Expected::new(src.map(host), sport, host(dst), 7, L4Proto::TCP)).to_string()
        };
        let rows = [
            (tcp(None, None, "10.0.0.2"), "tcp *:* > 10.0.0.2:7"),
            (tcp(Some("10.0.0.1"), Some(20), "10.0.0.2"), "tcp 10.0.0.1:20 > 10.0.0.2:7"),
            (tcp(Some("fd00::1"), None, "fd00::2"), "tcp [fd00::1]:* > [fd00::2]:7"),
        ];
        for (text, expected) in rows {
            assert_eq!(text, expected);
        }
        let mut network =
            Expected::new(Some(host("10.0.0.0")), None, host("10.0.0.2"), 7, L4Proto::UDP);
        network.mask.address = host("255.255.255.0");
        assert_eq!(Expecting(&network).to_string(), "udp 10.0.0.0/255.255.255.0:* > 10.0.0.2:7");
    }
}
