//! Messages of H.323 that announce, with nothing in them that is not asked for: registration and
//! admission (H.225.0 RAS), call signalling (H.225.0 within Q.931) and channels (H.245).

use super::per::{Bits, encoded};
use std::net::{IpAddr, SocketAddr};

/// A channel that a message opens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Channel {
    /// RTP and RTCP to this address.
    Media(SocketAddr),
    /// T.120 over a connection of its own to this address.
    T120(SocketAddr),
}

/// What a message of a call announces.
#[derive(Clone, Copy, Debug)]
pub(super) enum Announced {
    /// Nothing.
    Nothing,
    /// Where H.245 is spoken.
    H245(SocketAddr),
    /// A channel, by fast start.
    Channel(Channel),
    /// The call goes on to there.
    Forwarded(SocketAddr),
}

/// A frame around a message (RFC 1006).
fn frame(message: &[u8]) -> Vec<u8> {
    let [high, low] = (message.len() as u16 + 4).to_be_bytes();
    [&[3, 0, high, low], message].concat()
}

/// A message of a call in its frame: Setup of the caller, CallProceeding of the called; a Facility
/// of either forwards.
pub(super) fn call(from_called: bool, announced: Announced) -> Vec<u8> {
    let kind = match announced {
        Announced::Forwarded(_) => 0x62,
        _ if from_called => 0x02,
        _ => 0x05,
    };
    let flag = if from_called { 0x80 } else { 0 };
    let mut message = vec![8, 2, flag, 1, kind];
    if kind == 0x05 {
        // The bearer: unrestricted audio.
        message.extend([0x04, 3, 0x88, 0x93, 0xa5]);
    }
    let information = encoded(|bits| {
        // No user data; the unit has additions, and no non-standard data.
        bits.flags(&[false, false, true, false]);
        body(bits, kind, announced);
        // h245Tunneling: no.
        bits.additions(&[None, Some(vec![0]), None]);
    });
    let [high, low] = (information.len() as u16 + 1).to_be_bytes();
    message.extend([0x7e, high, low, 5]);
    message.extend(information);
    frame(&message)
}

fn body(bits: &mut Bits, kind: u8, announced: Announced) {
    let h245 = match announced {
        Announced::H245(at) => Some(at),
        _ => None,
    };
    let fast_start = match announced {
        Announced::Channel(channel) => {
            let element = encoded(|bits| open_channel(bits, channel));
            Some(encoded(|bits| {
                bits.octets(&[1]).open(&element);
            }))
        }
        _ => None,
    };
    let identifier = Some(encoded(|bits| {
        bits.bits(0, 1).octets(&GUID);
    }));
    match kind {
        0x05 => {
            bits.plain(0, 7).flags(&[true, h245.is_some()]).flags(&[false; 6]);
            protocol(bits);
            h245.iter().for_each(|at| address(bits, *at));
            endpoint(bits);
            bits.bits(0, 1).octets(&GUID).plain(0, 3).plain(0, 4);
            bits.additions(&[None, None, identifier, None, None, None, fast_start]);
        }
        0x02 => {
            bits.plain(1, 7).flags(&[true, h245.is_some()]);
            protocol(bits);
            endpoint(bits);
            h245.iter().for_each(|at| address(bits, *at));
            bits.additions(&[identifier, None, None, None, fast_start]);
        }
        _ => {
            bits.plain(6, 7).flags(&[true, true, false, false]);
            protocol(bits);
            if let Announced::Forwarded(at) = announced {
                address(bits, at);
            }
            // The reason: callForwarded.
            bits.plain(1, 4).additions(&[identifier]);
        }
    }
}

/// OpenLogicalChannel of H.245 as a message in its frame.
pub(super) fn open(channel: Channel) -> Vec<u8> {
    frame(&encoded(|bits| {
        bits.plain(0, 4).plain(3, 11);
        open_channel(bits, channel);
    }))
}

fn open_channel(bits: &mut Bits, channel: Channel) {
    let stack = match channel {
        Channel::Media(_) => None,
        Channel::T120(at) => Some(encoded(|bits| {
            bits.flags(&[false; 3]).plain(2, 3);
            channel_address(bits, at);
            bits.bits(0, 1);
        })),
    };
    // No reverse parameters; channel 1, without a port of its own.
    bits.flags(&[stack.is_some(), false]).two(0).flags(&[false, false]);
    let media = match channel {
        Channel::Media(at) => {
            // Audio: g711Alaw64k, 20 ms.
            bits.plain(3, 6).plain(1, 14).octets(&[19]);
            Some(at)
        }
        Channel::T120(_) => {
            bits.plain(4, 6).bits(0, 1).plain(1, 10).other(3, &[0]).long(6400);
            None
        }
    };
    let parameters = encoded(|bits| {
        bits.flags(&[false, false, false, media.is_some()]).flags(&[false; 7]).octets(&[1]);
        media.iter().for_each(|at| channel_address(bits, *at));
    });
    bits.other(0, &parameters);
    if stack.is_some() {
        bits.additions(&[stack]);
    }
}

/// What a message of RAS asks or says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ras {
    /// RRQ: calls are taken there.
    Register(SocketAddr),
    /// RCF.
    Registered(SocketAddr),
    /// LRQ; answers go there.
    Locate(SocketAddr),
    /// LCF: the call goes there.
    Located(SocketAddr),
    /// GRQ; answers go there.
    Discover(SocketAddr),
    /// GCF: RAS is spoken there.
    Discovered(SocketAddr),
}

/// The message, of which `number` is the request's.
pub(super) fn ras(message: Ras, number: u16) -> Vec<u8> {
    encoded(|bits| match message {
        Ras::Register(at) => {
            bits.plain(3, 25).flags(&[false; 4]).two(number);
            protocol(bits);
            bits.bits(1, 1);
            for _ in 0..2 {
                bits.octets(&[1]);
                address(bits, at);
            }
            endpoint(bits);
            // The vendor, without a product.
            bits.flags(&[false; 4]).octets(&[0xb5, 0]).two(0);
        }
        Ras::Registered(at) => {
            bits.plain(4, 25).flags(&[false; 4]).two(number);
            protocol(bits);
            bits.octets(&[1]);
            address(bits, at);
            bits.bits(0, 7).octets(&[0, b'e']);
        }
        Ras::Locate(at) => {
            bits.plain(18, 25).flags(&[false; 3]).two(number);
            name(bits);
            address(bits, at);
        }
        Ras::Located(at) => {
            bits.plain(19, 25).flags(&[false; 2]).two(number);
            address(bits, at);
            address(bits, at);
        }
        Ras::Discover(at) => {
            bits.plain(0, 25).flags(&[false, false, false, false, true]).two(number);
            protocol(bits);
            address(bits, at);
            endpoint(bits);
            name(bits);
        }
        Ras::Discovered(at) => {
            bits.plain(1, 25).flags(&[false; 3]).two(number);
            protocol(bits);
            address(bits, at);
        }
    })
}

const GUID: [u8; 16] = [0x6b; 16];

/// One alias: an H.323 id of one letter.
fn name(bits: &mut Bits) {
    bits.octets(&[1]).plain(1, 2).octets(&[0, 0, b'a']);
}

/// The object identifier of H.225.0, version 4.
fn protocol(bits: &mut Bits) {
    bits.open(&[0x00, 0x08, 0x91, 0x4a, 0x00, 0x04]);
}

/// EndpointType: a terminal.
fn endpoint(bits: &mut Bits) {
    bits.flags(&[false, false, false, false, false, false, true]);
    bits.flags(&[false, false]).flags(&[false, false]);
}

/// TransportAddress of H.225.0.
fn address(bits: &mut Bits, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => bits.plain(0, 7).octets(&ip.octets()).two(address.port()),
        IpAddr::V6(ip) => bits.plain(3, 7).bits(0, 1).octets(&ip.octets()).two(address.port()),
    };
}

/// TransportAddress of H.245.
fn channel_address(bits: &mut Bits, address: SocketAddr) {
    bits.plain(0, 2);
    match address.ip() {
        IpAddr::V4(ip) => bits.plain(0, 5).bits(0, 1).octets(&ip.octets()),
        IpAddr::V6(ip) => bits.plain(2, 5).bits(0, 1).octets(&ip.octets()),
    };
    bits.two(address.port());
}
