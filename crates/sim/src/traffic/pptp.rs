//! PPTP: control connections that set up calls, and the GRE of the calls, said rightly and
//! wrongly.

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Gre, Packet};
use kinwall_wire::tcp::TcpFlags;

/// Kinds of messages (RFC 2637, section 2), and how long each is.
const START_REQUEST: u8 = 1;
const START_REPLY: u8 = 2;
const STOP_REQUEST: u8 = 3;
const STOP_REPLY: u8 = 4;
const ECHO_REQUEST: u8 = 5;
const OUTGOING_REQUEST: u8 = 7;
const OUTGOING_REPLY: u8 = 8;
const INCOMING_REQUEST: u8 = 9;
const INCOMING_REPLY: u8 = 10;
const INCOMING_CONNECTED: u8 = 11;
const CLEAR_REQUEST: u8 = 12;
const DISCONNECT_NOTIFY: u8 = 13;
const WAN_ERROR_NOTIFY: u8 = 14;
const SET_LINK_INFO: u8 = 15;
const LENGTHS: [u8; 17] = [12, 156, 156, 16, 16, 16, 20, 168, 32, 220, 24, 28, 16, 148, 40, 24, 12];

/// The ids of a call.
#[derive(Clone, Copy)]
struct Call {
    pns: u16,
    pac: u16,
}

/// A control connection with some calls.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (client, server) = pair(random, world);
    let port = random.pick(&[1723, 1723, 1723, 1723, 1724]);
    let ports = [random.between(1024, 65535) as u16, port];
    let mut talk = Conversation::new(random, [client, server], ports);
    talk.handshake(script);
    if random.percent(93) {
        say(random, script, &mut talk, 0, START_REQUEST, &[1, 0]);
        let result = if random.percent(95) { 1 } else { 5 };
        say(random, script, &mut talk, 1, START_REPLY, &[1, 0, result]);
    }
    if random.percent(15) {
        tunnel(random, script, &talk);
    }
    let mut calls = Vec::new();
    for _ in 0..random.below(4) {
        let call = Call { pns: id(random), pac: id(random) };
        if random.percent(65) {
            outgoing(random, script, &mut talk, call);
        } else {
            incoming(random, script, &mut talk, call);
        }
        calls.push(call);
        for _ in 0..random.below(5) {
            let call = random.pick(&calls);
            data(random, world, script, &talk, call);
        }
        if random.percent(50) {
            aside(random, script, &mut talk, &calls);
        }
        if random.percent(55) {
            let call = random.pick(&calls);
            end(random, script, &mut talk, call);
        }
        if random.percent(40) {
            let call = random.pick(&calls);
            data(random, world, script, &talk, call);
        }
    }
    if random.percent(30) {
        let from = usize::from(random.percent(20));
        say(random, script, &mut talk, from, STOP_REQUEST, &[1]);
        say(random, script, &mut talk, 1 - from, STOP_REPLY, &[1]);
    }
    match random.below(5) {
        0 => talk.send(script, 0, TcpFlags::RST, &[]),
        1 => {}
        _ => talk.close(script, random.below(2)),
    }
    if random.percent(30) {
        // The old control connection ends here, and takes its calls with it.
        talk.open_again(random, script);
    }
    for call in calls.iter().filter(|_| random.percent(40)).copied().collect::<Vec<_>>() {
        data(random, world, script, &talk, call);
    }
}

/// Call ids are few, so that calls of several control connections meet.
fn id(random: &mut Random) -> u16 {
    match random.below(4) {
        0 => random.bits() as u16,
        _ => random.below(3) as u16,
    }
}

/// The right id nearly always.
fn nearly(random: &mut Random, id: u16) -> u16 {
    if random.percent(6) { id.wrapping_add(1) } else { id }
}

fn outgoing(random: &mut Random, script: &mut Script, talk: &mut Conversation, call: Call) {
    if random.percent(95) {
        say(random, script, talk, 0, OUTGOING_REQUEST, &call.pns.to_be_bytes());
    }
    let result = if random.percent(90) { 1 } else { random.below(8) as u8 };
    let pns = nearly(random, call.pns);
    say(random, script, talk, 1, OUTGOING_REPLY, &answer(call.pac, pns, result));
    if random.percent(10) {
        // Once more, perhaps under another id.
        let pac = nearly(random, call.pac);
        say(random, script, talk, 1, OUTGOING_REPLY, &answer(pac, call.pns, 1));
    }
}

fn incoming(random: &mut Random, script: &mut Script, talk: &mut Conversation, call: Call) {
    if random.percent(95) {
        say(random, script, talk, 1, INCOMING_REQUEST, &call.pac.to_be_bytes());
    }
    let result = if random.percent(90) { 1 } else { random.below(5) as u8 };
    let pac = nearly(random, call.pac);
    say(random, script, talk, 0, INCOMING_REPLY, &answer(call.pns, pac, result));
    let pns = nearly(random, call.pns);
    for _ in 0..1 + usize::from(random.percent(8)) {
        say(random, script, talk, 1, INCOMING_CONNECTED, &pns.to_be_bytes());
    }
}

fn answer(own: u16, peer: u16, result: u8) -> [u8; 5] {
    let ([a, b], [c, d]) = (own.to_be_bytes(), peer.to_be_bytes());
    [a, b, c, d, result]
}

/// What announces nothing, or does not exist, or comes from the wrong end.
fn aside(random: &mut Random, script: &mut Script, talk: &mut Conversation, calls: &[Call]) {
    let kind = random.pick(&[ECHO_REQUEST, WAN_ERROR_NOTIFY, SET_LINK_INFO, CLEAR_REQUEST]);
    let kind = if random.percent(20) { random.below(17) as u8 } else { kind };
    let from = random.below(2);
    let id = random.pick(calls).pns.to_be_bytes();
    say(random, script, talk, from, kind, &id);
}

fn end(random: &mut Random, script: &mut Script, talk: &mut Conversation, call: Call) {
    if random.percent(60) {
        let id = nearly(random, call.pns).to_be_bytes();
        say(random, script, talk, 0, CLEAR_REQUEST, &id);
    }
    let id = nearly(random, call.pac).to_be_bytes();
    say(random, script, talk, 1, DISCONNECT_NOTIFY, &id);
}

/// A message, mostly as it should be.
fn say(
    random: &mut Random,
    script: &mut Script,
    talk: &mut Conversation,
    from: usize,
    kind: u8,
    body: &[u8],
) {
    let length = LENGTHS[usize::from(kind)];
    let mut message = vec![0, length, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0];
    message.extend_from_slice(body);
    message.resize(length.into(), 0);
    match random.below(40) {
        0 => message.truncate(random.below(message.len())),
        1 => message.extend_from_slice(b"and more"),
        2 => {
            let at = random.below(12);
            message[at] ^= 1 << random.below(8);
        }
        // The length is nobody's business.
        3 => message[1] = random.byte(),
        _ => {}
    }
    if message.is_empty() {
        return;
    }
    talk.say_split(random, script, from, &message);
}

/// A packet of a call, from either end; sometimes from somebody else.
fn data(random: &mut Random, world: &World, script: &mut Script, talk: &Conversation, call: Call) {
    let from = random.below(2);
    let mut src = talk.ends[from];
    if random.percent(6) {
        let other = world.host(random, src.family());
        src = End { address: other.address, ingress: Ingress::Interface(other.interface) };
    }
    let receiver = if from == 0 { call.pac } else { call.pns };
    let header = Gre::pptp(nearly(random, receiver), random.below(9) as u32);
    let payload = vec![0x21; random.below(120)];
    let packet = Packet::new(src.address, talk.ends[1 - from].address, header).payload(payload);
    script.say(src, &packet);
}

/// A tunnel that has nothing to do with calls.
fn tunnel(random: &mut Random, script: &mut Script, talk: &Conversation) {
    for from in [0, 1, 0].into_iter().take(1 + random.below(3)) {
        let [src, dst] = [talk.ends[from], talk.ends[1 - from]];
        let packet = Packet::new(src.address, dst.address, Gre::new(0x0800)).payload(*b"inside");
        script.say(src, &packet);
    }
}
