//! The fields of a packet that most rules compare, as plain numbers.

use crate::facts::Facts;
use crate::matches::tcp::port_fields;
use kinwall_terms::{CtState, InterfaceName};
use kinwall_wire::Headers;
use std::net::IpAddr;

/// What most rules compare of a packet, as plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Addresses are aligned to the left.
    pub(crate) src: u128,
    pub(crate) dst: u128,
    /// Zero where there is no interface.
    pub(crate) in_iface: u128,
    pub(crate) out_iface: u128,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) proto: u8,
    /// The number of the ct state.
    pub(crate) state: u8,
    pub(crate) has_sport: bool,
    pub(crate) has_dport: bool,
    /// Whether the transport header is not there as a whole; ports may be, even so.
    pub(crate) is_cut: bool,
    pub(crate) is_later_fragment: bool,
}

impl Key {
    /// The fields of a packet that has not been tracked, and of no interface.
    #[inline]
    pub fn new(headers: &Headers, bytes: &[u8]) -> Key {
        let whole = headers.ports();
        let [sport, dport] = match whole {
            Some((sport, dport)) => [Some(sport), Some(dport)],
            None => port_fields(headers, bytes),
        };
        Key {
            src: left_aligned(headers.src),
            dst: left_aligned(headers.dst),
            in_iface: 0,
            out_iface: 0,
            sport: sport.unwrap_or(0),
            dport: dport.unwrap_or(0),
            proto: headers.proto.0,
            state: CtState::Invalid as u8,
            has_sport: sport.is_some(),
            has_dport: dport.is_some(),
            is_cut: whole.is_none(),
            is_later_fragment: headers.is_later_fragment(),
        }
    }

    /// The same at a hook where these interfaces may be asked for.
    #[inline]
    pub fn at(mut self, input: Option<&InterfaceName>, output: Option<&InterfaceName>) -> Key {
        self.in_iface = name_key(input);
        self.out_iface = name_key(output);
        self
    }

    /// The same after tracking.
    #[inline]
    pub fn tracked(mut self, state: CtState) -> Key {
        self.state = state as u8;
        self
    }

    /// The same of what is known of a packet.
    pub(crate) fn of(facts: &Facts<'_>) -> Key {
        Key::new(facts.headers, facts.bytes)
            .at(facts.in_iface.as_ref(), facts.out_iface.as_ref())
            .tracked(facts.ct_state)
    }
}

#[inline]
pub(crate) fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[inline]
pub(crate) fn name_key(name: Option<&InterfaceName>) -> u128 {
    name.map_or(0, |name| u128::from_be_bytes(*name.bytes()))
}
