//! The live gateway, in network namespaces that each test makes: what it does beside deciding about
//! packets. They need root, packet queues, and curl, ping, python3 and vsftpd.

mod common;

use common::{folder, root};
use std::process::Command;

/// Runs a script of this test's folder behind `lab.sh`, in namespaces that end with it.
fn script(name: &str) {
    let dir = folder(&format!("gateway-{name}"));
    let scripts = root().join("crates/cli/tests/gateway");
    let text = [format!("{name}.sh"), "lab.sh".to_owned()]
        .map(|file| std::fs::read_to_string(scripts.join(file)).expect("a script"));
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["timeout", "-k", "1", "120", "bash", "-c", &format!("{}\n{}", text[1], text[0])])
        .env("KINWALL", env!("CARGO_BIN_EXE_kinwall"))
        .env("DIR", &dir)
        .env("SCRIPTS", &scripts)
        .output()
        .expect("unshare runs (package util-linux)");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&said));
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[test] fn $name() { script(stringify!($name)); })*
    };
}

scripts! {
    /// Closed or open while it is down, management never locked out, leftovers replaced and removed.
    down;
    /// Connections go on after a restart and after `kill -9`; a damaged state is laid aside.
    state;
    /// What the kernel has tracked goes on at the first start.
    takeover;
    /// Rules and settings are read again, or stay as they were.
    reload;
    /// Sets that rules ask change at once, and only as a whole.
    ipset;
    /// Answers to what is refused, by every way of refusing.
    refusal;
    /// FTP's data connections with the helper and without, and the gateway's own.
    helper;
    /// Fragments, large frames, translation, marks that choose the route.
    packets;
    /// Interfaces that come and go.
    interfaces;
    /// The steps of chosen packets, as they pass.
    trace;
    /// What was counted, for Prometheus: printed and served.
    metrics;
    /// The screen: what it shows, a gateway that goes and comes, and the terminal given back.
    top;
    /// What it gives up once it runs.
    sandbox;
    /// Floods of SYNs, datagrams and ICMP errors: open transfers go on, and nothing grows.
    floods;
    /// Reloads, other rules, an interface that goes down, restarts and `kill -9` while traffic flows.
    soak;
    /// What is wrong is said, and nothing is changed.
    trouble;
}
