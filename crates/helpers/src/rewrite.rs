//! How a payload is written anew where its connection is translated.
//!
//! A helper says where an address and a port stand, and in which form; the port becomes known
//! when an expectation with it was free.

use kinwall_terms::expectation::Span;
use kinwall_terms::{ChildNat, Direction};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::IpAddr;

/// What becomes of a proposal when its master is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// The child comes from the side of this direction's receiver, and goes to its sender: each
    /// end sees of the other what it sees of it in the master.
    pub direction: Direction,
    /// The port that waits for the child: the one named in the payload, unless translation had
    /// changed that before.
    pub port: u16,
    /// Where the payload names what is expected. Nowhere: the port that is expected cannot be
    /// another one.
    pub named: Option<Named>,
    /// How the child is translated.
    pub nat: ChildNat,
    /// Where it is remembered what the port became.
    pub ledger: Option<Ledger>,
    /// Another address and port that become the same (of [`Form::Octets`]).
    pub also: Option<Span>,
}

impl Following {
    /// A child that follows its master, and is named where an end says where it waits.
    pub const fn master(direction: Direction, port: u16, named: Option<Named>) -> Following {
        let nat = ChildNat::Master;
        Following { direction, port, named, nat, ledger: None, also: None }
    }
}

/// Where a payload names an address and a port, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which bytes.
    pub span: Span,
    /// In which form.
    pub form: Form,
}

/// A form in which protocols write an address and a port, or one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `10,1,0,2,4,1`: PORT and 227 of FTP (RFC 959). Of an IPv6 address the first four bytes,
    /// which is the kernel's behaviour.
    Numbers,
    /// `|1|10.1.0.2|1025|` or `|2|fd00::2|1025|`: EPRT of FTP (RFC 2428).
    Extended,
    /// `|||1025|`: 229 of FTP (RFC 2428).
    ExtendedPort,
    /// `167837698 1025`: DCC of IRC.
    Integer,
    /// `1025`.
    Port,
    /// An IPv4 address in four bytes and a port in two (H.323).
    Octets,
    /// The same with the port behind: of a pair, the odd one.
    NextOctets,
    /// `10.1.0.2:1025` or `[fd00::2]:1025` (SIP); written only where it becomes another one.
    Endpoint,
    /// `1024`, the first one of a pair (SDP); written only where it becomes another one.
    MediaPort,
}

impl Form {
    /// Adds address and port to `text`.
    pub fn write(self, address: IpAddr, port: u16, text: &mut Vec<u8>) {
        // Writing to a vector does not fail.
        let _ = match (self, address) {
            (Form::Numbers, address) => {
                let [a, b, c, d] = first_octets(address);
                let [high, low] = port.to_be_bytes();
                write!(text, "{a},{b},{c},{d},{high},{low}")
            }
            (Form::Extended, IpAddr::V4(address)) => write!(text, "|1|{address}|{port}|"),
            (Form::Extended, IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h] = address.segments();
                // In full, as Linux writes it.
                write!(
                    text,
                    "|2|{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}|{port}|"
                )
            }
            (Form::ExtendedPort, _) => write!(text, "|||{port}|"),
            (Form::Integer, address) => {
                write!(text, "{} {port}", u32::from_be_bytes(first_octets(address)))
            }
            (Form::Port | Form::MediaPort, _) => write!(text, "{port}"),
            (Form::Endpoint, IpAddr::V4(address)) => write!(text, "{address}:{port}"),
            (Form::Endpoint, IpAddr::V6(address)) => write!(text, "[{address}]:{port}"),
            (Form::Octets | Form::NextOctets, address) => {
                let port = port.wrapping_add(u16::from(self == Form::NextOctets));
                text.extend(first_octets(address));
                text.extend(port.to_be_bytes());
                Ok(())
            }
        };
    }

    /// Whether `new` is written where `old` was announced.
    pub fn is_written(self, old: (IpAddr, u16), new: (IpAddr, u16)) -> bool {
        match self {
            Form::Endpoint => old != new,
            Form::MediaPort => old.1 != new.1,
            _ => true,
        }
    }
}

/// Which list of [`Ports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// The port at which calls, or their control connections, are taken: one for either end.
    Signalling,
    /// Even ports of media; four pairs.
    Media,
}

/// Ports that the messages of a connection have named, and what they became: the same port gets
/// the same name again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ports {
    /// By the end that named it, and for the other end what that became; 0: none.
    signalling: [u16; 2],
    /// The same, in the order in which they were named.
    media: Option<Box<[[u16; 2]; MEDIA_MAX_COUNT]>>,
}

/// Pairs of ports for media that are remembered (the kernel's behaviour).
const MEDIA_MAX_COUNT: usize = 4;

impl Ports {
    /// The port at which `end` takes calls: its own, or what the other end's became.
    pub fn signalling(&self, end: Direction) -> u16 {
        self.signalling[end.index()]
    }

    /// Notes where `end` takes calls.
    pub fn set_signalling(&mut self, end: Direction, port: u16) {
        self.signalling[end.index()] = port;
    }

    /// Nobody takes calls.
    pub fn forget_signalling(&mut self) {
        self.signalling = [0; 2];
    }

    /// The port to try first for `port` that `sender` has named; `None` when no more are
    /// remembered. For media that is always `port` itself (the kernel's behaviour).
    pub fn first(&self, ledger: Ledger, sender: Direction, port: u16) -> Option<u16> {
        match ledger {
            Ledger::Signalling if self.signalling(sender) == port => {
                Some(self.signalling(sender.opposite()))
            }
            Ledger::Signalling => Some(port),
            Ledger::Media => {
                let Some(media) = &self.media else { return Some(port) };
                place(media, sender, port).map(|_| port)
            }
        }
    }

    /// Remembers what `port` became.
    pub fn keep(&mut self, ledger: Ledger, sender: Direction, port: u16, became: u16) {
        let place = match ledger {
            Ledger::Signalling => &mut self.signalling,
            Ledger::Media => {
                let media = self.media.get_or_insert_default();
                let Some(at) = place(media, sender, port) else { return };
                &mut media[at]
            }
        };
        place[sender.index()] = port;
        place[sender.opposite().index()] = became;
    }

    /// What `port` of media became, which `sender` has named before.
    pub fn media(&self, sender: Direction, port: u16) -> Option<u16> {
        let mut known = self.media.iter().flat_map(|media| media.iter());
        known.find(|pair| pair[sender.index()] == port).map(|pair| pair[sender.opposite().index()])
    }
}

/// The place of a port of media: its own, or the first that is free.
fn place(media: &[[u16; 2]; MEDIA_MAX_COUNT], sender: Direction, port: u16) -> Option<usize> {
    media.iter().position(|pair| [0, port].contains(&pair[sender.index()]))
}

fn first_octets(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.octets();
            [a, b, c, d]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let rows = [
            (Form::Numbers, "10.1.0.2", "10,1,0,2,4,1"),
            (Form::Extended, "10.1.0.2", "|1|10.1.0.2|1025|"),
            (Form::Extended, "fd00::2", "|2|fd00:0000:0000:0000:0000:0000:0000:0002|1025|"),
            (Form::ExtendedPort, "fd00::2", "|||1025|"),
            (Form::Integer, "10.1.0.2", "167837698 1025"),
            (Form::Port, "10.1.0.2", "1025"),
            (Form::Octets, "65.66.67.68", "ABCD\x04\x01"),
            (Form::NextOctets, "65.66.67.68", "ABCD\x04\x02"),
            (Form::Endpoint, "10.1.0.2", "10.1.0.2:1025"),
            (Form::Endpoint, "fd00::2", "[fd00::2]:1025"),
            (Form::MediaPort, "10.1.0.2", "1025"),
        ];
        for (form, address, expected) in rows {
            let mut text = Vec::new();
            form.write(address.parse().unwrap(), 1025, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected, "{form:?}");
        }
    }
}
