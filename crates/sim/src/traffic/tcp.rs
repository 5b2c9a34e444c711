//! TCP conversations: handshake, data, close; with what real stacks and probers do besides.

use super::{End, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Packet, Tcp, TcpOptions};
use kinwall_wire::tcp::TcpFlags;

/// A conversation between two ends; index 0 opens it.
pub(crate) struct Conversation {
    pub(crate) ends: [End; 2],
    pub(crate) ports: [u16; 2],
    /// The next sequence number of each end.
    seq: [u32; 2],
    window: [u16; 2],
    options: [TcpOptions; 2],
}

impl Conversation {
    /// A conversation that nobody has begun yet.
    pub(crate) fn new(random: &mut Random, ends: [End; 2], ports: [u16; 2]) -> Conversation {
        let mut options = || {
            let mut options = TcpOptions::new();
            if random.percent(80) {
                options = options.mss(random.between(536, 1460) as u16);
            }
            if random.percent(60) {
                options = options.sack_permitted();
            }
            if random.percent(60) {
                options = options.window_scale(random.below(16) as u8);
            }
            options
        };
        let options = [options(), options()];
        let mut start = || match random.below(4) {
            // Near the end of the number space, where comparisons go wrong.
            0 => u32::MAX - random.below(300) as u32,
            _ => random.bits() as u32,
        };
        let seq = [start(), start()];
        let window = [random.between(200, 65535) as u16, random.between(200, 65535) as u16];
        Conversation { ends, ports, seq, window, options }
    }

    /// A segment from `from` with everything that has been said acknowledged.
    pub(crate) fn segment(&self, from: usize, flags: TcpFlags, payload: &[u8]) -> Packet {
        let to = 1 - from;
        let header = Tcp::new(self.ports[from], self.ports[to])
            .flags(flags)
            .seq(self.seq[from])
            .ack(if flags.contains(TcpFlags::ACK) { self.seq[to] } else { 0 })
            .window(self.window[from]);
        Packet::new(self.ends[from].address, self.ends[to].address, header).payload(payload)
    }

    /// `from` sends a segment.
    pub(crate) fn send(
        &mut self,
        script: &mut Script,
        from: usize,
        flags: TcpFlags,
        payload: &[u8],
    ) {
        let mut packet = self.segment(from, flags, payload);
        if flags.contains(TcpFlags::SYN)
            && let kinwall_wire::emit::Transport::Tcp(header) = &mut packet.transport
        {
            header.options = self.options[from].clone().into();
        }
        script.say(self.ends[from], &packet);
        let takes = flags.intersection(TcpFlags::SYN | TcpFlags::FIN).bits().count_ones();
        self.seq[from] = self.seq[from].wrapping_add(payload.len() as u32 + takes);
    }

    /// SYN, SYN+ACK, ACK.
    pub(crate) fn handshake(&mut self, script: &mut Script) {
        self.send(script, 0, TcpFlags::SYN, &[]);
        self.send(script, 1, TcpFlags::SYN | TcpFlags::ACK, &[]);
        self.send(script, 0, TcpFlags::ACK, &[]);
    }

    /// `from` says `payload`, and the other end acknowledges it.
    pub(crate) fn say(&mut self, script: &mut Script, from: usize, payload: &[u8]) {
        self.send(script, from, TcpFlags::PSH | TcpFlags::ACK, payload);
        self.send(script, 1 - from, TcpFlags::ACK, &[]);
    }

    /// `from` says `payload` in one segment, or in two that meet anywhere.
    pub(crate) fn say_split(
        &mut self,
        random: &mut Random,
        script: &mut Script,
        from: usize,
        payload: &[u8],
    ) {
        if payload.len() > 1 && random.percent(15) {
            let (first, second) = payload.split_at(1 + random.below(payload.len() - 1));
            self.send(script, from, TcpFlags::ACK, first);
            self.say(script, from, second);
        } else {
            self.say(script, from, payload);
        }
    }

    /// The same ports once more, with other numbers: the old connection makes way if it is over.
    pub(crate) fn open_again(&mut self, random: &mut Random, script: &mut Script) {
        self.seq = [random.bits() as u32, random.bits() as u32];
        self.handshake(script);
    }

    /// `from` closes first.
    pub(crate) fn close(&mut self, script: &mut Script, from: usize) {
        self.send(script, from, TcpFlags::FIN | TcpFlags::ACK, &[]);
        self.send(script, 1 - from, TcpFlags::ACK, &[]);
        self.send(script, 1 - from, TcpFlags::FIN | TcpFlags::ACK, &[]);
        self.send(script, from, TcpFlags::ACK, &[]);
    }
}

/// A conversation of any kind.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    let ports = [random.between(1024, 65535) as u16, random.port()];
    let mut talk = Conversation::new(random, [a, b], ports);
    match random.below(12) {
        // The beginning was not seen.
        0 => {}
        1 => {
            talk.send(script, 0, TcpFlags::SYN, &[]);
            talk.send(script, 1, TcpFlags::RST | TcpFlags::ACK, &[]);
            return;
        }
        // Both open at the same time.
        2 => {
            talk.send(script, 0, TcpFlags::SYN, &[]);
            talk.send(script, 1, TcpFlags::SYN, &[]);
            talk.send(script, 1, TcpFlags::SYN | TcpFlags::ACK, &[]);
            talk.send(script, 0, TcpFlags::ACK, &[]);
        }
        _ => talk.handshake(script),
    }
    for _ in 0..random.below(8) {
        step(random, script, &mut talk);
    }
    match random.below(5) {
        0 => talk.send(script, random.below(2), TcpFlags::RST, &[]),
        1 => {}
        _ => talk.close(script, random.below(2)),
    }
    if random.percent(25) {
        talk.open_again(random, script);
        let from = random.below(2);
        talk.say(script, from, b"again");
    }
}

/// One thing that an end does in the middle of a conversation.
fn step(random: &mut Random, script: &mut Script, talk: &mut Conversation) {
    let from = random.below(2);
    let payload = vec![b'x'; random.below(300)];
    match random.below(14) {
        0..=5 => talk.say(script, from, &payload),
        // Data that arrives later, or never: its acknowledgement tells of unseen data.
        6 => talk.seq[from] = talk.seq[from].wrapping_add(random.below(100_000) as u32),
        // Old data again, perhaps with some that is new.
        7 => {
            let before = talk.seq[from];
            talk.seq[from] = before.wrapping_sub(random.below(2000) as u32);
            talk.send(script, from, TcpFlags::ACK, &payload);
            talk.seq[from] = before;
        }
        // A reset that is exact, or nearly.
        8 if random.percent(30) => {
            let before = talk.seq[from];
            let off = random.below(4) as u32;
            talk.seq[from] = before.wrapping_add(off.wrapping_sub(1));
            talk.send(script, from, TcpFlags::RST, &[]);
            talk.seq[from] = before;
        }
        // A SYN in the middle.
        9 if random.percent(40) => {
            let before = talk.seq[from];
            talk.seq[from] = random.bits() as u32;
            talk.send(script, from, TcpFlags::SYN, &[]);
            talk.seq[from] = before;
        }
        // Flags that belong to no segment.
        10 => {
            let flags = TcpFlags::from_bits_truncate(random.byte());
            let packet = talk.segment(from, flags, &[]);
            script.say(talk.ends[from], &packet);
        }
        // A closed and an open window.
        11 => {
            talk.window[from] = if random.percent(50) { 0 } else { 8192 };
            talk.send(script, from, TcpFlags::ACK, &[]);
        }
        // Selective acknowledgements.
        12 => {
            let far = talk.seq[1 - from].wrapping_add(random.below(3000) as u32);
            let mut packet = talk.segment(from, TcpFlags::ACK, &[]);
            if let kinwall_wire::emit::Transport::Tcp(header) = &mut packet.transport {
                let right = far.wrapping_add(500);
                header.options = TcpOptions::new().sack(&[(far, right)]).into();
            }
            script.say(talk.ends[from], &packet);
        }
        _ => talk.send(script, from, TcpFlags::ACK, &payload),
    }
}
