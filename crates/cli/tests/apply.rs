//! `kinwall policy apply` and what follows it, in network namespaces that the test makes: the
//! real tools load the rules, and what the kernel has is compared before and after.
//!
//! These tests need root, and the programs unshare, ip, iptables and nft.

mod common;

use common::{folder, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A gateway with rules and sysctls of its own, and short names for what the tests do.
const SETUP: &str = r#"
for i in eth0 eth1 eth2 eth3; do ip link add $i type veth peer name p$i; done
iptables-restore <<END
*filter
:INPUT DROP [3:180]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:mine - [0:0]
-A INPUT -j mine
-A mine -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
END
ip6tables -A FORWARD -j DROP
nft 'add table inet other; add chain inet other c'
sysctl -qw net.ipv4.conf.eth1.rp_filter=2
K="$KINWALL policy"
O="--state $DIR/state --modprobe $DIR/modprobe.conf --unit $DIR/unit"
S="--state $DIR/state"
now() {
    iptables-save | grep -v '^#' | sed 's/\[.*//'
    ip6tables-save | grep -v '^#' | sed 's/\[.*//'
    nft list tables 2>/dev/null | sort
    nft -s list table inet other
    nft -s list table inet kinwall 2>/dev/null || echo no table of ours
    grep -r . /proc/sys/net/ipv[46]/conf /proc/sys/net/ipv4/ip_forward 2>/dev/null |
        grep -E 'forward|rp_filter|redirects|source_route'
    cat $DIR/modprobe.conf 2>/dev/null || echo no modprobe.conf
}
same() { now > $DIR/now; diff $DIR/$1 $DIR/now; }
other() { now > $DIR/now; ! cmp -s $DIR/$1 $DIR/now; }
# Waits until a command succeeds, for at most five seconds.
until_() { n=0; until "$@" > $DIR/last 2>&1; do
    n=$((n + 1)); test $n -lt 100 || { cat $DIR/last; echo "waited in vain: $*"; exit 9; }
    sleep 0.05; done; }
# Tools of the same names that do something else first.
fake() { mkdir -p $DIR/bin; printf '#!/bin/sh\n%s\n' "$2" > $DIR/bin/$1; chmod +x $DIR/bin/$1
    PATH=$DIR/bin:$PATH; }
real() { echo "PATH=$(echo $PATH | sed "s|$DIR/bin:||g") exec"; }
fails() { if "$@"; then echo "should have failed: $*"; exit 8; fi; }
P=$PATH
now > $DIR/before
"#;

/// Runs a script after the setup, in a network namespace, and gives what it said.
fn script(name: &str, body: &str) -> (PathBuf, String) {
    let dir = folder(&format!("apply-{name}"));
    let said = rerun(&dir, body);
    (dir, said)
}

fn rerun(dir: &Path, body: &str) -> String {
    let output = Command::new("unshare")
        .args(["-n", "bash", "-ec", &format!("{SETUP}\n{body}")])
        .env("KINWALL", env!("CARGO_BIN_EXE_kinwall"))
        .env("DIR", dir)
        .current_dir(root())
        .output()
        .expect("unshare runs (package util-linux)");
    let Output { status, stdout, stderr } = output;
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!said.contains("Operation not permitted"), "this test needs root: {said}");
    assert!(status.success() && !said.contains("panicked"), "{status}\n{said}");
    said
}

const OFFICE: &str = "examples/policy/office.toml";

#[test]
fn what_is_confirmed_stays_and_boots() {
    for target in ["iptables", "nftables"] {
        let body = format!(
            "$K apply {OFFICE} --target {target} $O --timeout 4s
            other before
            $K status $S
            $K confirm $S --unit $DIR/unit
            now > $DIR/confirmed; grep -q 'options nf_conntrack_ftp' $DIR/modprobe.conf
            sleep 4.2; same confirmed
            fails $K confirm $S
            # A reboot: nothing of it is in the kernel.
            iptables -F; iptables -X; ip6tables -F; nft flush ruleset; rm $DIR/modprobe.conf
            sysctl -qw net.ipv4.ip_forward=0
            $K resume $S
            $K status $S
            sysctl -n net.ipv4.ip_forward
            $K diff {OFFICE} --live --target {target}"
        );
        let (dir, said) = script(&format!("confirmed-{target}"), &body);
        for word in [
            "waits:     office.toml",
            " s left to confirm",
            "office.toml is confirmed and boots",
            "nothing waits for confirmation; last: confirmed office.toml",
            "office.toml is in force",
            "\n1\nnothing differs",
        ] {
            assert!(said.contains(word), "{word}\n{said}");
        }
        let unit = std::fs::read_to_string(dir.join("unit")).expect("a unit");
        let command = format!("policy resume --state {}", dir.join("state").display());
        assert!(unit.contains(&command) && unit.contains("Before=network-pre.target"), "{unit}");
    }
}

#[test]
fn what_nobody_confirms_goes() {
    for target in ["iptables", "nftables"] {
        let body = format!(
            "echo 'options mine' > $DIR/modprobe.conf; now > $DIR/before
            # The terminal goes with everything in it.
            script -qec \"bash -c '$K apply {OFFICE} --target {target} $O --timeout 1s; \
                kill -HUP 0'\" /dev/null || true
            other before
            until_ same before
            $K status $S; stat -c '%a' $DIR/state $DIR/state/generations/1 \
                $DIR/state/generations/1/before/sysctl.conf $DIR/state/log | tr '\\n' ' '"
        );
        let (_, said) = script(&format!("time-{target}"), &body);
        for word in
            ["waits:     nothing", "confirmed: nothing", "not confirmed in time", "700 700 600 600"]
        {
            assert!(said.contains(word), "{word}\n{said}");
        }
    }
}

#[test]
fn rollback_at_once() {
    let body = format!(
        "$K apply {OFFICE} $O --timeout 1m; other before
        fails $K apply {OFFICE} $O
        $K rollback $S; same before
        fails $K rollback $S
        # From a confirmed policy to another and back.
        $K apply {OFFICE} $O --no-confirm; now > $DIR/first
        sed 's/port = 2121/port = 2122/' {OFFICE} > $DIR/second.toml
        $K apply $DIR/second.toml $O; other first
        $K rollback $S; same first; $K status $S"
    );
    let (_, said) = script("rollback", &body);
    for word in [
        "office.toml waits for confirmation: `kinwall policy confirm` or",
        "nothing waits for confirmation: nothing changed",
        "confirmed: office.toml (iptables, generation 2)",
    ] {
        assert!(said.contains(word), "{word}\n{said}");
    }
}

#[test]
fn a_family_that_fails_leaves_both_as_they_were() {
    let body = format!(
        "fake ip6tables-restore \"case \\$1 in --test|-c|--version) $(real) ip6tables-restore \\$*;; esac
            echo no luck >&2; exit 1\"
        fails $K apply {OFFICE} $O; same before
        $K status $S"
    );
    let (_, said) = script("second-family", &body);
    for word in ["no luck", "everything is as before", "waits:     nothing", "was refused"] {
        assert!(said.contains(word), "{word}\n{said}");
    }
    let body = format!(
        "fake iptables-restore 'exit 3'
        fails $K apply {OFFICE} $O; same before; test ! -e $DIR/state/pending.json
        fake nft 'exit 3'
        fails $K apply {OFFICE} --target nftables $O; PATH=$P; same before"
    );
    script("first-family", &body);
}

#[test]
fn killed_half_way() {
    // Between the families, and after both.
    let body = format!(
        "fake ip6tables-restore \"case \\$1 in --test|-c|--version) ;; *) touch $DIR/here; sleep 1;; esac
            $(real) ip6tables-restore \\$*\"
        $K apply {OFFICE} $O --timeout 1m & pid=$!
        until_ test -e $DIR/here
        iptables -t raw -S | grep -q 'helper ftp'
        kill -9 $pid; wait $pid || true
        fails $K apply {OFFICE} $O
        until_ same before
        $K status $S"
    );
    let (_, said) = script("killed", &body);
    for word in ["apply was killed half-way", "another kinwall is changing rules"] {
        assert!(said.contains(word), "{word}\n{said}");
    }
}

/// Ends the watchdogs of this test's own state directory.
const KILL_WATCHDOG: &str = "kill -9 $(pgrep -f \"policy watch --state $DIR/state \")";

#[test]
fn a_crash_of_everything_is_rolled_back_when_resumed() {
    let body = format!(
        "$K apply {OFFICE} $O --timeout 3s
        {KILL_WATCHDOG}
        sleep 3.2; other before
        fails $K confirm $S
        $K resume $S; same before; $K status $S"
    );
    let (dir, said) = script("crash", &body);
    for word in ["has run out", "office.toml was not confirmed; everything is as before"] {
        assert!(said.contains(word), "{word}\n{said}");
    }
    // Another boot: what was confirmed is loaded, and what was not is forgotten.
    let body = format!(
        "$K apply {OFFICE} $O --no-confirm; now > $DIR/first
        sed 's/port = 2121/port = 2122/' {OFFICE} > $DIR/second.toml
        $K apply $DIR/second.toml $O --timeout 1m
        {KILL_WATCHDOG}
        sed -i 's/\"boot\":\"[^\"]*\"/\"boot\":\"another\"/' $DIR/state/pending.json
        iptables -F; iptables -X; ip6tables -F; ip6tables -X
        $K resume $S; same first; $K status $S
        # Before anything was confirmed, it is what was in force.
        rm -r $DIR/state; $K apply $DIR/second.toml $O --timeout 1m
        {KILL_WATCHDOG}
        sed -i 's/\"boot\":\"[^\"]*\"/\"boot\":\"another\"/' $DIR/state/pending.json
        iptables -F; iptables -X; ip6tables -F; ip6tables -X
        $K resume $S; same first
        # Killed between the two steps of a confirmation.
        $K apply $DIR/second.toml $O --timeout 1m
        {KILL_WATCHDOG}
        cp $DIR/state/pending.json $DIR/state/confirmed.json; now > $DIR/second
        $K resume $S; same second; $K status $S"
    );
    let said = rerun(&dir, &body);
    assert!(said.contains("waits:     nothing\nconfirmed: second.toml"), "{said}");
}

#[test]
fn a_bad_policy_touches_nothing() {
    let body = format!(
        "sed 's/to = \"wan\"/to = \"nowhere\"/' {OFFICE} > $DIR/bad.toml
        fails $K apply $DIR/bad.toml $O; same before; test ! -e $DIR/state
        fails $K apply {OFFICE} $O --timeout 0s
        fails setpriv --reuid 65534 --clear-groups $K apply {OFFICE} $O; same before"
    );
    let (_, said) = script("bad", &body);
    for word in ["nowhere", "a time is between 1s and 24h", "this needs root"] {
        assert!(said.contains(word), "{word}\n{said}");
    }
}

#[test]
fn two_at_once() {
    let body = format!(
        "fake iptables-save \"touch $DIR/here; sleep 1; $(real) iptables-save \\$*\"
        $K apply {OFFICE} $O --timeout 1m & pid=$!
        until_ test -e $DIR/here
        fails $K apply {OFFICE} $O
        wait $pid; $K rollback $S; PATH=$P; same before"
    );
    let (_, said) = script("two", &body);
    assert!(said.contains("another kinwall is changing rules"), "{said}");
}
