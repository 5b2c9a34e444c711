//! Messages of SIP that announce: descriptions of media (RFC 4566), and registrations (RFC 3261).

use super::announce::{Announcement, Saying};
use kinwall_terms::freedom::Announcer;
use kinwall_terms::{Direction, L4Proto};
use std::net::{IpAddr, SocketAddr};

/// The class of calls to registered phones.
const SIGNALLING: u8 = 0;

pub(super) fn sayings(announcement: &Announcement<'_>) -> Vec<Saying> {
    match announcement.row.class {
        SIGNALLING => registration(announcement),
        class => call(announcement, class),
    }
}

/// A call: the caller's offer, or the answer of who is called.
fn call(announcement: &Announcement<'_>, class: u8) -> Vec<Saying> {
    let kind = match class {
        1 => "audio",
        2 => "video",
        _ => "image",
    };
    // RTP has the even port of a pair, RTCP the odd one.
    let port = announcement.child.dport & !1;
    let body = description(kind, announcement.child.dst, port);
    match announcement.direction {
        Direction::Original => {
            vec![announcement.say(request(announcement, "INVITE", "", &body))]
        }
        Direction::Reply => vec![
            announcement.other(request(announcement, "INVITE", "", "")),
            announcement.say(answer(announcement, "INVITE", "", &body)),
        ],
    }
}

/// A registration and its answer. Which of them announces is for the profile to say.
fn registration(announcement: &Announcement<'_>) -> Vec<Saying> {
    let at = host(announcement.to());
    let contact = format!("Contact: <sip:a@{at}>;expires=3600\r\n");
    let asked = request(announcement, "REGISTER", &contact, "");
    let answered = answer(announcement, "REGISTER", &contact, "");
    if announcement.row.announcer == Announcer::Responder {
        return vec![announcement.other(asked), announcement.say(answered)];
    }
    let mut sayings = vec![announcement.say(asked), announcement.other(answered)];
    if announcement.direction == Direction::Reply {
        sayings.insert(0, announcement.other(request(announcement, "OPTIONS", "", "")));
    }
    sayings
}

fn description(kind: &str, address: IpAddr, port: u16) -> String {
    let network = match address {
        IpAddr::V4(ip) => format!("IN IP4 {ip}"),
        IpAddr::V6(ip) => format!("IN IP6 {ip}"),
    };
    format!(
        "v=0\r\no=- 1 1 {network}\r\ns=-\r\nc={network}\r\nt=0 0\r\nm={kind} {port} RTP/AVP 0\r\n"
    )
}

fn request(announcement: &Announcement<'_>, method: &str, more: &str, body: &str) -> String {
    let start = format!("{method} sip:b@{} SIP/2.0", host(ends(announcement)[1]));
    message(announcement, &start, method, more, body)
}

fn answer(announcement: &Announcement<'_>, method: &str, more: &str, body: &str) -> String {
    message(announcement, "SIP/2.0 200 OK", method, more, body)
}

fn message(
    announcement: &Announcement<'_>,
    start: &str,
    method: &str,
    more: &str,
    body: &str,
) -> String {
    let proto = if announcement.master.proto == L4Proto::TCP { "TCP" } else { "UDP" };
    let [own, peer] = ends(announcement).map(host);
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/{proto} {own};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{own}>;tag=1\r\nTo: <sip:b@{peer}>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\
         {more}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Who opened the connection, and who was called.
fn ends(announcement: &Announcement<'_>) -> [SocketAddr; 2] {
    let master = announcement.master;
    [SocketAddr::new(master.src, master.sport), SocketAddr::new(master.dst, master.dport)]
}

fn host(address: SocketAddr) -> String {
    address.to_string()
}
