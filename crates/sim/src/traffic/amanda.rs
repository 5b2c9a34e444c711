//! Backups by Amanda: a request by UDP, a reply that names ports, and the streams.

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Packet, Udp};

/// A backup server asks a machine for an estimate and for its streams.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (server, machine) = pair(random, world);
    let ports = [random.between(512, 1023) as u16, 10080];
    let mut talk = Talk { ends: [server, machine], ports, script };
    for sequence in 0..1 + random.below(3) as u32 {
        let name = format!("HANDLE 000-{sequence:08X} SEQ {}", 1000 + sequence);
        talk.say(0, &format!("Amanda 3.5 REQ {name}\nSERVICE sendbackup\n"));
        talk.say(1, &format!("Amanda 3.5 ACK {name}\n"));
        let streams: Vec<u16> = (0..4).map(|_| random.between(1024, 65535) as u16).collect();
        let connect = connect(random, &streams);
        let from = usize::from(!random.percent(6));
        let reply = format!("Amanda 3.5 REP {name}\n{connect}OPTIONS features=ff;\n");
        talk.say(from, &reply);
        if random.percent(20) {
            talk.say(from, &reply);
        }
        talk.say(0, &format!("Amanda 3.5 ACK {name}\n"));
        for port in streams {
            if random.percent(60) {
                stream(random, world, talk.script, [server, machine], port);
            }
        }
    }
}

/// One UDP conversation.
struct Talk<'a> {
    ends: [End; 2],
    ports: [u16; 2],
    script: &'a mut Script,
}

impl Talk<'_> {
    fn say(&mut self, from: usize, text: &str) {
        let to = 1 - from;
        let header = Udp::new(self.ports[from], self.ports[to]);
        let packet = Packet::new(self.ends[from].address, self.ends[to].address, header);
        self.script.say(self.ends[from], &packet.payload(text.as_bytes()));
    }
}

/// The line that names the ports, said rightly and wrongly.
fn connect(random: &mut Random, ports: &[u16]) -> String {
    let mut line = String::from("CONNECT");
    let names = ["DATA", "MESG", "INDEX", "STATE"];
    for (name, port) in names.into_iter().zip(ports) {
        let port = match random.below(24) {
            0 => "0".to_owned(),
            1 => "-1".to_owned(),
            2 => (u32::from(*port) + 65536).to_string(),
            3 => format!("0{port}"),
            4 => format!(" {port}"),
            5 => format!("{}", random.between(1, 1023)),
            6 => format!("{port}7"),
            _ => port.to_string(),
        };
        if random.percent(92) {
            line += &format!(" {name} {port}");
        }
    }
    match random.below(16) {
        0 => line.to_lowercase() + "\n",
        1 => line,
        2 => format!("{}\n", line.replacen(' ', "\n", 1)),
        3 => format!("an old CONNECT STATE 7 and {line}\n"),
        _ => line + "\n",
    }
}

/// A stream: the server connects to the port, or somebody else does.
fn stream(random: &mut Random, world: &World, script: &mut Script, ends: [End; 2], port: u16) {
    let [mut from, to] = ends;
    if random.percent(8) {
        let other = world.host(random, to.family());
        from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
    }
    let ports = [random.between(1024, 65535) as u16, port];
    let mut data = Conversation::new(random, [from, to], ports);
    data.handshake(script);
    data.say(script, 1, b"what is saved");
    if random.percent(60) {
        data.close(script, 1);
    }
}
