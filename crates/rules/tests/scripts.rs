//! Scripts of commands: what they make, and what is said of what they cannot hold. The commands
//! of "Secure use of iptables and connection tracking helpers" are accepted as it prints them.

use kinwall_rules::load::{Defines, Loaded, Source, load};
use kinwall_rules::print;
use kinwall_terms::Family;

const DOCUMENT: &str = include_str!("../../../tests/rules/secure-use-of-helpers.txt");

fn read(text: &str, defines: &[&str]) -> Result<Loaded, String> {
    let mut names = Defines::default();
    defines.iter().for_each(|define| names.add(define).unwrap());
    let source = Source { name: "rules.sh", text, family: None };
    load(&[source], &names).map_err(|mistakes| {
        mistakes.iter().map(|mistake| mistake.render("rules.sh", text)).collect()
    })
}

/// The rules of a family, each with its table before it.
fn rules(loaded: &Loaded, family: Family) -> Vec<String> {
    let rules = loaded.ruleset(family).into_iter().flat_map(|ruleset| ruleset.rules());
    rules
        .map(|(table, chain, rule)| format!("{table} {}", print::rule(&chain.name, rule)))
        .collect()
}

fn settings(loaded: &Loaded) -> Vec<String> {
    loaded.settings.iter().map(|set| format!("{}={}", set.key, set.value)).collect()
}

#[test]
fn every_command_of_the_document_is_accepted_as_printed() {
    let loaded = read(
        DOCUMENT,
        &[
            "MY_FTP_SERVER=192.0.2.10",
            "OUT_IFACE=eth0",
            "ISP_RTP_SERVER=198.51.100.0/24",
            "PROTO=ftp",
            "NET_ETH1=10.1.0.0/24,fd00:1::/64",
            "ROUTED_VIA_ETH1=10.7.0.0/16,fd00:7::/48",
        ],
    )
    .unwrap();
    let related = "filter -A FORWARD";
    let announced = "-m conntrack --ctstate RELATED -m helper --helper";
    let data = "-m tcp --dport 1024:65535 -j ACCEPT";
    let ipv4 = [
        "raw -A PREROUTING -d 1.2.3.4/32 -p tcp -m tcp --dport 2121 -j CT --helper ftp".into(),
        "raw -A PREROUTING -d 2.3.4.5/32 -p tcp -m tcp --dport 21 -j CT --helper ftp-0".into(),
        "raw -A PREROUTING -m rpfilter --invert -j DROP".into(),
        "raw -A PREROUTING -s 10.1.0.0/24 -i eth0 -j DROP".into(),
        "raw -A PREROUTING -s 10.7.0.0/16 -i eth0 -j DROP".into(),
        "raw -A PREROUTING -s 10.1.0.0/24 -i eth1 -j ACCEPT".into(),
        "raw -A PREROUTING -s 10.7.0.0/16 -i eth1 -j ACCEPT".into(),
        "raw -A PREROUTING -i eth1 -j DROP".into(),
        format!("{related} -d 192.0.2.10/32 -p tcp {announced} ftp {data}"),
        format!("{related} -o eth0 -p tcp {announced} ftp {data}"),
        format!("{related} -i eth0 -p tcp {announced} ftp {data}"),
        format!("{related} -d 198.51.100.0/24 -p udp {announced} sip -j ACCEPT"),
    ];
    assert_eq!(rules(&loaded, Family::Ipv4), ipv4);
    let ipv6 = [
        "raw -A PREROUTING -m rpfilter --invert -j DROP".into(),
        "raw -A PREROUTING -s fd00:1::/64 -i eth0 -j DROP".into(),
        "raw -A PREROUTING -s fd00:7::/48 -i eth0 -j DROP".into(),
        "raw -A PREROUTING -s fe80::/64 -j ACCEPT".into(),
        "raw -A PREROUTING -s fd00:1::/64 -i eth1 -j ACCEPT".into(),
        "raw -A PREROUTING -s fd00:7::/48 -i eth1 -j ACCEPT".into(),
        format!("{related} -o eth0 -p tcp {announced} ftp {data}"),
        format!("{related} -i eth0 -p tcp {announced} ftp {data}"),
    ];
    assert_eq!(rules(&loaded, Family::Ipv6), ipv6);
    let expected = [
        "nf_conntrack.nf_conntrack_helper=0",
        "net.netfilter.nf_conntrack_helper=0",
        "nf_conntrack_ftp.ports=0",
    ];
    assert_eq!(settings(&loaded), expected);
}

#[test]
fn scripts_mean_what_a_shell_means() {
    // Script, IPv4 rules, settings.
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "#!/bin/sh\n# x\nIPT=/sbin/iptables\n$IPT -A INPUT -j DROP # y\n",
            &["filter -A INPUT -j DROP"],
            &[],
        ),
        ("iptables -A INPUT \\\n  -j DROP\n", &["filter -A INPUT -j DROP"], &[]),
        ("iptables -A INPUT \\\\\n-j DROP", &["filter -A INPUT -j DROP"], &[]),
        ("iptables -A INPUT \\\r\n  -j DROP\r\n", &["filter -A INPUT -j DROP"], &[]),
        ("iptables -w -t raw -A OUTPUT -j NOTRACK", &["raw -A OUTPUT -j NOTRACK"], &[]),
        (
            "X=\"-m state --state NEW\"\niptables -A INPUT $X -j DROP",
            &["filter -A INPUT -m state --state NEW -j DROP"],
            &[],
        ),
        (
            "NETS='10.0.0.0/8 fd00::/8 192.168.0.0/16'\niptables -A INPUT -s $NETS -j DROP",
            &["filter -A INPUT -s 10.0.0.0/8 -j DROP", "filter -A INPUT -s 192.168.0.0/16 -j DROP"],
            &[],
        ),
        (
            "iptables -A INPUT -m comment --comment 'it is' -j DROP",
            &["filter -A INPUT -m comment --comment \"it is\" -j DROP"],
            &[],
        ),
        (
            "A=eth\niptables -A INPUT -i ${A}0 -m comment --comment \"on $A \\\"1\\\"\"",
            &["filter -A INPUT -i eth0 -m comment --comment \"on eth \\\"1\\\"\""],
            &[],
        ),
        (
            "iptables -N x\niptables -A x -j DROP\niptables -A INPUT -j x\niptables -D INPUT 1\niptables -F x\niptables -X x",
            &[],
            &[],
        ),
        ("iptables -P INPUT DROP\nset -e\nsudo iptables -L -n -v", &[], &[]),
        (
            "modprobe nf-conntrack-ftp ports=21,2121 loose=1",
            &[],
            &["nf_conntrack_ftp.ports=21,2121", "nf_conntrack_ftp.loose=1"],
        ),
        (
            "echo \"1\" >/proc/sys/net/ipv4/conf/eth0.100/rp_filter",
            &[],
            &["net.ipv4.conf.eth0/100.rp_filter=1"],
        ),
        (
            "sysctl -w net.ipv4.ip_forward=1 net/ipv4/conf/all/rp_filter=2",
            &[],
            &["net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=2"],
        ),
        ("sysctl -q net.ipv4.tcp_mem = '1 2 3'", &[], &["net.ipv4.tcp_mem=1 2 3"]),
    ];
    for (script, expected, set) in rows {
        let loaded = read(script, &[]).unwrap_or_else(|mistakes| panic!("{script}\n{mistakes}"));
        assert_eq!(&rules(&loaded, Family::Ipv4), expected, "{script}");
        assert_eq!(&settings(&loaded), set, "{script}");
    }
}

#[test]
fn other_shell_is_an_error_at_its_place() {
    // Script, place, a part of what is said.
    let rows = [
        ("\niptables -A INPUT -s $X -j DROP", "2:22", "--define X=VALUE"),
        ("for i in 1 2; do\n", "1:13", "a line of its own"),
        ("for i in 1 2\n", "1:1", "write the commands out"),
        ("iptables -A INPUT -j DROP; iptables -F", "1:26", "a line of its own"),
        ("iptables -A INPUT -s $(hostname)", "1:22", "only $NAME"),
        ("iptables -A INPUT -s `hostname`", "1:22", "write out"),
        ("iptables -A INPUT -j DROP > /dev/null", "1:27", "remove the redirection"),
        ("iptables -A INPUT -m comment --comment 'x", "1:40", "never closed"),
        ("iptables -A INPUT \\  \n-j DROP", "1:19", "its last character"),
        ("iptable -A INPUT", "1:1", "did you mean iptables?"),
        ("echo hello", "1:1", "only prints"),
        ("echo 1 > /proc/sys/net/ipv4/conf/*/rp_filter", "1:10", "several files"),
        ("echo 1 > /etc/passwd", "1:10", "/proc/sys/"),
        ("modprobe", "1:1", "needs a module"),
        ("modprobe x y", "1:12", "NAME=VALUE"),
        ("sysctl -a", "1:1", "sets nothing"),
        ("iptables", "1:1", "does nothing"),
        ("X=1 iptables -L", "1:5", "nothing may follow"),
        ("X=10.0.0.0/8\nip6tables -A INPUT -s $X", "2:23", "holds no ipv6 address"),
        ("iptables -A INPUT \\\n  -p tpc -j DROP", "2:6", "did you mean tcp?"),
        ("iptables -A INPUT -i ${X:-eth0}", "1:22", "only $NAME"),
        ("iptables-restore < rules", "1:18", "read nothing"),
    ];
    for (script, place, said) in rows {
        let mistakes = read(script, &[]).expect_err(script);
        let first = mistakes.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("rules.sh:{place}:")), "{script}\n{mistakes}");
        assert!(mistakes.contains(said), "{script}\n{mistakes}");
    }
}
