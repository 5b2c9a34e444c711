//! Messages of SIP as phones and exchanges write them, with what they may leave out or add.

use super::sip_nat::stranger;
use kinwall_sim::Random;
use std::net::IpAddr;

/// Who speaks, and of whom.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) own: (IpAddr, u16),
    pub(super) peer: (IpAddr, u16),
    pub(super) is_tcp: bool,
    pub(super) cseq: u32,
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn at((address, port): (IpAddr, u16)) -> String {
    format!("{}:{port}", literal(address))
}

impl Words {
    fn over(&self) -> &'static str {
        if self.is_tcp { "TCP" } else { "UDP" }
    }

    /// Where somebody is: mostly `own`.
    fn place(&self, random: &mut Random, own: (IpAddr, u16), other: (IpAddr, u16)) -> String {
        match random.below(12) {
            0 => literal(own.0),
            1 => at((own.0, own.1.wrapping_add(2))),
            2 => at(other),
            3 => at((stranger(own.0), 5060)),
            4 => "example.net".to_owned(),
            _ => at(own),
        }
    }

    /// Where it is called: at ports that are nobody else's, as the kernel chooses by chance where
    /// two want the same.
    fn contact_place(&self, random: &mut Random) -> String {
        let own_port = match self.own.0 {
            IpAddr::V4(address) => 5100 + u16::from(address.octets()[3]),
            IpAddr::V6(address) => 5100 + address.segments()[7] % 256,
        };
        match random.below(6) {
            0 => at((self.own.0, own_port)),
            1 => match self.place(random, self.own, self.peer) {
                place if place == literal(self.own.0) => at(self.own),
                place => place,
            },
            _ => at(self.own),
        }
    }

    fn contact(&self, random: &mut Random) -> String {
        let mut contacts = Vec::new();
        for _ in 0..random.between(1, 3) {
            let place = self.contact_place(random);
            let more = random.pick(&["", "", ";expires=60", ";q=0.7", ";expires=0"]);
            let transport = random.pick(&["", "", ";transport=udp", ";transport=tcp", ";lr"]);
            contacts.push(match random.below(3) {
                0 => format!("sip:{place}{more}"),
                1 => format!("<sip:anna@{place}{transport}>{more}"),
                _ => format!("\"Anna\" <sip:anna@{place}>{more}"),
            });
        }
        let separator = random.pick(&[",", ", ", "\r\nContact: ", "\r\nm:"]);
        format!("{}: {}\r\n", random.pick(&["Contact", "m", "CONTACT"]), contacts.join(separator))
    }

    fn via(&self, random: &mut Random) -> String {
        let place = match random.below(4) {
            0 => self.place(random, self.own, self.peer),
            1 => at((self.own.0, 5060)),
            _ => at(self.own),
        };
        let maddr = match random.below(5) {
            0 => format!(";maddr={}", literal(self.own.0)),
            _ => String::new(),
        };
        let rport = random.pick(&["", ";rport", ";rport=5060"]);
        let name = random.pick(&["Via", "v", "VIA"]);
        format!(
            "{name}: SIP/2.0/{} {place};branch=z9hG4bK{}{maddr}{rport}\r\n",
            self.over(),
            self.cseq
        )
    }

    /// A request.
    pub(super) fn request(&self, random: &mut Random, method: &str, body: Option<Body>) -> String {
        let user = random.pick(&["", "ben@", "ben@"]);
        let target = self.place(random, self.peer, self.own);
        let mut head = format!("{method} sip:{user}{target} SIP/2.0\r\n{}", self.via(random));
        if random.percent(20) {
            head += &format!("Via: SIP/2.0/{} {};branch=x\r\n", self.over(), at(self.own));
        }
        let route = [at(self.own), at(self.peer)].map(|place| format!("<sip:{place};lr>"));
        if random.percent(30) {
            head += &format!("Route: {}\r\nRecord-Route: {}\r\n", route[1], route[0]);
        }
        let from = self.place(random, self.own, self.peer);
        let to = self.place(random, self.peer, self.own);
        head += &format!("From: <sip:anna@{from}>;tag=1\r\nTo: <sip:{user}{to}>\r\n");
        head += &format!("Call-ID: 7@{}\r\nCSeq: {} {method}\r\n", literal(self.own.0), self.cseq);
        if random.percent(80) {
            head += &self.contact(random);
        }
        self.finish(random, head, body)
    }

    pub(super) fn register(&self, random: &mut Random) -> String {
        let request = self.request(random, "REGISTER", None);
        let expires = random.pick(&["Expires: 300\r\n", "Expires: 300\r\n", "", "Expires: 0\r\n"]);
        let place = self.contact_place(random);
        let first = format!("Contact: <sip:anna@{place}>{}\r\n", random.pick(&["", ";expires=99"]));
        request.replacen("CSeq: ", &format!("{expires}{first}CSeq: "), 1)
    }

    /// An answer: what it repeats of the request, and its own.
    pub(super) fn answer(
        &self,
        random: &mut Random,
        code: &str,
        request: &str,
        body: Option<Body>,
    ) -> String {
        let mut head = self.repeated(random, code, request);
        head += &self.contact(random);
        self.finish(random, head, body)
    }

    /// The answer to REGISTER lists the contacts.
    pub(super) fn registered(&self, random: &mut Random, code: &str, request: &str) -> String {
        let mut head = self.repeated(random, code, request);
        let contacts = request.lines().filter(|line| line.starts_with("Contact:"));
        contacts.for_each(|line| head += &format!("{line}\r\n"));
        head += random.pick(&["Expires: 200\r\n", "Expires: 200\r\n", "", "Expires: 0\r\n"]);
        self.finish(random, head, None)
    }

    fn repeated(&self, random: &mut Random, code: &str, request: &str) -> String {
        let mut head = format!("SIP/2.0 {code}\r\n");
        let names = ["via:", "v:", "from:", "to:", "call-id:", "cseq:"];
        let mut is_first = true;
        for line in request.lines() {
            let low = line.to_ascii_lowercase();
            if !names.iter().any(|name| low.starts_with(name)) {
                continue;
            }
            head += line;
            if low.starts_with('v') && std::mem::take(&mut is_first) {
                if random.percent(60) {
                    head += &format!(";received={}", self.peer.0);
                }
                if random.percent(60) {
                    head += &format!(";rport={}", self.peer.1);
                }
            }
            head += "\r\n";
        }
        head
    }

    fn finish(&self, random: &mut Random, head: String, body: Option<Body>) -> String {
        let body = body.map_or(String::new(), |body| body.0);
        let length = random.pick(&["Content-Length", "Content-Length", "l"]);
        let length = match self.is_tcp || random.percent(92) {
            true => format!("{length}: {}\r\n", body.len()),
            false => String::new(),
        };
        format!("{head}{length}\r\n{body}")
    }
}

/// A session description.
pub(super) struct Body(String);

impl Body {
    /// One of somebody at `own`.
    pub(super) fn of(random: &mut Random, own: IpAddr) -> Body {
        let net = if own.is_ipv4() { "IN IP4" } else { "IN IP6" };
        let who = |random: &mut Random| match random.below(10) {
            0 => stranger(own),
            _ => own,
        };
        let mut text = "v=0\r\n".to_owned();
        if random.percent(96) {
            text += &format!("o=anna 1 1 {net} {}\r\n", who(random));
        }
        text += "s=-\r\n";
        if random.percent(85) {
            text += &format!("c={net} {}\r\n", who(random));
        }
        text += "t=0 0\r\n";
        for _ in 0..random.pick(&[0, 1, 1, 1, 2, 2, 3, 4]) {
            let kind = random.pick(&["audio", "audio", "video", "image", "text"]);
            let port = match random.below(20) {
                0 => 0,
                1 => random.between(1000, 1030),
                2 => random.between(65_528, 65_535),
                3..6 => random.between(9990, 10_003),
                _ => random.between(5000, 5011),
            };
            text += &format!("m={kind} {port} RTP/AVP 0 8\r\n");
            if random.percent(30) {
                text += &format!("c={net} {}\r\n", who(random));
            }
            text += "a=rtpmap:0 PCMU/8000\r\n";
        }
        Body(text)
    }

    /// The one of another message.
    pub(super) fn passed(message: &str) -> Option<Body> {
        let (_, body) = message.split_once("\r\n\r\n")?;
        (!body.is_empty()).then(|| Body(body.to_owned()))
    }
}

/// Where streams are awaited, by a message.
pub(super) fn streams(message: &str) -> Vec<(IpAddr, u16)> {
    let mut session: Option<IpAddr> = None;
    let mut found: Vec<(Option<IpAddr>, u16)> = Vec::new();
    for line in message.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let port = media.split(' ').nth(1).and_then(|port| port.parse().ok());
            found.push((None, port.unwrap_or(0)));
        } else if let Some(connection) = line.strip_prefix("c=") {
            let address = connection.split(' ').nth(2).and_then(|text| text.parse().ok());
            match found.last_mut() {
                Some(media) => media.0 = media.0.or(address),
                None => session = address,
            }
        }
    }
    let usable = |(address, port): (Option<IpAddr>, u16)| {
        let address = address.or(session).filter(|address| !address.is_unspecified())?;
        (port >= 1024).then_some((address, port))
    };
    found.into_iter().filter_map(usable).collect()
}

/// A port that a message names, for streams the other way.
pub(super) fn opened(message: &str) -> Option<u16> {
    streams(message).last().map(|(_, port)| port & !1)
}

/// The first address and port of a header.
pub(super) fn host(message: &str, name: &str) -> Option<(IpAddr, u16)> {
    let line = message.lines().find(|line| line.starts_with(name))?;
    let (_, uri) = line.split_once("sip:")?;
    let end = uri.find(['>', ';', ',']).unwrap_or(uri.len());
    let place = uri[..end].rsplit('@').next()?;
    let place: std::net::SocketAddr = place.parse().ok()?;
    Some((place.ip(), place.port()))
}

/// Without the lines of a header.
pub(super) fn without(message: &str, name: &str) -> String {
    let kept = message.split_inclusive("\r\n").filter(|line| !line.starts_with(name));
    kept.collect()
}
