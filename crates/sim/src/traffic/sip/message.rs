//! The text of SIP messages, in all the ways in which it may be written.

use crate::random::Random;
use kinwall_terms::Family;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

/// How the messages of a session are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    family: Family,
    compact: bool,
    /// What ends a line.
    line_end: &'static str,
    /// What stands between a header's name and its value.
    colon: &'static str,
    /// Letters as they are (0), small (1) or capital (2).
    case: u8,
    /// Header lines are continued now and then.
    folds: bool,
    /// IPv6 addresses are written in full.
    long: bool,
    pub(super) spoiled_percent: u32,
}

impl Style {
    pub(super) fn of(random: &mut Random, family: Family) -> Style {
        Style {
            family,
            compact: random.percent(25),
            line_end: random.pick(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]),
            colon: random.pick(&[": ", ": ", ": ", ":", " : ", ":\t", " :", ":\r\n ", "\t: "]),
            case: random.pick(&[0, 0, 0, 1, 2]),
            folds: random.percent(15),
            long: random.percent(20),
            spoiled_percent: random.pick(&[0, 0, 10, 50]),
        }
    }

    /// A host in a URI.
    pub(super) fn host(&self, address: IpAddr) -> String {
        match address {
            IpAddr::V6(address) if self.long => format!("[{}]", in_full(address)),
            address => super::host(address),
        }
    }

    /// A host in SDP.
    fn bare(&self, address: IpAddr) -> String {
        match address {
            IpAddr::V6(address) if self.long => in_full(address),
            address => address.to_string(),
        }
    }
}

fn in_full(address: Ipv6Addr) -> String {
    let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:X}")).collect();
    groups.join(":")
}

/// A line of a description.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) kind: &'static str,
    pub(super) port: u16,
    /// The address in a connection line of its own.
    pub(super) address: Option<IpAddr>,
    /// What is written for the port, when it is not its number.
    odd: Option<String>,
}

impl Media {
    pub(super) fn of(random: &mut Random) -> Media {
        let kind = random.pick(&[
            "audio",
            "audio",
            "audio",
            "video",
            "video",
            "image",
            "application",
            "Audio",
            "text",
        ]);
        // Few ports, so that announcements meet.
        let port = match random.below(10) {
            0 => random.between(1, 65535) as u16,
            1 => random.pick(&[1024, 1023, 65535, 65534]),
            _ => 20000 + random.below(24) as u16,
        };
        let odd = match random.below(16) {
            0..=1 => Some(String::from("0")),
            2 => Some(format!("{}", u32::from(port) + 65536)),
            3 => Some(format!("{port}/2")),
            4 => Some(format!("0{port}")),
            5 => Some(random.pick(&["", "x", "-1", "4294967296", "99999999999999999999"]).into()),
            _ => None,
        };
        Media { kind, port, address: None, odd }
    }
}

/// A message: its first line, its headers and its body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    start: String,
    headers: Vec<(&'static str, &'static str, String)>,
    body: Vec<String>,
}

impl Message {
    pub(super) fn new(start: String) -> Message {
        Message { start, headers: Vec::new(), body: Vec::new() }
    }

    /// A header with its name and its compact form.
    pub(super) fn add(&mut self, name: &'static str, compact: &'static str, value: String) {
        self.headers.push((name, compact, value));
    }

    /// A description of media at `session`.
    pub(super) fn describe(&mut self, style: &Style, session: IpAddr, media: &[Media]) {
        let kind = if style.family == Family::Ipv4 { "IP4" } else { "IP6" };
        let network = format!("IN {kind} {}", style.bare(session));
        self.add("Content-Type", "c", String::from("application/sdp"));
        self.body = vec![
            String::from("v=0"),
            format!("o=- 1 1 {network}"),
            String::from("s=-"),
            format!("c={network}"),
            String::from("t=0 0"),
        ];
        for Media { kind: media_kind, port, address, odd } in media {
            let port = odd.clone().unwrap_or_else(|| port.to_string());
            self.body.push(format!("m={media_kind} {port} RTP/AVP 0 8"));
            if let Some(address) = address {
                self.body.push(format!("c=IN {kind} {}", style.bare(*address)));
            }
            self.body.push(String::from("a=sendonly"));
        }
    }

    /// The text, with its length said rightly, wrongly, or not at all.
    pub(super) fn text(&self, random: &mut Random, style: &Style) -> String {
        let end = style.line_end;
        let mut body = self.body.clone();
        match random.below(24) {
            0 if body.len() > 3 => {
                body.remove(3);
            }
            1 if !body.is_empty() => {
                body.remove(0);
            }
            2 => body.iter_mut().for_each(|line| *line = line.to_lowercase()),
            3 if body.len() > 4 => body.swap(3, 4),
            _ => {}
        }
        let body: String = body.iter().map(|line| format!("{line}{end}")).collect();
        let mut headers = self.headers.clone();
        let length = match random.below(20) {
            0 => body.len() + 1 + random.below(40),
            1 => random.below(body.len() + 1),
            2 => 1 << 32 | body.len(),
            _ => body.len(),
        };
        if random.percent(92) {
            headers.push(("Content-Length", "l", length.to_string()));
        }
        if random.percent(8) {
            headers.remove(random.below(headers.len()));
        }
        if random.percent(8) {
            let at = random.below(headers.len());
            headers.rotate_left(at);
        }
        let mut text = format!("{}{end}", self.start);
        for (name, compact, value) in &headers {
            let name = if style.compact { compact } else { name };
            let name = match style.case {
                1 => name.to_lowercase(),
                2 => name.to_uppercase(),
                _ => name.to_string(),
            };
            let value = match style.folds && random.percent(30) {
                true => value.replacen(' ', &format!("{end} "), 1),
                false => value.clone(),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "{name}{}{value}{end}", style.colon);
        }
        format!("{text}{end}{body}")
    }
}

/// What somebody might put into a message who looks for a reader's mistakes.
const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n ",
    "\n\n",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "@",
    "<",
    ">",
    "[",
    "]",
    "=",
    "\0",
    "sip:",
    "m:",
    "v=0\r\n",
    "m=audio 20002 x\r\n",
    "c=IN IP4 10.1.0.5\r\n",
    "CSeq: 1 INVITE\r\n",
    "l: 5\r\n",
    "\u{c0}",
    "expires=60",
    ";expires=",
    "transport=udp",
    "Contact: *\r\n",
    "0",
    "65536",
    "99999999999",
    "-1",
    "\r\nContact: <sip:x>",
    "\r\nl:0\r\n\r\n",
    "SIP/2.0 200 ok\r\n",
];

/// Changes a message in one to three places.
pub(super) fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0..=3 => {
                let piece = random.pick(PIECES).bytes();
                let gone = random.pick(&[0, 0, 1, 4]);
                let end = (at + gone).min(bytes.len());
                bytes.splice(at..end, piece);
            }
            4 => bytes[at] = random.byte(),
            5 => bytes[at] ^= 0x20,
            6 => {
                let end = (at + 1 + random.below(30)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ if random.percent(50) => bytes.truncate(at),
            _ => {
                let end = (at + 1 + random.below(60)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}
