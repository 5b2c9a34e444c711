//! SIP sessions: registrations and calls, over UDP and TCP, said rightly and wrongly.

mod message;

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Packet, Udp};
use message::{Media, Message, Style};
use std::net::IpAddr;

/// A phone (end 0) and its registrar, proxy or peer (end 1).
struct Talk<'a> {
    random: &'a mut Random,
    script: &'a mut Script,
    ends: [End; 2],
    ports: [u16; 2],
    /// Over TCP; otherwise each message is a datagram.
    stream: Option<Conversation>,
    style: Style,
    call_id: String,
    cseq: u32,
    /// Said by each end, and not sent yet: several messages may share a segment.
    waiting: [Vec<u8>; 2],
}

/// A session of any kind.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (phone, proxy) = pair(random, world);
    let style = Style::of(random, phone.family());
    let sport = if random.percent(40) { 5060 } else { random.between(1024, 65535) as u16 };
    let ports = [sport, 5060];
    let mut stream = random.percent(40).then(|| Conversation::new(random, [phone, proxy], ports));
    if let Some(stream) = &mut stream {
        stream.handshake(script);
    }
    let call_id = format!("{:x}@{}", random.bits() as u32, style.host(phone.address));
    let cseq = random.pick(&[0, 1, 102, 4_294_967_295]);
    let waiting = [Vec::new(), Vec::new()];
    let ends = [phone, proxy];
    let mut talk = Talk { random, script, ends, ports, stream, style, call_id, cseq, waiting };
    if talk.random.percent(60) {
        talk.register(world);
    }
    for _ in 0..talk.random.below(3) {
        talk.call(world);
    }
    if talk.random.percent(30) {
        talk.nonsense();
    }
    talk.flush(0);
    talk.flush(1);
}

impl Talk<'_> {
    /// `from` says a message.
    fn say(&mut self, from: usize, message: &Message) {
        let mut bytes = message.text(self.random, &self.style).into_bytes();
        if self.random.percent(self.style.spoiled_percent) {
            message::spoil(self.random, &mut bytes);
        }
        self.send(from, bytes);
    }

    fn send(&mut self, from: usize, bytes: Vec<u8>) {
        if self.stream.is_some() {
            self.waiting[from].extend(bytes);
            if self.random.percent(80) {
                self.flush(from);
            }
            return;
        }
        let [src, dst] = [self.ends[from], self.ends[1 - from]];
        let udp = Udp::new(self.ports[from], self.ports[1 - from]);
        self.script.say(src, &Packet::new(src.address, dst.address, udp).payload(bytes));
    }

    /// Sends what an end has said over TCP, in one segment or in two.
    fn flush(&mut self, from: usize) {
        let bytes = std::mem::take(&mut self.waiting[from]);
        if let (Some(stream), false) = (&mut self.stream, bytes.is_empty()) {
            stream.say_split(self.random, self.script, from, &bytes);
        }
    }

    /// A message of this session, without headers of its own yet.
    fn message(&self, start: String, method: &str) -> Message {
        let mut message = Message::new(start);
        let proto = if self.stream.is_some() { "TCP" } else { "UDP" };
        let host = self.style.host(self.ends[0].address);
        let port = self.ports[0];
        message.add("Via", "v", format!("SIP/2.0/{proto} {host}:{port};branch=z9hG4bK1;rport"));
        message.add("From", "f", format!("<sip:alice@{host}>;tag=1"));
        message.add("To", "t", format!("<sip:bob@{}>", self.style.host(self.ends[1].address)));
        message.add("Call-ID", "i", self.call_id.clone());
        message.add("CSeq", "CSeq", format!("{} {method}", self.cseq));
        message
    }

    fn request(&self, method: &str) -> Message {
        let host = self.style.host(self.ends[1].address);
        self.message(format!("{method} sip:bob@{host} SIP/2.0"), method)
    }

    fn answer(&self, code: &str, method: &str) -> Message {
        self.message(format!("SIP/2.0 {code} whatever"), method)
    }

    /// An address as a Contact may name it: mostly the end's own.
    fn contact(&mut self, world: &World, port: u16) -> String {
        let own = self.ends[0].address;
        let address = if self.random.percent(85) {
            own
        } else {
            world.host(self.random, self.ends[0].family()).address
        };
        let host = self.style.host(address);
        let port = match self.random.below(14) {
            0 => String::new(),
            1 => String::from(":"),
            2 => String::from(":80"),
            3 => format!(":0{port}"),
            4 => format!(":{}", u32::from(port) + 65536),
            _ => format!(":{port}"),
        };
        let user = self.random.pick(&["alice@", "alice@", "", "a:b@", "\"x\"@"]);
        let transport = self.random.pick(&["", "", "", ";transport=udp", ";transport=TCP", ";ob"]);
        let expires = match self.random.below(8) {
            0 => String::from(";expires=0"),
            1 => String::from(";expires="),
            2 => String::from(";expires=99999999999"),
            3 => String::from(";q=0.5;expires=\"60\""),
            4..=5 => format!(";expires={}", self.random.below(7200)),
            _ => String::new(),
        };
        let scheme = self.random.pick(&["sip:", "sip:", "sip:", "sip:", "SIP:", "sips:", "tel:"]);
        if self.random.percent(6) {
            return String::from("*");
        }
        match self.random.below(4) {
            0 => format!("{scheme}{user}{host}{port}{transport}{expires}"),
            1 => format!("\"Alice, at home\" <{scheme}{user}{host}{port}{transport}>{expires}"),
            _ => format!("<{scheme}{user}{host}{port}{transport}>{expires}"),
        }
    }

    fn contacts(&mut self, world: &World, port: u16, message: &mut Message) {
        let mut list = vec![self.contact(world, port)];
        while self.random.percent(25) {
            list.push(self.contact(world, port));
        }
        if self.random.percent(30) {
            message.add("Contact", "m", list.join(self.random.pick(&[",", ", ", ",\r\n "])));
        } else {
            list.into_iter().for_each(|contact| message.add("Contact", "m", contact));
        }
        if self.random.percent(70) {
            let expires = self.random.pick(&["3600", "0", "60", "x", "", "4294967297", " 30"]);
            message.add("Expires", "Expires", expires.to_string());
        }
    }

    /// REGISTER and its answer; then the registrar calls, and perhaps others do.
    fn register(&mut self, world: &World) {
        let port = if self.random.percent(60) { self.ports[0] } else { 5060 };
        for _ in 0..1 + self.random.below(2) {
            let mut request = self.request("REGISTER");
            self.contacts(world, port, &mut request);
            let from = usize::from(self.random.percent(4));
            self.say(from, &request);
            self.call_in(world, port, 15);
            let code = self.random.pick(&["200", "200", "200", "100", "401", "503", "0", "299"]);
            let mut answer = self.answer(code, "REGISTER");
            self.contacts(world, port, &mut answer);
            self.say(1, &answer);
            self.call_in(world, port, 70);
            if self.random.percent(80) {
                self.cseq = self.cseq.wrapping_add(1);
            }
        }
    }

    /// Somebody, mostly the registrar, sends an INVITE to the phone's contact.
    fn call_in(&mut self, world: &World, port: u16, percent: u32) {
        if !self.random.percent(percent) {
            return;
        }
        let phone = self.ends[0];
        let mut from = self.ends[1];
        if self.random.percent(20) {
            let other = world.host(self.random, phone.family());
            from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
        }
        let sport = self.random.between(1024, 65535) as u16;
        if self.stream.is_some() {
            let mut call = Conversation::new(self.random, [from, phone], [sport, port]);
            call.handshake(self.script);
            let request = self.request("OPTIONS").text(self.random, &self.style);
            call.say(self.script, 0, request.as_bytes());
            return;
        }
        for method in ["INVITE", "REGISTER"] {
            let mut request = self.request(method);
            request.describe(&self.style, from.address, &[Media::of(self.random)]);
            let text = request.text(self.random, &self.style);
            let udp = Udp::new(sport, port);
            let packet = Packet::new(from.address, phone.address, udp).payload(text.into_bytes());
            self.script.say(from, &packet);
        }
    }

    /// A call from either end, with media, and perhaps changed in between.
    fn call(&mut self, world: &World) {
        let caller = usize::from(self.random.percent(30));
        self.cseq = self.cseq.wrapping_add(1);
        let offered = self.description(world, caller, "INVITE", None);
        if self.random.percent(70) {
            self.say(1 - caller, &self.answer("100", "INVITE"));
        }
        if self.random.percent(20) {
            self.description(world, 1 - caller, "INVITE", Some("183"));
            self.description(world, caller, "PRACK", None);
            self.description(world, 1 - caller, "PRACK", Some("200"));
        }
        if self.random.percent(20) {
            self.media(world, caller, &offered);
        }
        if self.random.percent(15) {
            let method = self.random.pick(&["INVITE", "CANCEL", "BYE", "UPDATE"]);
            let code = self.random.pick(&["486", "487", "302", "0", "600", "99"]);
            self.say(1 - caller, &self.answer(code, method));
            return;
        }
        let answered = self.description(world, 1 - caller, "INVITE", Some("200"));
        self.say(caller, &self.request("ACK"));
        self.media(world, caller, &offered);
        self.media(world, 1 - caller, &answered);
        if self.random.percent(40) {
            let method = self.random.pick(&["INVITE", "UPDATE", "ACK", "INFO"]);
            self.cseq = self.cseq.wrapping_add(u32::from(self.random.percent(80)));
            let offered = self.description(world, caller, method, None);
            self.description(world, 1 - caller, method, Some("200"));
            self.media(world, caller, &offered);
        }
        if self.random.percent(70) {
            let from = self.random.below(2);
            self.say(from, &self.request("BYE"));
            self.say(1 - from, &self.answer("200", "BYE"));
        }
    }

    /// A request, or the answer to one with `code`, with a description of `from`'s media.
    fn description(
        &mut self,
        world: &World,
        from: usize,
        method: &str,
        code: Option<&str>,
    ) -> Vec<Media> {
        let mut message = match code {
            Some(code) => self.answer(code, method),
            None => self.request(method),
        };
        message.add("Contact", "m", self.contact(world, self.ports[from]));
        let count = self.random.pick(&[1, 1, 1, 2, 2, 3, 4, 6]);
        let mut media: Vec<Media> = (0..count).map(|_| Media::of(self.random)).collect();
        let own = self.ends[from].address;
        for each in &mut media {
            if self.random.percent(15) {
                each.address = Some(match self.random.below(3) {
                    0 => world.host(self.random, self.ends[0].family()).address,
                    _ => own,
                });
            }
        }
        let session = match self.random.below(12) {
            0 => world.host(self.random, self.ends[0].family()).address,
            _ => own,
        };
        if self.random.percent(92) {
            message.describe(&self.style, session, &media);
        }
        self.say(from, &message);
        if self.random.percent(8) {
            self.say(from, &message);
        }
        media
    }

    /// RTP and RTCP to what `listener` has described, from the other end or somebody else.
    fn media(&mut self, world: &World, listener: usize, media: &[Media]) {
        self.flush(0);
        self.flush(1);
        let to = self.ends[listener];
        for each in media {
            if self.random.percent(30) {
                continue;
            }
            let mut from = self.ends[1 - listener];
            if self.random.percent(12) {
                let other = world.host(self.random, to.family());
                from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
            }
            let sport = self.random.between(1024, 65535) as u16;
            for port in [each.port & !1, each.port | 1] {
                if self.random.percent(70) {
                    let address = each.address.unwrap_or(to.address);
                    let udp = Udp::new(sport, port);
                    let packet = Packet::new(from.address, address, udp).payload(vec![0x80; 40]);
                    self.script.say(from, &packet);
                }
            }
        }
    }

    /// What is no SIP, or hardly.
    fn nonsense(&mut self) {
        let payload: &[u8] = self.random.pick(&[
            b"\r\n\r\n".as_slice(),
            b"SIP/2.0 200",
            b"SIP/2.0 abcdefgh",
            b"SIP/2.0 ",
            b"INVITE sip",
            b"INVITE sip:x",
            b"BYE sip:bob SIP/2.0\r\nCSeq: 1 BYE",
            b"BYE 5\r\nCSeq: 1 BYE\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ]);
        let from = self.random.below(2);
        self.send(from, payload.to_vec());
    }
}

/// A host as SIP writes it.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
