//! Scanners over the network: a control connection, and one that fetches each image.

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;

/// A client that looks for scanners, opens one and scans.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (client, server) = pair(random, world);
    let ports = [random.between(1024, 65535) as u16, 6566];
    let mut talk = Conversation::new(random, [client, server], ports);
    talk.handshake(script);
    if random.percent(85) {
        talk.say(script, 0, &words(&[0, 0x0101_0003, 0]));
        talk.say(script, 1, &words(&[0, 0x0101_0003]));
        talk.say(script, 0, b"\0\0\0\x02\0\0\0\x07test:0\0");
        talk.say(script, 1, &words(&[0, 0, 0]));
    }
    for _ in 0..1 + random.below(3) {
        let port =
            if random.percent(8) { random.port() } else { random.between(1024, 65535) as u16 };
        start(random, script, &mut talk, port);
        if random.percent(75) {
            image(random, world, script, [client, server], port);
        }
        talk.say(script, 0, &words(&[8, 0]));
        talk.say(script, 1, &words(&[0]));
    }
    if random.percent(60) {
        talk.say(script, 0, &words(&[10]));
        talk.close(script, 0);
    }
}

/// The request for a scan and its reply, said rightly and wrongly.
fn start(random: &mut Random, script: &mut Script, talk: &mut Conversation, port: u16) {
    let mut request = words(&[7, 0]);
    match random.below(12) {
        0 => request.push(0),
        1 => request = words(&[6, 0]),
        2 => request.truncate(4),
        _ => {}
    }
    talk.say_split(random, script, 0, &request);
    if random.percent(8) {
        talk.say(script, 0, &words(&[random.below(11) as u32, 0]));
    }
    if random.percent(8) {
        talk.say(script, 0, b"something else");
    }
    let status = if random.percent(8) { 3 } else { 0 };
    let high = if random.percent(6) { 1 << 16 } else { 0 };
    let port = if random.percent(5) { 0 } else { u32::from(port) };
    let mut reply = words(&[status, high | port, 0x1234, 0]);
    if random.percent(12) {
        reply.truncate(random.below(reply.len()));
    }
    talk.say_split(random, script, 1, &reply);
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The client fetches the image, or somebody else tries to.
fn image(random: &mut Random, world: &World, script: &mut Script, ends: [End; 2], port: u16) {
    let [mut from, to] = ends;
    if random.percent(10) {
        let other = world.host(random, to.family());
        from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
    }
    let ports = [random.between(1024, 65535) as u16, port];
    let mut data = Conversation::new(random, [from, to], ports);
    data.handshake(script);
    data.say(script, 1, b"an image");
    data.close(script, 1);
}
