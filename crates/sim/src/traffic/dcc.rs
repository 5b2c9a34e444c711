//! IRC sessions with DCC offers, said rightly and wrongly.

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use std::net::IpAddr;

/// A client that chats and offers.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (client, server) = pair(random, world);
    let ports = [random.between(1024, 65535) as u16, 6667];
    let mut talk = Conversation::new(random, [client, server], ports);
    talk.handshake(script);
    talk.say(script, 0, b"NICK me\r\nUSER me 0 * :me\r\n");
    talk.say(script, 1, b":irc 001 me :welcome\r\n");
    let offers_max = if random.percent(10) { 12 } else { 3 };
    for _ in 0..1 + random.below(offers_max) {
        let port =
            if random.percent(10) { random.port() } else { random.between(1024, 65535) as u16 };
        let offer = offer(random, client.address, port);
        let from = usize::from(random.percent(8));
        talk.say_split(random, script, from, offer.as_bytes());
        if random.percent(70) {
            answer(random, world, script, client, port);
        }
    }
    if random.percent(60) {
        talk.say(script, 0, b"QUIT :bye\r\n");
        talk.close(script, 1);
    }
}

fn offer(random: &mut Random, address: IpAddr, port: u16) -> String {
    let number = match address {
        IpAddr::V4(address) if random.percent(92) => address.to_bits(),
        _ => random.bits() as u32,
    };
    let port = if random.percent(5) { u32::from(port) + 65536 } else { u32::from(port) };
    let kind = random.pick(&["SEND", "SEND", "CHAT", "MOVE", "TSEND", "SCHAT", "RESUME", "send"]);
    let name = random.pick(&["file.txt", "chat", "\"two words\"", "f"]);
    let command = random.pick(&["PRIVMSG", "PRIVMSG", "PRIVMSG", "privmsg", "NOTICE"]);
    let before = random.pick(&["", "", "", "\r\n", "  ", "PING x\r\n"]);
    let end = random.pick(&["\x01\r\n", "\x01\r\n", "\x01\n", "\x01", "\r\n"]);
    let size = random.pick(&[" 12345", "", " 1"]);
    format!("{before}{command} you :\x01DCC {kind} {name} {number} {port}{size}{end}")
}

/// Somebody takes the offer: anybody may.
fn answer(random: &mut Random, world: &World, script: &mut Script, to: End, port: u16) {
    let other = world.host(random, to.family());
    let from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
    let ports = [random.between(1024, 65535) as u16, port];
    let mut data = Conversation::new(random, [from, to], ports);
    data.handshake(script);
    data.say(script, 1, b"hello");
    if random.percent(60) {
        data.close(script, 0);
    }
}
