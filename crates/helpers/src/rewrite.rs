//! How a payload is written anew where its connection is translated.
//!
//! A helper says where an address and a port stand, and in which form; the port becomes known
//! when an expectation with it was free.

use kinwall_terms::expectation::Span;
use kinwall_terms::{ChildNat, Direction};
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
    /// What else there is to say of the child.
    pub nat: ChildNat,
}

impl Following {
    /// A child that follows its master, and is named where an end says where it waits.
    pub const fn master(direction: Direction, port: u16, named: Option<Named>) -> Following {
        Following { direction, port, named, nat: ChildNat::Master }
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
            (Form::Port, _) => write!(text, "{port}"),
        };
    }
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
        ];
        for (form, address, expected) in rows {
            let mut text = Vec::new();
            form.write(address.parse().unwrap(), 1025, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected, "{form:?}");
        }
    }
}
