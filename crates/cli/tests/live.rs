//! The running machine, in a network namespace that the test makes: `topology --live`,
//! `policy init --live`, `policy diff --live`, `explain --live`, `prove --live`. They need root, and
//! unshare, ip, ipset, iptables, nft and jq.

mod common;

use common::{folder, root};
use std::path::Path;
use std::process::{Command, Output};

/// Runs a script in a network namespace of its own, in the folder of the repository. `KINWALL`
/// and `DIR` are set.
fn in_namespace(dir: &Path, script: &str) -> (i32, String, String) {
    let output = Command::new("unshare")
        .args(["-n", "sh", "-ec", script])
        .env("KINWALL", env!("CARGO_BIN_EXE_kinwall"))
        .env("DIR", dir)
        .current_dir(root())
        .output()
        .expect("unshare runs (package util-linux)");
    let Output { status, stdout, stderr } = output;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let err = text(&stderr);
    assert!(!err.contains("Operation not permitted"), "this test needs root: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (status.code().unwrap_or(-1), text(&stdout), err)
}

const GATEWAY: &str = "
ip link set lo up
ip link add eth0 type veth peer name p0
ip link add eth1.7 type veth peer name p1
ip link add spare type veth peer name p2
ip addr add 10.9.0.1/24 dev spare
for i in eth0 eth1.7 p0 p1; do ip link set $i up; done
for i in p0 p1 p2; do ip addr flush dev $i; done
ip addr add 192.0.2.1/24 dev eth0
ip addr add 10.1.0.1/24 dev eth1.7
ip -6 addr add fd00:1::1/64 dev eth1.7 nodad
ip addr add 10.1.0.77/24 dev eth0 metric 900
ip route add default via 192.0.2.254
ip -6 route add default via fd00:1::9 dev eth1.7
ip route add 10.7.0.0/16 via 10.1.0.9
ip route add blackhole 10.66.0.0/16
ip -6 route add unreachable fd00:6::/48
ip route add 10.77.0.0/16 nexthop via 10.1.0.8 nexthop via 192.0.2.7
ip route add 198.51.100.0/24 via 192.0.2.7 metric 10
ip route add 198.51.100.0/24 via 10.1.0.7 metric 20
ip route add local 10.55.0.0/24 dev lo
ip rule add fwmark 7 lookup 100
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth1/7.rp_filter=2
sysctl -qw net.ipv4.conf.eth0.route_localnet=1
";

#[test]
fn the_topology_of_the_running_machine() {
    let dir = folder("live-topology");
    let script = format!(
        "{GATEWAY}
        setpriv --reuid 65534 --clear-groups $KINWALL topology --live > $DIR/topology.toml
        $KINWALL explain --topology $DIR/topology.toml --rules examples/ftp/rules.v4 \
            'tcp 10.7.1.1 -> 203.0.113.1:22 syn'
        $KINWALL policy init --live > $DIR/policy.toml
        $KINWALL policy compile $DIR/policy.toml"
    );
    let (status, out, err) = in_namespace(&dir, &script);
    assert_eq!(status, 0, "{out}\n{err}");
    assert!(out.contains("in by eth1.7"), "{out}");
    let text = std::fs::read_to_string(dir.join("topology.toml")).expect("a topology");
    for part in [
        "name = \"eth0\"\naddresses = [\"10.1.0.77/32\", \"192.0.2.1/24\"",
        "networks = [\"198.51.100.0/24\"]\ndefault = \"ipv4\"\n",
        "name = \"eth1.7\"\naddresses = [\"10.1.0.1/24\", \"fd00:1::1/64\"",
        "networks = [\"10.7.0.0/16\"]\ndefault = \"ipv6\"\nrp_filter = 2\n",
        "destination = \"10.66.0.0/16\"\nkind = \"blackhole\"\n",
        "destination = \"fd00:6::/48\"\nkind = \"unreachable\"\n",
        "destination = \"10.77.0.0/16\"\ninterface = [\"eth",
        "destination = \"10.55.0.0/24\"\nkind = \"local\"\ninterface = \"lo\"\n",
        "\"net.ipv4.conf.eth0.route_localnet\" = 1\n",
        "\"net.ipv4.ip_forward\" = 1\n",
        "\"net.netfilter.nf_conntrack_tcp_loose\" = 1\n",
        "# spare is down: its addresses are left out\n",
        "# 10.1.0.77/24 on eth0: the route to its network leads elsewhere",
        "# another route to 198.51.100.0/24 is left out: the one by eth0 is preferred",
        "# policy routing: the ipv4 rule of priority 32765 (table 100)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let policy = std::fs::read_to_string(dir.join("policy.toml")).expect("a policy");
    assert!(policy.contains("kernel = \"") && policy.contains("name = \"eth1-7\""), "{policy}");
}

#[test]
fn asking_needs_somebody_to_ask() {
    let ran = common::run("policy init", &folder("live-nobody"), b"yes\n");
    assert_eq!(ran.status, 2, "{}", ran.out);
    assert!(ran.err.contains("the standard input is no terminal; give --topology"), "{}", ran.err);
}

#[test]
fn answers_on_a_terminal_make_a_policy() {
    let dir = folder("live-asked");
    // A name with a blank, and a service that does not exist, are asked for again.
    let answers =
        "world\\nmy office\\noffice\\nfpt\\noffice\\nworld\\nftp, ssh\\noffice\\nworld\\n\\n";
    let script = format!(
        "{GATEWAY}
        printf '{answers}' | script -qec \"$KINWALL policy init -o $DIR/policy.toml\" /dev/null
        $KINWALL policy compile $DIR/policy.toml -o $DIR"
    );
    let (status, out, err) = in_namespace(&dir, &script);
    assert_eq!(status, 0, "{out}\n{err}");
    assert!(out.contains("make a name") && out.contains("fpt"), "{out}");
    let policy = std::fs::read_to_string(dir.join("policy.toml")).expect("a policy");
    let wanted = "service = [\"ftp\", \"ssh\"]\nfrom = \"office\"\nto = \"world\"\n";
    assert!(policy.ends_with(wanted), "{policy}");
    assert_eq!(policy.matches("[[intent]]").count(), 1, "{policy}");
}

#[test]
fn differences_from_what_is_in_force() {
    let dir = folder("live-diff");
    let settings = "
        for i in eth0 eth1 eth2 eth3; do ip link add $i type veth peer name p$i; done
        sysctl -qp $DIR/sysctl.conf";
    let iptables = format!(
        "$KINWALL policy compile examples/policy/office.toml -o $DIR >&2
        {settings}
        iptables-restore $DIR/rules.v4; ip6tables-restore $DIR/rules.v6
        D='$KINWALL policy diff examples/policy/office.toml --live'
        eval $D
        ip6tables -A FORWARD -j ACCEPT; sysctl -qw net.ipv4.conf.eth1.rp_filter=0
        eval $D || test $? = 3"
    );
    let (status, out, err) = in_namespace(&dir, &iptables);
    assert_eq!(status, 0, "{out}\n{err}");
    let expected = "nothing differs\nipv6 filter\n- -A FORWARD -j ACCEPT\nsysctl\n\
        + net.ipv4.conf.eth1.rp_filter = 1\n- net.ipv4.conf.eth1.rp_filter = 0\n";
    assert_eq!(out, expected);

    let nftables = format!(
        "$KINWALL policy compile examples/policy/office.toml --target nftables -o $DIR >&2
        {settings}
        nft -f $DIR/rules.nft
        D='$KINWALL policy diff examples/policy/office.toml --live --target nftables'
        eval $D
        nft add rule inet kinwall forward accept
        eval $D || test $? = 3"
    );
    let (status, out, err) = in_namespace(&dir, &nftables);
    assert_eq!(status, 0, "{out}\n{err}");
    let expected = "nothing differs\ntable inet kinwall, chain forward\n- accept\n";
    assert_eq!(out, expected);
}

/// What is asked of files is asked of the machine itself: its rules, its sets, its topology and
/// its settings.
#[test]
fn prove_and_explain_ask_the_machine_itself() {
    let dir = folder("live-prove");
    let script = format!(
        "{GATEWAY}
        ipset create peers hash:ip
        ipset add peers 192.0.2.9
        iptables -t raw -A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
        iptables -P FORWARD DROP
        iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
        iptables -A FORWARD -i eth0 -p tcp -m tcp --dport 21 -m set --match-set peers src -j ACCEPT
        iptables -A FORWARD -p tcp -m conntrack --ctstate RELATED -j ACCEPT
        for from in 192.0.2.9 192.0.2.8; do
            $KINWALL explain --live \"in eth0 tcp $from:4000 -> 10.7.1.1:21 syn\" | tail -1
        done
        $KINWALL prove --live | cut -c1-300"
    );
    let (status, out, err) = in_namespace(&dir, &script);
    assert_eq!(status, 0, "{err}");
    let verdicts: Vec<&str> = out.lines().take(2).map(str::trim).collect();
    assert!(verdicts[0].starts_with("ACCEPT") && verdicts[1].starts_with("DROP"), "{verdicts:?}");
    assert!(out.contains("ftp") && out.contains("eth1.7"), "{err}");
}

/// The remedies of rules of nftables are commands of nft, and the kernel that runs them is closed.
#[test]
fn remedies_for_nftables_close_what_they_say() {
    let dir = folder("live-remedy");
    let script = format!(
        "{GATEWAY}
        for i in p0 p1 p2 spare; do ip link set $i down; done
        nft -f - <<'RULES'
        table inet filter {{
            ct helper ftp-tcp {{ type \"ftp\" protocol tcp; }}
            chain helpers {{
                type filter hook prerouting priority filter;
                tcp dport 21 ct helper set \"ftp-tcp\"
            }}
            chain forward {{
                type filter hook forward priority filter; policy drop;
                ct state {{ established, related }} accept
                iifname \"eth0\" tcp dport 21 accept
            }}
        }}
RULES
        exposures() {{ $KINWALL prove --live --format json $1 | grep '\"type\":\"exposure\"' || true; }}
        exposures --remedy > $DIR/before.json
        exposures | wc -l"
    );
    let more = "
        jq -r '.remedy.rules[]' $DIR/before.json > $DIR/remedies.sh
        sh -e $DIR/remedies.sh
        exposures > $DIR/after.json
        nft list table inet kinwall";
    let (status, out, err) = in_namespace(&dir, &(script + more));
    assert_eq!(status, 0, "{out}\n{err}");
    let count = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).expect("written by the script");
        text.lines().count()
    };
    assert!(count("before.json") > 0, "nothing was open\n{err}");
    assert_eq!(count("after.json"), 0, "{out}\n{err}");
}
