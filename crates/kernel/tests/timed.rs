//! Matches that live by the clock or by counting: the same packets at the same moments through
//! the kernel and through kinwall.
//!
//! Moments keep away from those at which an answer changes, by more than what the machine may be
//! late.

#[allow(dead_code, reason = "the comparison of whole cases uses the rest")]
#[path = "agreement/ours.rs"]
mod ours;
#[allow(dead_code, reason = "there are no sets here")]
#[path = "agreement/scene.rs"]
mod scene;

use kinwall_wire::emit::{Packet, Tcp, Udp};
use kinwall_wire::tcp::TcpFlags;
use scene::{Step, compare, play, rules};
use std::net::IpAddr;

const INSIDE: &str = "10.1.0.5";
const OUTSIDE: &str = "203.0.113.9";

/// UDP from inside, by source port.
fn udp(wait_ms: u64, sport: u16) -> Step {
    udp_from(wait_ms, INSIDE, sport)
}

fn udp_from(wait_ms: u64, source: &str, sport: u16) -> Step {
    let ends: [IpAddr; 2] = [source, OUTSIDE].map(|text| text.parse().expect("an address"));
    let packet = Packet::new(ends[0], ends[1], Udp::new(sport, 53)).payload([7; 100]);
    Step { wait_ms, from: "eth1", bytes: packet.build() }
}

/// The same packet `count` times at once.
fn burst(count: usize, wait_ms: u64, packet: impl Fn(u64) -> Step) -> Vec<Step> {
    (0..count).map(|n| packet(if n == 0 { wait_ms } else { 0 })).collect()
}

/// A TCP segment of the connection from `port`, by who sends it.
fn tcp(wait_ms: u64, inside: bool, port: u16, flags: TcpFlags, numbers: [u32; 2]) -> Step {
    let ends: [IpAddr; 2] = [INSIDE, OUTSIDE].map(|text| text.parse().expect("an address"));
    let (ends, ports, from) = match inside {
        true => (ends, [port, 80], "eth1"),
        false => ([ends[1], ends[0]], [80, port], "eth0"),
    };
    let header = Tcp::new(ports[0], ports[1]).flags(flags).seq(numbers[0]).ack(numbers[1]);
    Step { wait_ms, from, bytes: Packet::new(ends[0], ends[1], header).build() }
}

#[test]
fn limit() {
    let rules = rules(
        &["-m limit --limit 5/sec --limit-burst 3", "-m limit --limit 2/sec --limit-burst 1"],
        "",
    );
    let mut steps = burst(5, 0, |wait| udp(wait, 1));
    steps.extend(burst(3, 300, |wait| udp(wait, 1)));
    steps.extend(burst(5, 1100, |wait| udp(wait, 1)));
    let Some(marks) = compare("limit", &rules, &steps) else { return };
    let first: Vec<u32> = marks.iter().flatten().map(|mark| mark & 1).collect();
    assert_eq!(first, [1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0]);
}

#[test]
fn hashlimit() {
    let limit = "-m hashlimit --hashlimit-htable-expire 60000";
    let rules = rules(
        &[
            &format!("{limit} --hashlimit-upto 5/sec --hashlimit-burst 3 --hashlimit-name a"),
            &format!(
                "{limit} --hashlimit-above 5/sec --hashlimit-burst 3 --hashlimit-name b \
                 --hashlimit-mode srcip,srcport"
            ),
            &format!("{limit} --hashlimit-upto 1kb/s --hashlimit-name c"),
            &format!("{limit} --hashlimit-upto 512b/s --hashlimit-burst 1kb --hashlimit-name d"),
            // The first rule of a table decides its rate.
            &format!("{limit} --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-name a"),
            &format!(
                "{limit} --hashlimit-upto 5/sec --hashlimit-burst 2 --hashlimit-name e \
                 --hashlimit-mode srcip --hashlimit-srcmask 24"
            ),
        ],
        "",
    );
    let mut steps = burst(5, 0, |wait| udp(wait, 1));
    steps.extend(burst(3, 0, |wait| udp(wait, 2)));
    steps.extend(burst(3, 300, |wait| udp(wait, 1)));
    steps.extend(burst(3, 0, |wait| udp_from(wait, "10.1.0.6", 1)));
    steps.extend(burst(5, 1100, |wait| udp(wait, 1)));
    steps.extend(burst(12, 1500, |wait| udp(wait, 1)));
    compare("hashlimit", &rules, &steps);
}

#[test]
fn hashlimit_measures() {
    let measure = "-m hashlimit --hashlimit-rate-match --hashlimit-htable-expire 60000";
    let rules = rules(
        &[
            &format!("{measure} --hashlimit-above 3/sec --hashlimit-burst 2 --hashlimit-name a"),
            &format!(
                "{measure} --hashlimit-upto 8/sec --hashlimit-name b --hashlimit-rate-interval 2"
            ),
            &format!("{measure} --hashlimit-above 512b/s --hashlimit-name c"),
        ],
        "",
    );
    let mut steps = burst(10, 0, |wait| udp(wait, 1));
    steps.extend(burst(2, 1200, |wait| udp(wait, 1)));
    steps.extend(burst(2, 1200, |wait| udp(wait, 1)));
    steps.extend(burst(9, 1200, |wait| udp(wait, 1)));
    compare("hashlimit_measures", &rules, &steps);
}

#[test]
fn hashlimit_tables_are_bounded_and_forget() {
    let rules = rules(
        &["-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode srcport \
           --hashlimit-name a --hashlimit-htable-size 16 --hashlimit-htable-max 16 \
           --hashlimit-htable-expire 500 --hashlimit-htable-gcinterval 100"],
        "",
    );
    let mut steps: Vec<Step> = (0..18).map(|port| udp(0, 1000 + port)).collect();
    steps.push(udp(0, 1000));
    steps.push(udp(900, 1100));
    let Some(marks) = compare("hashlimit_bounded", &rules, &steps) else { return };
    let dropped: Vec<usize> =
        marks.iter().enumerate().filter(|(_, mark)| mark.is_none()).map(|m| m.0).collect();
    assert_eq!(dropped, [16, 17]);
}

#[test]
fn recent() {
    let rules = rules(
        &[
            "-m recent --rcheck --seconds 1 --hitcount 3 --name a",
            "-m recent --update --seconds 1 --hitcount 2 --name b",
            "-m recent --set --name a",
            "-m recent --set --name b",
            "-m recent --rcheck --seconds 1 --reap --name a",
            "-m recent ! --rcheck --name c --rdest",
            "-p udp --sport 7 -m recent --set --name c --rdest",
            "-p udp --sport 8 -m recent --remove --name c --rdest",
            "-m recent --update --rttl --name d --mask 255.255.255.0",
            "-p udp --sport 9 -m recent --set --name d --mask 255.255.255.0",
        ],
        "",
    );
    let mut steps = burst(4, 0, |wait| udp(wait, 1));
    steps.extend(burst(2, 600, |wait| udp(wait, 1)));
    steps.extend(burst(3, 700, |wait| udp(wait, 1)));
    steps.extend(burst(3, 1300, |wait| udp(wait, 1)));
    steps.extend([7, 1, 8, 1, 7, 7, 1, 9, 1].map(|port| udp(0, port)));
    steps.push(udp_from(0, "10.1.0.6", 1));
    compare("recent", &rules, &steps);
}

#[test]
fn recent_lists_hold_a_hundred() {
    let rules =
        rules(&["-m recent --rcheck --name a", "-p udp --sport 1 -m recent --set --name a"], "");
    let host = |n: usize| format!("10.7.{}.{}", n / 200, n % 200 + 1);
    let mut steps: Vec<Step> = (0..103).map(|n| udp_from(0, &host(n), 1)).collect();
    steps.extend((0..6).map(|n| udp_from(0, &host(n), 2)));
    compare("recent_bounded", &rules, &steps);
}

#[test]
fn quota_and_nth() {
    let rules = rules(
        &[
            "-m quota --quota 300",
            "-m quota ! --quota 300",
            "-m statistic --mode nth --every 3 --packet 1",
            "-m statistic --mode nth ! --every 2 --packet 0",
        ],
        "",
    );
    compare("quota_and_nth", &rules, &burst(7, 0, |wait| udp(wait, 1)));
}

#[test]
fn chance() {
    const PACKETS: usize = 400;
    let random = ["0", "1", "0.5", "! 0.1"].map(|share| match share.strip_prefix("! ") {
        Some(share) => format!("-m statistic --mode random ! --probability {share}"),
        None => format!("-m statistic --mode random --probability {share}"),
    });
    let rules = rules(&random.each_ref().map(String::as_str), "");
    let steps = burst(PACKETS, 0, |wait| udp(wait, 1));
    let Some(answers) = play("chance", &rules, None, &steps) else { return };
    // Six standard deviations to either side: one run in five hundred million is beyond them.
    let shares = [0..=0, 400..=400, 140..=260, 324..=396];
    for (side, name) in ["kernel", "kinwall"].into_iter().enumerate() {
        for (bit, share) in shares.iter().enumerate() {
            let matched = answers
                .iter()
                .filter(|seen| seen[side].2.is_some_and(|mark| mark >> bit & 1 == 1))
                .count();
            assert!(share.contains(&matched), "{name}, {}: {matched}", random[bit]);
        }
    }
}

#[test]
fn time() {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut matches: Vec<String> =
        days.iter().map(|day| format!("-m time ! --weekdays {day}")).collect();
    for (start, stop) in [(0, 8), (8, 16), (16, 23), (20, 4), (4, 20)] {
        matches.push(format!("-m time --timestart {start}:00 --timestop {stop}:59:59"));
    }
    matches.extend(days[..3].iter().map(|day| {
        format!("-m time --contiguous --weekdays {day} --timestart 23:00 --timestop 22:00")
    }));
    for words in [
        "--monthdays 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31",
        "--datestart 2024-02-29 --datestop 2037-12-31T23:59:59",
        "--datestop 2024-02-29T12",
        "--kerneltz --timestart 06:00 --timestop 18:00 ! --monthdays 31",
    ] {
        matches.push(format!("-m time {words}"));
    }
    let matches: Vec<&str> = matches.iter().map(String::as_str).collect();
    compare("time", &rules(&matches, ""), &burst(2, 0, |wait| udp(wait, 1)));
}

/// A tick of the kernel's clock is 1 to 10 ms: within one it looks at its connections only once.
const TICK_MS: u64 = 25;

#[test]
fn connlimit_of_datagrams() {
    let above = "-m connlimit --connlimit-above";
    let rules = rules(
        &[
            &format!("{above} 1 --connlimit-mask 0"),
            &format!("{above} 0"),
            &format!("{above} 2 --connlimit-mask 24 --connlimit-daddr"),
            "-m connlimit --connlimit-upto 1",
        ],
        "-A FORWARD -p udp --sport 9 -j DROP\n",
    );
    let from = |source| move |port| udp_from(TICK_MS, source, port);
    let (a, b) = (from(INSIDE), from("10.1.0.6"));
    // Port 9 never survives.
    let steps =
        [a(1), a(9), a(1), a(9), a(2), a(1), b(1), b(9), b(9), b(1), a(3), a(9), a(1), a(2), a(3)];
    compare("connlimit_of_datagrams", &rules, &steps);
}

#[test]
fn connlimit_of_streams() {
    let above = "-p tcp -m connlimit --connlimit-above";
    let rules = rules(
        &[&format!("{above} 1 --connlimit-mask 0"), &format!("{above} 0 --connlimit-mask 0")],
        "",
    );
    let (syn, ack, fin, rst) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN, TcpFlags::RST);
    let open = |port| {
        [
            tcp(TICK_MS, true, port, syn, [100, 0]),
            tcp(TICK_MS, false, port, syn | ack, [500, 101]),
            tcp(TICK_MS, true, port, ack, [101, 501]),
        ]
    };
    let mut steps = Vec::from(open(1000));
    steps.extend(open(1001));
    steps.push(tcp(TICK_MS, true, 1000, fin | ack, [101, 501]));
    steps.push(tcp(TICK_MS, false, 1000, fin | ack, [501, 102]));
    steps.push(tcp(TICK_MS, true, 1000, ack, [102, 502]));
    steps.push(tcp(TICK_MS, true, 1001, ack, [101, 501]));
    steps.push(tcp(TICK_MS, true, 1001, rst | ack, [101, 501]));
    steps.push(tcp(TICK_MS, true, 1001, rst | ack, [101, 501]));
    steps.extend(open(1002));
    compare("connlimit_of_streams", &rules, &steps);
}
