//! One connection, its helper, and what the helper says of each packet: for the tests.
#![allow(dead_code)] // Each test binary uses a part.

pub(crate) mod definitions;

use kinwall_helpers::effects::Activation;
use kinwall_helpers::freedom::Master;
use kinwall_helpers::{
    Broadcast, Effect, Effects, Following, Form, Instances, Named, Note, Pending, Proposal,
    Routing, Scratch, Segment, Whose,
};
use kinwall_terms::expectation::Span;
use kinwall_terms::{ChildNat, Direction, Family, KernelVersion, L4Proto, Profile, Tuple};
use std::net::IpAddr;

/// A connection between the hosts that every test speaks of.
pub(crate) struct Session {
    pub(crate) instances: Instances,
    pub(crate) index: u8,
    pub(crate) profile: Profile,
    pub(crate) kernel: KernelVersion,
    pub(crate) established: bool,
    /// The connection is itself the child of another.
    pub(crate) expected: bool,
    /// Addresses with the same next hop.
    pub(crate) together: Together,
    pub(crate) original: Tuple,
    /// Tuple of the answers: another than the inverted original under translation.
    pub(crate) reply: Tuple,
    /// The network that the originator, the gateway itself, asks.
    pub(crate) broadcast: Option<Broadcast>,
    pub(crate) scratch: Scratch,
    pub(crate) effects: Effects,
    pub(crate) blind: bool,
    /// What the helper has asked to be remembered.
    remembered: [u32; 2],
    /// What the last call was shown.
    pub(crate) shown: Vec<u8>,
    streams: [Stream; 2],
}

/// Routes on which these addresses have the same next hop.
#[derive(Default)]
pub(crate) struct Together(pub(crate) Vec<IpAddr>);

impl Routing for Together {
    fn leaves_with_packet(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    fn same_next_hop(&self, one: IpAddr, other: IpAddr) -> bool {
        self.0.contains(&one) && self.0.contains(&other)
    }
}

/// One direction: what arrived, by offset, and how far it was read.
#[derive(Default)]
struct Stream {
    next: usize,
    waiting: Vec<(usize, Vec<u8>)>,
    unread: Vec<u8>,
    read: usize,
}

/// Sequence number of the first payload byte of either direction: near the end of its range, so
/// that every test crosses zero.
const FIRST_SEQ: u32 = u32::MAX - 20;

impl Session {
    pub(crate) fn new(
        helper: &str,
        family: Family,
        profile: Profile,
        kernel: KernelVersion,
        settings: &[(String, String)],
    ) -> Session {
        let mut instances = Instances::new(kernel, profile);
        for (key, value) in settings {
            instances.set(key, value).unwrap_or_else(|error| panic!("{error}"));
        }
        let named = |i: &kinwall_helpers::Instance| i.helper.name == helper;
        let index = instances.list().iter().position(named).expect("a helper of this name");
        let instance = &instances.list()[index];
        let [src, dst] = match family {
            Family::Ipv4 => [[10, 1, 0, 2].into(), [10, 2, 0, 2].into()],
            Family::Ipv6 => ["fd00:1::2", "fd00:2::2"].map(|text| text.parse().unwrap()),
        };
        let original = Tuple {
            src,
            dst,
            sport: 40000,
            dport: instance.port.unwrap_or(0),
            // Only children of TCP get a helper without a port.
            proto: instance.port.map_or(L4Proto::TCP, |_| instance.helper.l4[0]),
        };
        Session {
            scratch: instance.helper.kind.scratch(),
            index: u8::try_from(index).unwrap(),
            instances,
            profile,
            kernel,
            established: true,
            expected: false,
            together: Together::default(),
            reply: original.invert().unwrap(),
            original,
            broadcast: None,
            effects: Effects::new(),
            blind: false,
            remembered: [0; 2],
            shown: Vec::new(),
            streams: Default::default(),
        }
    }

    /// The originator is the gateway, and asks a whole network.
    pub(crate) fn ask(&mut self, address: std::net::IpAddr, netmask: std::net::IpAddr) {
        self.broadcast = Some(Broadcast { address, netmask });
        self.original.dst = address;
        self.reply.src = address;
    }

    /// The connection is over the last of the helper's protocols.
    pub(crate) fn over_other_protocol(&mut self) {
        let instance = self.instances.get(self.index).unwrap();
        self.original.proto = *instance.helper.l4.last().unwrap();
        self.reply.proto = self.original.proto;
    }

    /// The next bytes of a direction.
    pub(crate) fn send(&mut self, direction: Direction, payload: &[u8]) {
        self.send_at(direction, 0, payload);
    }

    /// Bytes whose first lies `shift` bytes behind (or, negative, before) the end of what was
    /// sent before. Leaves what the helper says in `effects`.
    pub(crate) fn send_at(&mut self, direction: Direction, shift: isize, payload: &[u8]) {
        self.effects.clear();
        self.shown.clear();
        let stream = &mut self.streams[direction.index()];
        let offset = stream.next.checked_add_signed(shift).expect("an offset in the stream");
        stream.next = stream.next.max(offset + payload.len());
        let tcp = self.original.proto == L4Proto::TCP;
        let (shown, seq) = match self.profile {
            Profile::Strict if tcp => {
                stream.arrive(offset, payload);
                (stream.unread.clone(), stream.read)
            }
            _ => (payload.to_vec(), offset),
        };
        if self.blind || (shown.is_empty() && tcp) {
            return;
        }
        let packet_at =
            if self.profile == Profile::Strict && tcp { offset.max(seq) - seq } else { 0 };
        let consumed = self.inspect(direction, &shown, seq, packet_at);
        let stream = &mut self.streams[direction.index()];
        if self.profile == Profile::Strict && tcp {
            stream.unread.drain(..consumed);
            stream.read += consumed;
        }
        self.blind = self.effects.blind_reason().is_some();
        self.shown = shown;
    }

    /// How many bytes of a direction were sent.
    pub(crate) fn sent(&self, direction: Direction) -> usize {
        self.streams[direction.index()].next
    }

    /// How many bytes of a direction the helper has not taken yet.
    pub(crate) fn unread(&self, direction: Direction) -> usize {
        self.streams[direction.index()].unread.len()
    }

    fn inspect(
        &mut self,
        direction: Direction,
        payload: &[u8],
        offset: usize,
        packet_at: usize,
    ) -> usize {
        let instance = self.instances.get(self.index).unwrap();
        let segment = Segment {
            payload,
            behind_length: 0,
            packet_at: u32::try_from(packet_at).unwrap(),
            direction,
            original: self.original,
            reply: self.reply,
            seq: FIRST_SEQ.wrapping_add(u32::try_from(offset).unwrap()),
            established: self.established,
            expected: self.expected,
            translated: self.original.invert() != Some(self.reply),
            remembered: self.remembered,
            port: instance.port.unwrap_or(0),
            options: &instance.options,
            kernel: self.kernel,
            broadcast: self.broadcast.filter(|_| direction == Direction::Original),
            routing: Some(&self.together),
        };
        let consumed =
            instance.inspect(self.profile, &segment, &mut self.scratch, &mut self.effects);
        instance.guard.hold(&segment.sender(), Pending::default, &mut self.effects);
        for effect in self.effects.list() {
            if let Effect::Remember { index, value } = effect {
                self.remembered[*index] = *value;
            }
        }
        consumed
    }

    /// The master, as the freedom rows see it, for an announcement in `direction`.
    pub(crate) fn master(&self, direction: Direction) -> Master {
        Master {
            original: self.original,
            reply: self.reply,
            announced: direction,
            broadcast: self.broadcast,
        }
    }

    /// Everything that was proposed by the last packet.
    pub(crate) fn proposals(&self) -> Vec<Proposal> {
        let mut all = Vec::new();
        for effect in self.effects.list() {
            match effect {
                Effect::Expect(proposal) => all.push(*proposal),
                Effect::ExpectPair(pair) => all.extend([pair.first, pair.second]),
                _ => {}
            }
        }
        all
    }

    /// What was shown last, `payload`, as it leaves when every port that is named is free and the
    /// sender is known by `address`; `None` when two changes overlap.
    pub(crate) fn written(&self, address: IpAddr, payload: &[u8]) -> Option<Vec<u8>> {
        let mut pieces: Vec<(Span, Vec<u8>)> = Vec::new();
        let text = |form: Form, port: u16| {
            let mut text = Vec::new();
            form.write(address, port, &mut text);
            text
        };
        for proposal in self.proposals() {
            let Some(following) = proposal.following else { continue };
            let Following { named: Some(Named { span, form }), port, also, nat, .. } = following
            else {
                continue;
            };
            let free = match nat {
                ChildNat::Announced { .. } => proposal.expected.tuple.dport,
                _ => port,
            };
            let saved = match nat {
                ChildNat::Announced { address, .. } => address,
                _ => proposal.expected.tuple.dst,
            };
            if form.is_written((saved, port), (address, free)) {
                let spans = [Some(span), also].into_iter().flatten();
                pieces.extend(spans.map(|span| (span, text(form, free))));
            }
        }
        for effect in self.effects.list() {
            pieces.extend(match *effect {
                Effect::Write { span, text } => Some((span, self.effects.text(text).to_vec())),
                Effect::WriteKept { named, port } => Some((named.span, text(named.form, port))),
                Effect::WriteMediaAddress { span } => {
                    Some((span, address.to_string().into_bytes()))
                }
                _ => None,
            });
        }
        for effect in self.effects.list() {
            let Effect::WriteLength { span, of } = effect else { continue };
            let inside = |piece: &&(Span, Vec<u8>)| {
                piece.0.offset >= of.offset && piece.0.offset < of.offset + of.length
            };
            let growth =
                |(span, text): &(Span, Vec<u8>)| text.len() as i64 - i64::from(span.length);
            let growth: i64 = pieces.iter().filter(inside).map(growth).sum();
            let length = i64::from(of.length) + growth;
            pieces.push((*span, length.to_string().into_bytes()));
        }
        pieces.sort_by_key(|(span, _)| span.offset);
        let end = |span: &Span| (span.offset + span.length) as usize;
        let mut bytes = Vec::new();
        let mut at = 0;
        for (span, text) in pieces {
            bytes.extend_from_slice(payload.get(at..span.offset as usize)?);
            bytes.extend(text);
            at = end(&span);
        }
        bytes.extend_from_slice(&payload[at..]);
        Some(bytes)
    }

    /// What the helper said, one line a thing.
    pub(crate) fn said(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.proposals().iter().map(|proposal| self.expects(proposal)).collect();
        for effect in self.effects.list() {
            match effect {
                Effect::EndChild { tuple, whose } => {
                    let whose = match whose {
                        Whose::Own => "own",
                        Whose::Anybodys => "any",
                    };
                    let Tuple { src, sport, dst, dport, proto } = tuple;
                    lines.push(format!("end {whose} {proto} {src}:{sport} -> {dst}:{dport}"));
                }
                Effect::Write { span, text } | Effect::Overwrite { span, text } => {
                    let [old, new] = [self.text(*span), self.effects.text(*text)];
                    let [old, new] = [old, new].map(<[u8]>::escape_ascii);
                    lines.push(format!("write \"{new}\" for \"{old}\""));
                }
                Effect::WriteMediaAddress { span } => {
                    lines.push(format!("write media address for \"{}\"", self.escaped(*span)));
                }
                Effect::WriteLength { span, .. } => {
                    lines.push(format!("write length for \"{}\"", self.escaped(*span)));
                }
                Effect::Deliver { port } => lines.push(format!("deliver at {port}")),
                Effect::ForgetKeymap => lines.push(String::from("forget keymap")),
                Effect::Refresh { seconds } => lines.push(format!("refresh {seconds}")),
                Effect::Activate(wanted) => {
                    let Activation { dst, dport, proto, timeout_s, .. } = wanted;
                    lines.push(format!("activate {proto} {dst}:{dport} for {timeout_s}"));
                }
                Effect::Flush(classes) => {
                    let helper = self.instances.get(self.index).unwrap().helper;
                    let named = (0..).zip(helper.classes).filter(|(i, _)| classes.contains(*i));
                    let names: Vec<_> = named.map(|(_, class)| class.name).collect();
                    lines.push(format!("flush {}", names.join(" ")));
                }
                Effect::Drop { reason, .. } => lines.push(format!("drop {reason} otherwise")),
                _ => {}
            }
        }
        let note = |what: &str, note: &Note| format!("{what} {}", note.reason);
        lines.extend(self.effects.notes().iter().map(|n| note("note", n)));
        lines.extend(self.effects.drop_reason().iter().map(|n| note("drop", n)));
        lines.extend(self.effects.blind_reason().iter().map(|n| note("blind", n)));
        lines
    }

    fn expects(&self, proposal: &Proposal) -> String {
        let tuple = &proposal.expected.tuple;
        let mask = &proposal.expected.mask;
        let host = |address: std::net::IpAddr| match address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        let src = match mask.address {
            none if none.is_unspecified() => "*".to_owned(),
            network if self.broadcast.is_some() => format!("{}/{network}", tuple.src),
            _ => host(tuple.src),
        };
        let sport = if mask.port == 0 { "*".to_owned() } else { tuple.sport.to_string() };
        let dst = host(tuple.dst);
        let mut line = format!("expect {} {src}:{sport} -> {dst}:{}", tuple.proto, tuple.dport);
        let spans = [
            ("by", Some(proposal.announcement)),
            ("address", proposal.address),
            ("port", proposal.port),
        ];
        for (name, span) in spans {
            if let Some(span) = span {
                line += &format!(" {name} \"{}\"", self.text(span).escape_ascii());
            }
        }
        line
    }

    fn escaped(&self, span: Span) -> String {
        self.text(span).escape_ascii().to_string()
    }

    /// The bytes a span means.
    pub(crate) fn text(&self, span: Span) -> &[u8] {
        let at = span.offset as usize;
        &self.shown[at..at + span.length as usize]
    }
}

impl Stream {
    /// Takes what is new and follows on; keeps what comes too early.
    fn arrive(&mut self, offset: usize, payload: &[u8]) {
        self.waiting.push((offset, payload.to_vec()));
        loop {
            let end = self.read + self.unread.len();
            let fits = |(at, bytes): &(usize, Vec<u8>)| *at <= end && at + bytes.len() > end;
            let Some(found) = self.waiting.iter().position(fits) else { break };
            let (at, bytes) = self.waiting.remove(found);
            self.unread.extend_from_slice(&bytes[end - at..]);
        }
    }
}

/// Text with the escapes `\r \n \t \0 \\ \xNN`; `{N}` behind one stands for N of them in all.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.to_string().into_bytes());
            continue;
        }
        match chars.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            other => panic!("no escape: {other:?} in {text:?}"),
        }
        if let Some((count, rest)) =
            chars.as_str().strip_prefix('{').and_then(|t| t.split_once('}'))
        {
            let count: usize = count.parse().expect("a number of bytes");
            let byte = *bytes.last().expect("the escaped one");
            bytes.extend(std::iter::repeat_n(byte, count - 1));
            chars = rest.chars();
        }
    }
    bytes
}
