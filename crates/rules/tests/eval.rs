//! What the matches and targets of the frame answer: tables of rules and packets.

#[path = "common/ask.rs"]
mod ask;

use ask::{Rule, Said, Scene};
use kinwall_rules::eval::Decision;
use kinwall_rules::facts::CtTemplate;
use kinwall_terms::ct::CtFacts;
use kinwall_terms::{
    CtState, Direction, Family, Hook, L4Proto, RejectWith, Status, Table, Tuple, Zone, ZoneScope,
};
use kinwall_topology::Topology;
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{Packet, Tcp, TcpOptions, Transport, Udp};
use std::net::{IpAddr, Ipv4Addr};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 2));

fn packet(transport: impl Into<Transport>) -> Vec<u8> {
    Packet::new(CLIENT, SERVER, transport).build()
}

fn tcp(flags: TcpFlags) -> Vec<u8> {
    packet(Tcp::new(40_000, 21).flags(flags))
}

/// Each row is a rule and what it says of `scene`.
fn check(scene: &Scene<'_>, rows: &[(&str, Said)]) {
    for (rule, expected) in rows {
        assert_eq!(Rule::new(Family::Ipv4, rule).ask(scene), *expected, "{rule}");
    }
}

use Said::{HotDrop, No, Yes};

#[test]
fn addresses_interfaces_and_protocol() {
    let rows = [
        ("", Yes),
        ("-s 10.1.0.0/16", Yes),
        ("! -s 10.1.0.0/16", No),
        ("-s 10.0.0.2/255.0.0.255", Yes),
        ("-d 10.1.0.2", No),
        ("-d 10.2.0.2 -s 10.1.0.2", Yes),
        ("-i eth1 -o eth0", Yes),
        ("-i eth0", No),
        ("-i et+ ! -o eth1", Yes),
        ("! -i e+", No),
        ("! -i +", No),
        ("-p tcp", Yes),
        ("-p udp", No),
        ("! -p udp", Yes),
        ("-f", No),
        ("! -f", Yes),
    ];
    check(&Scene::new(tcp(TcpFlags::SYN)), &rows);
    let nowhere = Scene { input: "", output: "", ..Scene::new(tcp(TcpFlags::SYN)) };
    check(&nowhere, &[("-i eth0", No), ("! -i eth0", Yes), ("-i eth+", No), ("! -o +", No)]);
}

#[test]
fn tcp_ports_flags_and_options() {
    let rows = [
        ("-p tcp --dport 21", Yes),
        ("-p tcp ! --dport 21", No),
        ("-p tcp --dport 20:22 --sport 1024:", Yes),
        ("-p tcp --sport :1023", No),
        ("-p tcp --syn", Yes),
        ("-p tcp ! --syn", No),
        ("-p tcp --tcp-flags SYN,ACK SYN,ACK", No),
        ("-p tcp --tcp-flags ALL SYN", Yes),
        ("-p tcp --tcp-option 2", No),
        ("-p tcp ! --tcp-option 2", Yes),
        ("! -p udp -m udp --dport 21", Yes),
        ("-p tcp -m tcp", Yes),
    ];
    check(&Scene::new(tcp(TcpFlags::SYN)), &rows);
    let options = TcpOptions::new().mss(1460).sack_permitted();
    let syn = packet(Tcp::new(40_000, 21).flags(TcpFlags::SYN).options(options));
    let rows = [
        ("-p tcp --tcp-option 2", Yes),
        ("-p tcp --tcp-option 4", Yes),
        ("-p tcp --tcp-option 8", No),
    ];
    check(&Scene::new(syn), &rows);
}

#[test]
fn headers_cut_short_match_nothing_or_are_dropped() {
    let cut = |length: u8| {
        let mut cut = tcp(TcpFlags::SYN);
        cut.truncate(length.into());
        cut[3] = length;
        Scene::new(cut)
    };
    // Within the ports.
    let rows = [
        ("-p tcp", Yes),
        ("-p tcp --sport 40000", Yes),
        ("-p tcp ! --sport 40000", No),
        ("-p tcp ! --sport 40001", Yes),
        ("-p tcp --sport 40000 --dport 21", No),
        ("-p tcp --dport 21", No),
        ("-p tcp ! --dport 21", No),
        ("-p tcp -m tcp", HotDrop),
        ("-p tcp --tcp-option 2", HotDrop),
        ("-p tcp -m multiport --dports 21", HotDrop),
        ("-p tcp -m multiport ! --dports 21", HotDrop),
    ];
    check(&cut(22), &rows);
    // Behind them: they are compared, the flags are not there.
    let rows = [
        ("-p tcp --dport 21", Yes),
        ("-p tcp ! --dport 21", No),
        ("-p tcp --dport 21 --syn", No),
        ("-p tcp ! --syn", No),
        ("-p tcp -m tcp", HotDrop),
        ("-p tcp --dport 21 --tcp-option 2", HotDrop),
        ("-p tcp -m multiport --dports 21", Yes),
        ("-p tcp -m multiport ! --dports 21", No),
    ];
    check(&cut(30), &rows);
    let later = Packet::new(CLIENT, SERVER, Udp::new(1, 2)).fragment(7, 1480, false).build();
    let rows = [
        ("-f", Yes),
        ("! -f", No),
        ("-p udp", Yes),
        ("-p udp --dport 2", No),
        ("-p udp -m udp", No),
        ("-p udp -m multiport ! --dports 2", No),
    ];
    check(&Scene::new(later), &rows);
}

#[test]
fn udp_and_lists_of_ports() {
    let rows = [
        ("-p udp --dport 53", Yes),
        ("-p udp ! --sport 5000", No),
        ("-p udp -m udp", Yes),
        ("-p udp -m multiport --dports 20,53", Yes),
        ("-p udp -m multiport --sports 20,53", No),
        ("-p udp -m multiport --ports 1:52,4999:5001", Yes),
        ("-p udp -m multiport ! --ports 53", No),
        ("! -p tcp -m tcp --dport 53", Yes),
    ];
    check(&Scene::new(packet(Udp::new(5000, 53))), &rows);
}

/// The data connection of an FTP session, seen in reply direction.
fn child() -> CtFacts<'static> {
    let original =
        Tuple { src: SERVER, dst: CLIENT, sport: 20, dport: 40_001, proto: L4Proto::TCP };
    CtFacts {
        direction: Direction::Reply,
        status: Status::EXPECTED | Status::CONFIRMED | Status::SEEN_REPLY,
        original,
        reply: original.invert().unwrap(),
        mark: 0,
        expires_s: 120,
        has_master: true,
        master_helper: Some("ftp"),
        counters: None,
        zone: [0, 0],
    }
}

#[test]
fn conntrack_asks_the_state_and_the_connection() {
    let scene =
        Scene { ct_state: CtState::Related, ct: Some(child()), ..Scene::new(tcp(TcpFlags::ACK)) };
    let rows = [
        ("-m conntrack --ctstate RELATED", Yes),
        ("-m conntrack --ctstate NEW,ESTABLISHED", No),
        ("-m conntrack ! --ctstate NEW", Yes),
        ("-m state --state RELATED", Yes),
        ("-m conntrack --ctproto tcp --ctorigsrc 10.2.0.0/16 --ctorigdst 10.1.0.2", Yes),
        ("-m conntrack ! --ctproto tcp", No),
        ("-m conntrack --ctreplsrc 10.2.0.2", No),
        ("-m conntrack --ctorigsrcport 20 --ctorigdstport 40000:40002", Yes),
        ("-m conntrack --ctreplsrcport 20", No),
        ("-m conntrack --ctrepldstport 20", Yes),
        ("-m conntrack --ctstatus EXPECTED", Yes),
        ("-m conntrack --ctstatus ASSURED", No),
        ("-m conntrack --ctstatus NONE", No),
        ("-m conntrack ! --ctstatus NONE", Yes),
        ("-m conntrack --ctexpire 100:120", Yes),
        ("-m conntrack ! --ctexpire 100:120", No),
        ("-m conntrack --ctdir REPLY", Yes),
        ("-m conntrack --ctdir ORIGINAL", No),
        ("-m conntrack --ctstate SNAT", No),
    ];
    check(&scene, &rows);
    let translated = CtFacts { status: child().status | Status::SRC_NAT, ..child() };
    let scene = Scene { ct: Some(translated), ..scene };
    check(&scene, &[("-m conntrack --ctstate SNAT", Yes), ("-m conntrack --ctstate DNAT", No)]);
}

#[test]
fn a_packet_without_connection_is_only_asked_for_its_state() {
    let scene = Scene { ct_state: CtState::Invalid, ..Scene::new(tcp(TcpFlags::ACK)) };
    let rows = [
        ("-m conntrack --ctstate INVALID --ctproto udp --ctdir REPLY", Yes),
        ("-m conntrack --ctproto tcp", No),
        ("-m conntrack ! --ctproto udp", No),
        ("-m conntrack ! --ctstate NEW", Yes),
        ("-m state --state INVALID", Yes),
    ];
    check(&scene, &rows);
}

#[test]
fn behind_a_ct_rule_its_template_stands_in_for_the_connection() {
    let scene = Scene { ct_state: CtState::Invalid, ..Scene::new(tcp(TcpFlags::ACK)) };
    let rows = [
        ("CT --zone 3", "-m conntrack --ctstate NEW", Yes),
        ("CT --zone 3", "-m state --state NEW", Yes),
        ("CT --zone 3", "-m state --state INVALID", No),
        ("CT --zone 3", "-m conntrack --ctstatus CONFIRMED", Yes),
        ("CT --zone 3", "-m conntrack --ctstatus SEEN_REPLY", No),
        ("CT --zone 3", "-m conntrack --ctdir ORIGINAL", Yes),
        ("CT --zone 3", "-m conntrack --ctorigsrc 0.0.0.0", Yes),
        ("CT --zone 3", "-m conntrack --ctorigdst 10.0.0.0/8", No),
        ("CT --zone 3", "-m conntrack --ctproto tcp", No),
        ("CT --zone 3", "-m conntrack --ctexpire 0", Yes),
        ("CT --zone 3", "-m connmark --mark 0", Yes),
        ("CT --zone 3", "-m helper --helper ftp", No),
        ("CT --notrack", "-m conntrack --ctstate UNTRACKED", Yes),
        ("CT --notrack", "-m conntrack --ctdir ORIGINAL", No),
        ("CT --notrack", "-m connmark --mark 0", No),
    ];
    for (target, asked, expected) in rows {
        let text = format!("-j {target}\n-A PREROUTING {asked} -j ACCEPT");
        let mut rule = Rule::at(Family::Ipv4, Table::Raw, Hook::Prerouting, &text);
        assert_eq!(rule.ask(&scene), expected, "{target}: {asked}");
    }
}

#[test]
fn helper_compares_with_the_helper_of_the_master() {
    let scene = Scene { ct: Some(child()), ..Scene::new(tcp(TcpFlags::ACK)) };
    let rows = [
        ("-m helper --helper ftp", Yes),
        ("-m helper --helper ftp-2121", Yes),
        ("-m helper --helper ftpx", Yes),
        ("-m helper --helper ft", No),
        ("-m helper --helper irc", No),
        ("-m helper ! --helper ftp", No),
        ("-m helper --helper \"\"", Yes),
        ("-m helper ! --helper \"\"", No),
    ];
    check(&scene, &rows);
    let named = CtFacts { master_helper: Some("ftp-2121"), ..child() };
    let scene = Scene { ct: Some(named), ..scene };
    check(&scene, &[("-m helper --helper ftp", No), ("-m helper --helper ftp-2121", Yes)]);
    let ordinary = Scene::new(tcp(TcpFlags::ACK));
    let rows = [
        ("-m helper --helper ftp", No),
        ("-m helper ! --helper ftp", Yes),
        ("-m helper --helper \"\"", No),
        ("-m comment --comment any", Yes),
    ];
    check(&ordinary, &rows);
}

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24"]
networks = ["10.1.0.0/24"]
[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24"]
default = true
"#;

#[test]
fn rpfilter_asks_the_topology() {
    let rows = [
        ("-m rpfilter", "eth1", Decision::Accept),
        ("-m rpfilter", "eth0", Decision::Drop(kinwall_terms::Reason::ChainPolicy)),
        ("-m rpfilter --invert", "eth0", Decision::Accept),
        ("-m rpfilter --loose", "eth0", Decision::Accept),
    ];
    for (rule, input, expected) in rows {
        let text = format!("{rule} -j ACCEPT");
        let mut asked = Rule::at(Family::Ipv4, Table::Raw, Hook::Prerouting, &text);
        asked.topology = Topology::from_toml(TOPOLOGY, "topology.toml").unwrap();
        let scene = Scene { input, ..Scene::new(tcp(TcpFlags::SYN)) };
        assert_eq!(asked.walk(&scene).0, expected, "{rule} {input}");
    }
}

#[test]
fn ct_writes_the_template_once() {
    let template = CtTemplate::default();
    let rows = [
        (
            "-p tcp -j CT --helper ftp",
            CtTemplate { helper: Some("ftp".into()), ..template.clone() },
        ),
        ("-j CT", template.clone()),
        ("-j NOTRACK", CtTemplate { notrack: true, ..template.clone() }),
        (
            "-j CT --zone-orig mark",
            CtTemplate { zone: Zone { id: 7, scope: ZoneScope::Original }, ..template.clone() },
        ),
        ("-j CT --ctevents new,mark", CtTemplate { events: Some(0x81), ..template.clone() }),
    ];
    let scene = Scene { mark: 0x5_0007, ..Scene::new(tcp(TcpFlags::SYN)) };
    for (rule, expected) in rows {
        let again = format!("{rule}\n-A PREROUTING -j CT --zone 9");
        let mut asked = Rule::at(Family::Ipv4, Table::Raw, Hook::Prerouting, &again);
        assert_eq!(asked.walk(&scene).1.ct, Some(expected), "{rule}");
    }
    let known = Scene { ct: Some(child()), ..scene };
    let mut asked = Rule::at(Family::Ipv4, Table::Raw, Hook::Prerouting, "-j NOTRACK");
    assert_eq!(asked.walk(&known).1.ct, None);
}

#[test]
fn log_records_and_reject_answers() {
    let scene = Scene::new(tcp(TcpFlags::SYN));
    let text =
        "-j LOG\n-A FORWARD -p udp -j LOG\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset";
    let (decision, state) = Rule::at(Family::Ipv4, Table::Filter, Hook::Forward, text).walk(&scene);
    assert_eq!(decision, Decision::Reject(RejectWith::TcpReset));
    assert_eq!(state.logged.len(), 1);
}
