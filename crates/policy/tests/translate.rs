//! Translations of a policy: what is written for both tools, and what cannot be had.

use kinwall_policy::compile::{File, Target, compile};
use kinwall_policy::language;

/// 20 lines.
const SEGMENTS: &str = "[[segment]]\nname = \"wan\"\ninterfaces = [\"eth0\"]\ndefault = true\n\
    addresses = [\"192.0.2.1/24\", \"2001:db8::1/64\"]\nnetworks = [\"192.0.2.0/24\"]\n\
    [[segment]]\nname = \"lan\"\ninterfaces = [\"eth1\"]\n\
    networks = [\"10.1.0.0/24\", \"fd00:1::/64\"]\naddresses = [\"10.1.0.1/24\"]\n\
    [[host]]\nname = \"server\"\naddresses = [\"10.1.0.10\", \"fd00:1::10\"]\n\
    [[host]]\nname = \"two\"\naddresses = [\"10.1.0.11\", \"10.1.0.12\"]\n\
    [[host]]\nname = \"partner\"\naddresses = [\"192.0.2.99\"]\n";

fn files(text: &str, target: Target) -> Vec<File> {
    let text = format!("{SEGMENTS}{text}");
    let policy = language::read(&text, "p", None).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|p| p.to_string()).collect::<Vec<_>>().join("\n"))
    });
    compile(&policy, target, "p")
}

/// What is written for each tool has these lines; a line that begins with `!` nobody has.
fn check(text: &str, iptables: &[&str], nft: &[&str]) {
    for (target, expected) in [(Target::Iptables, iptables), (Target::Nftables, nft)] {
        let files = files(text, target);
        let rules = files.iter().filter(|file| file.name.starts_with("rules."));
        let lines: Vec<&str> = rules.flat_map(|file| file.text.lines()).map(str::trim).collect();
        for line in expected {
            match line.strip_prefix('!') {
                Some(part) => {
                    assert!(!lines.iter().any(|line| line.contains(part)), "{part} {lines:#?}");
                }
                None => assert!(lines.contains(line), "{line}\n{}", lines.join("\n")),
            }
        }
    }
}

fn source(from: &str, to: &str, rest: &str) -> String {
    format!("[[translate]]\nname = \"out\"\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}\n")
}

fn publish(host: &str, service: &str, from: &str, rest: &str) -> String {
    format!(
        "[[translate]]\nname = \"in\"\npublish = \"{host}\"\nservice = {service}\n\
         from = {from}\n{rest}\n"
    )
}

#[test]
fn sources() {
    check(
        &source("lan", "wan", "source = \"masquerade\""),
        &["-A POSTROUTING -s 10.1.0.0/24 -o eth0 -m comment --comment out -j MASQUERADE", "!fd00"],
        &["oifname \"eth0\" ip saddr @net-lan-4 masquerade comment \"out\""],
    );
    check(
        &source("lan", "wan", "source = \"masquerade\"\nfamily = \"both\"\nrandom = true"),
        &[
            "-A POSTROUTING -s 10.1.0.0/24 -o eth0 -m comment --comment out -j MASQUERADE \
             --random-fully",
            "-A POSTROUTING -s fd00:1::/64 -o eth0 -m comment --comment out -j MASQUERADE \
             --random-fully",
        ],
        &["oifname \"eth0\" ip6 saddr @net-lan-6 masquerade fully-random comment \"out\""],
    );
    check(
        &source("server", "partner", "source = \"192.0.2.4-192.0.2.9\""),
        &["-A POSTROUTING -s 10.1.0.10/32 -d 192.0.2.99/32 -o eth0 -m comment --comment out -j \
           SNAT --to-source 192.0.2.4-192.0.2.9"],
        &["oifname \"eth0\" ip saddr 10.1.0.10 ip daddr 192.0.2.99 snat ip to \
           192.0.2.4-192.0.2.9 comment \"out\""],
    );
    check(
        &source("server", "partner", "source = \"unchanged\""),
        &["-A POSTROUTING -s 10.1.0.10/32 -d 192.0.2.99/32 -o eth0 -m comment --comment out -j \
           ACCEPT"],
        &["oifname \"eth0\" ip saddr 10.1.0.10 ip daddr 192.0.2.99 accept comment \"out\""],
    );
    // Without translation there is no table for it.
    check("", &["!*nat", "!POSTROUTING"], &["!type nat"]);
}

#[test]
fn published_hosts() {
    check(
        &publish("server", "\"https\"", "\"wan\"", "port = 8443\nfamily = \"ipv4\""),
        &[
            "-A PREROUTING -d 192.0.2.1/32 -i eth0 -p tcp -m tcp --dport 8443 -m comment \
             --comment in -j DNAT --to-destination 10.1.0.10:443",
            "-A FORWARD -d 10.1.0.10/32 -i eth0 -o eth1 -p tcp -m tcp --dport 443 --tcp-flags \
             FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW --ctorigdst 192.0.2.1 \
             --ctorigdstport 8443 -m comment --comment in -j ACCEPT",
        ],
        &[
            "iifname \"eth0\" ip daddr 192.0.2.1 tcp dport 8443 dnat ip to 10.1.0.10:443 \
             comment \"in\"",
            "ip daddr 10.1.0.10 tcp dport 443 tcp flags & (fin | syn | rst | ack) == syn ct \
             state new ct original ip daddr 192.0.2.1 ct original proto-dst 8443 accept comment \
             \"in\"",
        ],
    );
    check(
        &publish("server", "\"ftp\"", "\"wan\"", "port = 21\nto-port = 2121\nfamily = \"ipv6\""),
        &[
            "-A PREROUTING -d 2001:db8::1/128 -i eth0 -p tcp -m tcp --dport 21 -m comment \
             --comment in -j DNAT --to-destination [fd00:1::10]:2121",
            "-A PREROUTING -d 2001:db8::1/128 -i eth0 -p tcp -m tcp --dport 21 -m comment \
             --comment in -j CT --helper ftp",
            "-A FORWARD -d fd00:1::10/128 -i eth0 -o eth1 -p tcp -m tcp --dport 1024:65535 -m \
             conntrack --ctstate RELATED --ctorigdst 2001:db8::1 -m helper --helper ftp -m \
             comment --comment in -j ACCEPT",
        ],
        &["iifname \"eth0\" ip6 daddr 2001:db8::1 tcp dport 21 dnat ip6 to [fd00:1::10]:2121 \
           comment \"in\""],
    );
    // Both families, the neighbours of the host among those who ask.
    check(
        &publish("server", "[\"web\", \"ping\"]", "[\"wan\", \"lan\"]", ""),
        &[
            "-A PREROUTING -s 10.1.0.0/24 -d 192.0.2.1/32 -i eth1 -p tcp -m multiport --dports \
             80,443 -m comment --comment in-web -j DNAT --to-destination 10.1.0.10",
            "-A POSTROUTING -s 10.1.0.0/24 -d 10.1.0.10/32 -o eth1 -p tcp -m multiport --dports \
             80,443 -m conntrack --ctstate DNAT -m comment --comment in-web -j MASQUERADE",
            "-A FORWARD -s 10.1.0.0/24 -d 10.1.0.10/32 -i eth1 -o eth1 -p tcp -m tcp --tcp-flags \
             FIN,SYN,RST,ACK SYN -m multiport --dports 80,443 -m conntrack --ctstate NEW \
             --ctorigdst 192.0.2.1 -m comment --comment in-web -j ACCEPT",
            "-A PREROUTING -d 2001:db8::1/128 -i eth0 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m \
             comment --comment in-ping -j DNAT --to-destination fd00:1::10",
        ],
        &[
            "oifname \"eth1\" ip saddr @net-lan-4 ip daddr 10.1.0.10 tcp dport { 80, 443 } ct \
             status dnat masquerade comment \"in-web\"",
            "\"eth1\" . \"eth1\" : jump forward-2,",
        ],
    );
}

#[test]
fn helpers_bring_their_translating_part() {
    let ftp = "[[intent]]\nservice = \"ftp\"\nfrom = \"lan\"\nto = \"wan\"\n";
    let part = "softdep nf_conntrack_ftp post: nf_nat_ftp\n";
    let hidden = format!("{ftp}{}", source("lan", "wan", "source = \"masquerade\""));
    for (text, expected) in [(ftp, false), (hidden.as_str(), true)] {
        let files = files(text, Target::Iptables);
        let options = files.iter().find(|file| file.name == "modprobe.conf").expect("the file");
        assert_eq!(options.text.contains(part), expected, "{text}");
    }
}

#[test]
fn translations_are_explained() {
    let text = source("lan", "wan", "source = \"masquerade\"\nwhy = \"Nobody shall see them.\"")
        + &publish("server", "\"https\"", "\"wan\"", "port = 8443\nfamily = \"ipv4\"");
    let files = files(&text, Target::Iptables);
    let page = &files.iter().find(|file| file.name == "explain.md").expect("the page").text;
    for part in [
        "## out\n\nThe source of what everybody in lan sends to everybody in wan becomes the \
         gateway's own address",
        "Nobody shall see them.\n",
        "## in\n\neverybody in wan may use https of 10.1.0.10, fd00:1::10 in lan. It is found at \
         192.0.2.1 and 2001:db8::1 port 8443, and nowhere else",
        "-j DNAT --to-destination 10.1.0.10:443`",
        "-j MASQUERADE`",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

/// Each row: a policy behind the segments, and `LINE:COLUMN: message` of its mistake.
#[test]
fn what_cannot_be_had() {
    let hide = |rest: &str| source("lan", "wan", rest);
    let show = |rest: &str| publish("server", "\"https\"", "\"wan\"", rest);
    let intent = "[[intent]]\nname = \"own\"\nservice = \"https\"\nfrom = \"wan\"\n\
                  to = \"gateway\"\n";
    let rows: &[(String, &str)] = &[
        (hide(""), "22:8: this says nothing about what becomes what"),
        (hide("source = \"masq\""), "25:10: `masq` is no source"),
        (hide("source = \"192.0.2.9-192.0.2.4\""), "25:10: the range ends before it begins"),
        (
            hide("source = \"192.0.2.9-2001:db8::1\""),
            "25:10: the range begins in one family, ends in another",
        ),
        (
            hide("source = \"192.0.2.9\"\nfamily = \"ipv6\""),
            "26:10: the address is one of ipv4, and nothing else becomes it",
        ),
        (hide("source = \"10.1.0.9\""), "25:10: answers to 10.1.0.9 would go to segment `lan`"),
        (hide("source = \"masquerade\"\nport = 80"), "26:8: `port` goes with `publish`"),
        (
            hide("source = \"unchanged\"\nrandom = true"),
            "26:10: a source that stays has its own port",
        ),
        (
            source("wan", "lan", "source = \"masquerade\""),
            "23:8: the senders in `wan` have no addresses to be known by in ipv4",
        ),
        (
            source("gateway", "wan", "source = \"masquerade\""),
            "23:8: the gateway's own source needs no other",
        ),
        (
            source("lan", "gateway", "source = \"masquerade\""),
            "24:6: what is for the gateway does not leave it",
        ),
        (
            source("server", "lan", "source = \"masquerade\""),
            "24:6: both ends live in segment `lan`",
        ),
        (
            source("partner", "lan", "source = \"masquerade\"\nfamily = \"ipv6\""),
            "24:6: no packet is of ipv6 at both ends",
        ),
        (
            hide("source = \"masquerade\"") + &hide("source = \"unchanged\""),
            "27:8: `out` is a name already",
        ),
        (show("source = \"masquerade\""), "26:10: `source` goes with a source, not with `publish`"),
        (
            "[[translate]]\npublish = \"server\"\nfrom = \"wan\"\n".to_owned(),
            "22:11: nothing says what of the host is published",
        ),
        (publish("lan", "\"https\"", "\"wan\"", ""), "23:11: `lan` is no host"),
        (
            publish("two", "\"https\"", "\"wan\"", ""),
            "23:11: `two` has more than one address of ipv4",
        ),
        (
            publish("sever", "\"https\"", "\"wan\"", ""),
            "23:11: no segment, host or group is called `sever`",
        ),
        (
            publish("server", "\"sane\"", "\"wan\"", ""),
            "24:11: the kernel's sane helper translates nothing",
        ),
        (
            publish("server", "\"dhcp\"", "\"wan\"", ""),
            "24:11: broadcasts are not led to another host",
        ),
        (
            publish("server", "\"web\"", "\"wan\"", "port = 8080"),
            "26:8: web has not one port: which of them is another?",
        ),
        (
            publish("server", "[\"ssh\", \"https\"]", "\"wan\"", "port = 8080"),
            "26:8: several services do not share one port",
        ),
        (
            publish("server", "\"https\"", "\"gateway\"", ""),
            "25:8: the gateway's own packets arrive nowhere",
        ),
        (show("at = \"10.1.0.10\""), "26:6: 10.1.0.10 is the host's own address"),
        (
            publish("two", "\"https\"", "\"wan\"", "at = \"2001:db8::1\""),
            "23:11: `two` has more than one address of ipv4",
        ),
        (
            publish("partner", "\"https\"", "\"lan\"", "at = \"2001:db8::1\""),
            "23:11: host, published address and those who ask have no family in common that \
             https has",
        ),
        (show("at = \"nowhere\""), "26:6: no segment, host or group is called `nowhere`"),
        (
            format!("{intent}{}", show("")),
            "27:8: tcp port 443 of 192.0.2.1 is what `own` is reached at already",
        ),
        (
            show("") + &show("").replace("\"in\"", "\"other\""),
            "28:8: tcp port 443 of 192.0.2.1 is what `in` is reached at already",
        ),
    ];
    for (text, expected) in rows {
        let text = format!("{SEGMENTS}{text}");
        let problems = language::read(&text, "p", None).err().unwrap_or_default();
        let found: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.message))
            .collect();
        assert!(found.iter().any(|found| found == expected), "{expected}\n{found:#?}\n{text}");
        assert!(problems.iter().all(|problem| problem.help.is_some()), "{text}");
    }
}
