//! H.245: messages, and channels within other messages.

use super::bits::{Bits, encoded, extended};
use crate::random::Random;
use std::net::{IpAddr, SocketAddr};

/// What an OpenLogicalChannel says.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// Its number.
    pub number: u16,
    /// What it carries.
    pub data: Data,
    /// `mediaChannel` of the forward parameters.
    pub media: Option<SocketAddr>,
    /// `mediaControlChannel` of the forward parameters.
    pub control: Option<SocketAddr>,
    /// The same of the reverse parameters.
    pub reverse: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    /// `separateStack`.
    pub stack: Option<SocketAddr>,
}

/// What an OpenLogicalChannelAck says.
#[derive(Clone, Debug, Default)]
pub struct Ack {
    /// The number of the channel.
    pub number: u16,
    /// `mediaChannel` and `mediaControlChannel` of the forward parameters.
    pub forward: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    /// The same of the reverse parameters.
    pub reverse: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    /// `separateStack`.
    pub stack: Option<SocketAddr>,
}

/// What a channel carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Data {
    /// Any codec.
    #[default]
    Audio,
    /// Any codec.
    Video,
    /// T.120 over a connection of its own.
    T120,
    /// T.120 over something else, or another application.
    OtherData,
    /// Nothing.
    Null,
}

/// An OpenLogicalChannel as a message.
pub fn open(random: &mut Random, channel: &Open) -> Vec<u8> {
    encoded(|bits| {
        bits.plain(0, 4).plain(3, 11);
        open_channel(random, bits, channel);
    })
}

/// An OpenLogicalChannelAck as a message.
pub fn ack(random: &mut Random, channel: &Ack) -> Vec<u8> {
    encoded(|bits| {
        bits.plain(1, 4).plain(5, 19);
        ack_channel(random, bits, channel);
    })
}

/// A message that announces nothing.
pub fn other_message(random: &mut Random) -> Vec<u8> {
    encoded(|bits| match random.below(6) {
        // masterSlaveDetermination: a terminal, and a number of 24 bits.
        0 => {
            bits.plain(0, 4).plain(1, 11).flag(false);
            bits.align().bits(50, 8).bits(2, 2).octets(&[1, 2, 3]);
        }
        // masterSlaveDeterminationAck: slave.
        1 => {
            bits.plain(1, 4).plain(1, 19).flag(false).index(1, 2);
        }
        // terminalCapabilitySet without any capability.
        2 => {
            bits.plain(0, 4).plain(2, 11).head(Some(false), &[false, false, false]);
            bits.octets(&[1]).oid(&[0x00, 0x08, 0x81, 0x75, 0x00, 0x07]);
        }
        // terminalCapabilitySetAck
        3 => {
            bits.plain(1, 4).plain(3, 19).flag(false).octets(&[1]);
        }
        // closeLogicalChannel: its user closes it.
        4 => {
            bits.plain(0, 4).plain(4, 11).flag(false).two(100).index(0, 2);
        }
        // roundTripDelayRequest
        _ => {
            bits.plain(0, 4).plain(9, 11).flag(false).octets(&[9]);
        }
    })
}

/// An OpenLogicalChannel as an element of fast start: the structure alone.
pub fn fast_start(random: &mut Random, channel: &Open) -> Vec<u8> {
    encoded(|bits| open_channel(random, bits, channel))
}

fn open_channel(random: &mut Random, bits: &mut Bits, channel: &Open) {
    let stack = channel.stack.map(|address| network_access(random, address));
    let additions = [stack];
    bits.head(extended(&additions), &[channel.reverse.is_some()]);
    bits.two(channel.number.wrapping_sub(1));
    let port = random.percent(10);
    bits.head(Some(false), &[port]);
    if port {
        bits.two(5);
    }
    data(random, bits, channel.data);
    if channel.data == Data::OtherData && random.percent(20) {
        // Parameters of other networks: H.223, without sequence numbers.
        bits.plain(1, 3).flag(false).plain(3, 6).flag(true);
    } else {
        let rtp = encoded(|bits| rtp(random, bits, channel.media, channel.control));
        bits.other(0, &rtp);
    }
    if let Some((media, control)) = channel.reverse {
        let multiplex = random.percent(90) || media.is_some() || control.is_some();
        bits.head(Some(false), &[multiplex]);
        data(random, bits, channel.data);
        if multiplex {
            let rtp = encoded(|bits| rtp(random, bits, media, control));
            bits.other(0, &rtp);
        }
    }
    bits.additions(&additions);
}

fn ack_channel(random: &mut Random, bits: &mut Bits, channel: &Ack) {
    let stack = channel.stack.map(|address| network_access(random, address));
    let forward = channel.forward.map(|(media, control)| {
        encoded(|bits| {
            bits.plain(0, 1);
            let there =
                [random.percent(5), random.percent(70), media.is_some(), control.is_some(), false];
            bits.head(Some(false), &there);
            if there[0] {
                bits.length(1);
                non_standard(random, bits);
            }
            if there[1] {
                bits.bits(0, 8);
            }
            media.iter().chain(&control).for_each(|at| address(bits, *at));
        })
    });
    let additions = [stack, forward];
    bits.head(extended(&additions), &[channel.reverse.is_some()]);
    bits.two(channel.number.wrapping_sub(1));
    if let Some((media, control)) = channel.reverse {
        let port = random.percent(10);
        bits.head(Some(false), &[port, true]).two(0);
        if port {
            bits.two(7);
        }
        let rtp = encoded(|bits| rtp(random, bits, media, control));
        bits.other(0, &rtp);
    }
    bits.additions(&additions);
}

/// H2250LogicalChannelParameters.
fn rtp(
    random: &mut Random,
    bits: &mut Bits,
    media: Option<SocketAddr>,
    control: Option<SocketAddr>,
) {
    let mut odd = |percent| random.percent(percent);
    let there = [
        odd(5),
        odd(10),
        media.is_some(),
        odd(20),
        control.is_some(),
        odd(20),
        odd(30),
        false,
        odd(20),
        false,
    ];
    bits.head(Some(false), &there);
    if there[0] {
        bits.length(1);
        non_standard(random, bits);
    }
    bits.octets(&[random.between(0, 3) as u8]);
    if there[1] {
        bits.bits(1, 8);
    }
    media.iter().for_each(|at| address(bits, *at));
    if there[3] {
        bits.flag(false);
    }
    control.iter().for_each(|at| address(bits, *at));
    if there[5] {
        bits.flag(false);
    }
    if there[6] {
        bits.flag(true);
    }
    if there[8] {
        bits.bits(5, 5);
    }
}

/// TransportAddress of H.245.
fn address(bits: &mut Bits, address: SocketAddr) {
    bits.plain(0, 2);
    match address.ip() {
        IpAddr::V4(ip) => bits.plain(0, 5).flag(false).octets(&ip.octets()),
        IpAddr::V6(ip) => bits.plain(2, 5).flag(false).octets(&ip.octets()),
    };
    bits.two(address.port());
}

fn network_access(random: &mut Random, to: SocketAddr) -> Vec<u8> {
    encoded(|bits| {
        let (distribution, reference) = (random.percent(50), random.percent(30));
        bits.head(Some(false), &[distribution, reference]);
        if distribution {
            bits.plain(0, 2);
        }
        bits.plain(2, 3);
        address(bits, to);
        bits.flag(false);
        if reference {
            bits.bits(3, 8).octets(b"conf");
        }
    })
}

/// NonStandardParameter of H.245.
fn non_standard(random: &mut Random, bits: &mut Bits) {
    if random.percent(50) {
        bits.index(0, 2).oid(&[0x2a, 0x86, 0x48]);
    } else {
        bits.index(1, 2).octets(&[0xb5, 0]).two(0x534c);
    }
    bits.open(b"more");
}

/// DataType.
fn data(random: &mut Random, bits: &mut Bits, data: Data) {
    match data {
        Data::Null => {
            bits.plain(1, 6);
        }
        Data::Audio => {
            bits.plain(3, 6);
            audio(random, bits);
        }
        Data::Video => {
            bits.plain(2, 6);
            video(random, bits);
        }
        Data::T120 => {
            bits.plain(4, 6).flag(false).plain(1, 10).other(3, &[0]).long(6400);
        }
        Data::OtherData => {
            bits.plain(4, 6).flag(false);
            match random.below(3) {
                // t120 over something that is no separate stack.
                0 => bits.plain(1, 10).plain(6, 7),
                // h224 by HDLC frame tunnelling.
                1 => bits.plain(6, 10).plain(3, 7),
                // t38fax, an addition.
                _ => bits.other(2, &[0x90, 0x00]),
            };
            bits.long(144);
        }
    }
}

fn audio(random: &mut Random, bits: &mut Bits) {
    match random.below(6) {
        0 => bits.plain(1, 14).octets(&[19]),
        1 => bits.plain(3, 14).octets(&[29]),
        2 => bits.plain(8, 14).octets(&[0]).flag(true),
        3 => bits.plain(10, 14).octets(&[1]),
        4 => {
            bits.plain(0, 14);
            non_standard(random, bits);
            bits
        }
        // g729AnnexAwAnnexB, an addition: INTEGER (1..256).
        _ => bits.other(1, &[1]),
    };
}

fn video(random: &mut Random, bits: &mut Bits) {
    match random.below(4) {
        0 => {
            let cif = random.percent(50);
            bits.plain(1, 5).head(Some(false), &[true, cif]).bits(0, 2);
            if cif {
                bits.bits(1, 2);
            }
            bits.flag(false).two(621).flag(false);
        }
        1 => {
            let there = [false, true, true, false, false, random.percent(20), random.percent(20)];
            bits.plain(3, 5).head(Some(false), &there).bits(0, 5).bits(1, 5).long(3269);
            bits.bits(0, 5);
            if there[5] {
                bits.long(524_287);
            }
            if there[6] {
                bits.two(64);
            }
        }
        2 => {
            bits.plain(2, 5).head(Some(false), &[false, true, false, false, true, false]);
            bits.bits(2, 11).long(80_000).bits(3, 4);
        }
        // genericVideoCapability, an addition: H.264 by its identifier.
        _ => {
            let generic = encoded(|bits| {
                bits.head(Some(false), &[true, false, false, false, false]);
                bits.plain(0, 4).oid(&[0x00, 0x08, 0x81, 0x71, 0x00, 0x00, 0x01]).long(3200);
            });
            bits.other(0, &generic);
        }
    }
}
