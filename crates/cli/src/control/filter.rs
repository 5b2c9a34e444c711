//! Which connections are meant: the filters of `conntrack -L`, and a few more.

use clap::Args;
use ipnet::IpNet;
use kinwall_engine::{Engine, View};
use kinwall_terms::{Family, L4Proto, Status, Tuple};
use kinwall_wire::Headers;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// All that is given must fit.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Which connections (all that is given must fit)")]
pub(crate) struct Filter {
    /// Protocol: a name such as tcp, or a number
    #[arg(short, long, value_name = "PROTO", value_parser = proto)]
    #[serde(skip_serializing_if = "Option::is_none")]
    proto: Option<u8>,
    /// ipv4 or ipv6
    #[arg(short, long, value_name = "FAMILY", value_parser = ["ipv4", "ipv6"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    /// Source of the first packet: an address or a network
    #[arg(short = 's', long = "src", visible_alias = "orig-src", value_name = "NET",
        value_parser = net)]
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<IpNet>,
    /// Its destination
    #[arg(short = 'd', long = "dst", visible_alias = "orig-dst", value_name = "NET",
        value_parser = net)]
    #[serde(skip_serializing_if = "Option::is_none")]
    dst: Option<IpNet>,
    /// Its source port
    #[arg(long, visible_alias = "orig-port-src", value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    /// Its destination port
    #[arg(long, visible_alias = "orig-port-dst", value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
    /// Source of the answers
    #[arg(short = 'r', long, value_name = "NET", value_parser = net)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_src: Option<IpNet>,
    /// Destination of the answers
    #[arg(short = 'q', long, value_name = "NET", value_parser = net)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_dst: Option<IpNet>,
    /// connmark, with a mask if wanted: 0x10/0xf0
    #[arg(short, long, value_name = "MARK[/MASK]", value_parser = mark)]
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<[u32; 2]>,
    /// A status, such as ASSURED or SEEN_REPLY; UNREPLIED for those that nobody answered
    #[arg(short = 'u', long, value_name = "STATUS", value_parser = status)]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// State of the protocol, such as ESTABLISHED
    #[arg(long, value_name = "STATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Zone
    #[arg(short = 'w', long, value_name = "ZONE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<u16>,
    /// Those with this helper, and those it announced
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    helper: Option<String>,
    /// Those whose source is translated
    #[arg(short = 'n', long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    src_nat: bool,
    /// Those whose destination is translated
    #[arg(short = 'g', long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dst_nat: bool,
    /// The one with this number, and those it announced
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
}

impl Filter {
    /// Whether nothing is given: everything fits.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether a connection fits.
    pub(crate) fn fits(&self, engine: &Engine, view: &View) -> bool {
        let master = view.master;
        let in_net = |net: Option<IpNet>, address| net.is_none_or(|net| net.contains(&address));
        let named = |id| self.helper.as_deref() == Some(engine.helper_name(id));
        self.fits_tuple(&view.original)
            && in_net(self.reply_src, view.reply.src)
            && in_net(self.reply_dst, view.reply.dst)
            && self.mark.is_none_or(|[value, mask]| view.mark & mask == value)
            && self.status.as_deref().is_none_or(|wanted| has_status(view.status, wanted))
            && self.state.as_deref().is_none_or(|wanted| view.state == Some(wanted))
            && self.zone.is_none_or(|zone| view.zone.id == zone)
            && (!self.src_nat || view.status.contains(Status::SRC_NAT))
            && (!self.dst_nat || view.status.contains(Status::DST_NAT))
            && (self.helper.is_none()
                || view.helper.is_some_and(named)
                || master.and_then(|master| master.helper).is_some_and(named))
            && self.connection.is_none_or(|number| {
                view.serial == number || master.is_some_and(|master| master.serial == number)
            })
    }

    /// Whether what is asked is about the ends of packets and nothing else.
    pub(crate) fn is_about_packets(&self) -> bool {
        let Filter { proto, family, src, dst, sport, dport, .. } = self.clone();
        *self == Filter { proto, family, src, dst, sport, dport, ..Filter::default() }
    }

    /// Whether a packet fits, in either direction.
    pub(crate) fn fits_packet(&self, headers: &Headers) -> bool {
        let (sport, dport) = headers.ports().unwrap_or((0, 0));
        let Headers { src, dst, proto, .. } = *headers;
        let there = Tuple { src, dst, sport, dport, proto };
        let back = Tuple { src: dst, dst: src, sport: dport, dport: sport, proto };
        self.fits_tuple(&there) || self.fits_tuple(&back)
    }

    /// The part that is about the first packet's ends.
    fn fits_tuple(&self, tuple: &Tuple) -> bool {
        let in_net = |net: Option<IpNet>, address| net.is_none_or(|net| net.contains(&address));
        let has_ports = !matches!(tuple.proto, L4Proto::ICMP | L4Proto::ICMPV6 | L4Proto::GRE);
        let port = |wanted: Option<u16>, port| wanted.is_none_or(|one| has_ports && one == port);
        let family = match tuple.family() {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        self.proto.is_none_or(|proto| tuple.proto.0 == proto)
            && self.family.as_deref().is_none_or(|wanted| wanted == family)
            && in_net(self.src, tuple.src)
            && in_net(self.dst, tuple.dst)
            && port(self.sport, tuple.sport)
            && port(self.dport, tuple.dport)
    }
}

fn has_status(status: Status, wanted: &str) -> bool {
    match wanted {
        "UNREPLIED" => !status.contains(Status::SEEN_REPLY),
        wanted => status.names().any(|name| name == wanted),
    }
}

fn proto(text: &str) -> Result<u8, String> {
    let named = (0..=u8::MAX).find(|number| {
        let name = L4Proto(*number).name();
        name == Some(text) || (text == "ipv6-icmp" && name == Some("icmpv6"))
    });
    named.or_else(|| text.parse().ok()).ok_or_else(|| {
        String::from("no protocol: a name such as tcp, udp, icmp, icmpv6, gre, sctp, or a number")
    })
}

fn net(text: &str) -> Result<IpNet, String> {
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| String::from("neither an address nor a network such as 192.0.2.0/24"))
}

fn mark(text: &str) -> Result<[u32; 2], String> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    let both = number(value).and_then(|value| Ok([value, number(mask)?]));
    both.map_err(|_| String::from("no mark such as 1, 0x10 or 0x10/0xf0"))
}

fn status(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let known = Status::all().names().chain(["UNREPLIED"]).any(|name| name == upper);
    let names: Vec<&str> = Status::all().names().chain(["UNREPLIED"]).collect();
    if known { Ok(upper) } else { Err(format!("there are {}", names.join(", "))) }
}
