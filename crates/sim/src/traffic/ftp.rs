//! FTP sessions: the four ways to announce a data connection, said rightly and wrongly.

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use std::net::IpAddr;

/// A data connection that somebody has announced.
struct Announced {
    /// Who waits for it: 0 the client, 1 the server.
    listener: usize,
    port: u16,
}

/// A session with some transfers.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (client, server) = pair(random, world);
    let port = random.pick(&[21, 21, 21, 2121]);
    let ports = [random.between(1024, 65535) as u16, port];
    let mut talk = Conversation::new(random, [client, server], ports);
    talk.handshake(script);
    if random.percent(90) {
        talk.say(script, 1, b"220 ready\r\n");
        talk.say(script, 0, b"USER anonymous\r\n");
        talk.say(script, 1, b"331 password please\r\n");
        talk.say(script, 0, b"PASS x@y\r\n");
        talk.say(script, 1, b"230 welcome\r\n");
    }
    for _ in 0..1 + random.below(3) {
        let announced = announce(random, world, script, &mut talk);
        if random.percent(85) {
            transfer(random, world, script, &talk, &announced);
        }
        if random.percent(60) {
            talk.say(script, 1, b"226 done\r\n");
        }
    }
    if random.percent(70) {
        talk.say(script, 0, b"QUIT\r\n");
        talk.close(script, 1);
    }
}

fn announce(
    random: &mut Random,
    world: &World,
    script: &mut Script,
    talk: &mut Conversation,
) -> Announced {
    let port = match random.below(12) {
        0 => 0,
        1 => random.between(1, 1023) as u16,
        _ => random.between(1024, 65535) as u16,
    };
    let passive = random.percent(50);
    let listener = usize::from(passive);
    // Sometimes another host is named: it must not be believed.
    let address = if random.percent(12) {
        world.host(random, talk.ends[0].family()).address
    } else {
        talk.ends[listener].address
    };
    let line = match (passive, extended(random, address)) {
        (false, false) => format!("PORT {}\r\n", numbers(random, address, port)),
        (false, true) => format!("EPRT {}\r\n", delimited(random, address, port)),
        (true, false) => {
            let numbers = numbers(random, address, port);
            let text = random.pick(&[
                "227 Entering Passive Mode (#).\r\n",
                "227 Entering Passive Mode (#)\r\n",
                "227 =#\r\n",
                "227 #\r\n",
                "227 mode 2 (#)\r\n",
            ]);
            text.replace('#', &numbers)
        }
        (true, true) => format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"),
    };
    if passive {
        talk.say(script, 0, if line.starts_with("229") { b"EPSV\r\n" } else { b"PASV\r\n" });
    }
    let line = spoiled(random, line);
    talk.say_split(random, script, listener, line.as_bytes());
    if !passive {
        talk.say(script, 1, b"200 fine\r\n");
    }
    Announced { listener, port }
}

/// The extended forms for IPv6 always, for IPv4 sometimes.
fn extended(random: &mut Random, address: IpAddr) -> bool {
    if address.is_ipv6() { random.percent(90) } else { random.percent(35) }
}

/// Six comma numbers; for IPv6 ones that cannot be right.
fn numbers(random: &mut Random, address: IpAddr, port: u16) -> String {
    let [a, b, c, d] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [10, 1, 0, 5],
    };
    let [high, low] = port.to_be_bytes();
    match random.below(12) {
        0 => format!("{a},{b},{c},{d},{high},{}", u32::from(low) + 256),
        1 => format!("{a},{b},{c},{d},{high}"),
        2 => format!("0{a},{b},{c},{d},{high},{low}"),
        _ => format!("{a},{b},{c},{d},{high},{low}"),
    }
}

fn delimited(random: &mut Random, address: IpAddr, port: u16) -> String {
    let family = if address.is_ipv4() { 1 } else { 2 };
    let family = if random.percent(8) { 3 - family } else { family };
    let d = random.pick(&["|", "|", "!", "1", " "]);
    let port = if random.percent(5) { u32::from(port) + 65536 } else { u32::from(port) };
    format!("{d}{family}{d}{address}{d}{port}{d}")
}

/// A line as somebody careless, or somebody bad, might write it.
fn spoiled(random: &mut Random, line: String) -> String {
    match random.below(16) {
        0 => line.to_lowercase(),
        1 => line.replace("\r\n", "\n"),
        2 => line.replace("\r\n", "\r"),
        3 => line.replacen(' ', "  ", 1),
        4 => format!("NOOP\r\n{line}"),
        5 => format!("{line}NOOP\r\n"),
        6 => {
            let length = 1 + random.below(line.len());
            line.chars().take(length).collect()
        }
        _ => line,
    }
}

/// The data connection, to the announced port or beside it, from the right host or another.
fn transfer(
    random: &mut Random,
    world: &World,
    script: &mut Script,
    talk: &Conversation,
    announced: &Announced,
) {
    let to = talk.ends[announced.listener];
    let mut from = talk.ends[1 - announced.listener];
    if random.percent(10) {
        let other = world.host(random, to.family());
        from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
    }
    let port = if random.percent(8) { announced.port.wrapping_add(1) } else { announced.port };
    let sport = if announced.listener == 0 && random.percent(70) {
        20
    } else {
        random.between(1024, 65535) as u16
    };
    let mut data = Conversation::new(random, [from, to], [sport, port]);
    data.handshake(script);
    let sender = random.below(2);
    for _ in 0..random.below(3) {
        data.say(script, sender, b"contents of a file");
    }
    data.close(script, sender);
}
