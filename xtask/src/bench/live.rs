//! `cargo xtask bench live`: the same traffic through the kernel's own forwarding path, with and
//! without rules, and through `kinwall run`, one after the other on one machine.
//!
//! Client, gateway and server are network namespaces that share this machine's processors, so
//! what is reported are ratios: of absolute figures a part belongs to the two ends.

use crate::Outcome;
use crate::command::{cargo, exists, is_root, output, run};
use crate::workspace;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long each kind of traffic flows.
const SECONDS: &str = "4";

/// How many threads open connections.
const OPENERS: usize = 4;

/// Both ends of the measurement of new connections.
const SERVER: &str = "192.0.2.2:7000";

const RULES: &str = "*filter\n:FORWARD DROP [0:0]\n\
    -A FORWARD -m conntrack --ctstate INVALID -j DROP\n\
    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A FORWARD -i lan -o wan -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n";

/// A way through the gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Kernel,
    Queue,
}

impl Way {
    const ALL: [Way; 3] = [Way::Plain, Way::Kernel, Way::Queue];

    fn name(self) -> &'static str {
        match self {
            Way::Plain => "forwarding alone",
            Way::Kernel => "kernel, connection tracking and 3 rules",
            Way::Queue => "kinwall over NFQUEUE, the same rules",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Way::Plain => "plain",
            Way::Kernel => "kernel",
            Way::Queue => "kinwall_nfqueue",
        }
    }
}

/// What was measured of a way.
struct Figures {
    stream_gbits: f64,
    small_packets: f64,
    connections: f64,
    latency_p50_us: f64,
    latency_p99_us: f64,
}

/// Runs it; `--json` prints one JSON object.
pub(super) fn run_live(arguments: &[String]) -> Outcome {
    match arguments {
        [open] if open == "--open" => return open_connections(),
        [accept] if accept == "--accept" => return accept_connections(),
        [] => {}
        [json] if json == "--json" => {}
        _ => return Err("live takes --json, or nothing".into()),
    }
    if !is_root() {
        return Err("network namespaces are root's to make".into());
    }
    for (program, package) in [("ip", "iproute2"), ("iperf3", "iperf3"), ("ping", "iputils-ping")] {
        if !exists(program) {
            return Err(format!("{program} is not installed: apt-get install {package}"));
        }
    }
    run(cargo(&["build", "--release", "--package", "kinwall"]))?;
    let lab = Lab::new()?;
    let mut all = Vec::new();
    for way in Way::ALL {
        eprintln!("{} ...", way.name());
        all.push((way, lab.measure(way)?));
    }
    match arguments {
        [] => print(&all),
        _ => println!("{}", as_json(&all)),
    }
    Ok(())
}

fn print(all: &[(Way, Figures)]) {
    let Some((_, base)) = all.iter().find(|(way, _)| *way == Way::Kernel) else { return };
    println!(
        "{:42} {:>16} {:>20} {:>18} {:>14} {:>14}",
        "", "TCP stream", "64-byte UDP", "new connections", "added p50", "p99"
    );
    for (way, one) in all {
        println!(
            "{:42} {:6.2} Gbit/s x{:<4.2} {:9.0} pps x{:<4.2} {:8.0}/s x{:<4.2} {:9.0} us x{:<4.1} \
             {:6.0} us x{:<4.1}",
            way.name(),
            one.stream_gbits,
            one.stream_gbits / base.stream_gbits,
            one.small_packets,
            one.small_packets / base.small_packets,
            one.connections,
            one.connections / base.connections,
            one.latency_p50_us,
            one.latency_p50_us / base.latency_p50_us,
            one.latency_p99_us,
            one.latency_p99_us / base.latency_p99_us,
        );
    }
}

fn as_json(all: &[(Way, Figures)]) -> Value {
    let mut ways = serde_json::Map::new();
    for (way, one) in all {
        let figures = json!({
            "tcp_stream_gbits_per_s": one.stream_gbits,
            "udp_64_byte_packets_per_s": one.small_packets,
            "new_connections_per_s": one.connections,
            "round_trip_p50_us": one.latency_p50_us,
            "round_trip_p99_us": one.latency_p99_us,
        });
        ways.insert(way.key().into(), figures);
    }
    Value::Object(ways)
}

/// The namespaces, until they are dropped.
struct Lab {
    folder: PathBuf,
}

const HOSTS: [&str; 3] = ["kwbench-client", "kwbench-gateway", "kwbench-server"];

/// A program in a host.
fn on(host: usize, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", HOSTS[host], program]).args(arguments);
    command
}

fn ip(line: &str) -> Outcome {
    let mut command = Command::new("ip");
    command.args(line.split_whitespace());
    output(command).map(drop)
}

impl Lab {
    fn new() -> Result<Lab, String> {
        let folder = workspace::target().join("bench");
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        fs::write(folder.join("live.v4"), RULES).map_err(|error| error.to_string())?;
        let config = "rules4 = \"live.v4\"\ncontrol = \"live.sock\"\nstate = \"\"\n";
        fs::write(folder.join("live.toml"), config).map_err(|error| error.to_string())?;
        let lab = Lab { folder };
        for host in HOSTS {
            ip(&format!("netns add {host}"))?;
            ip(&format!("-n {host} link set lo up"))?;
        }
        for (device, host, net) in [("lan", HOSTS[0], "10.1.0"), ("wan", HOSTS[2], "192.0.2")] {
            let gateway = HOSTS[1];
            ip(&format!(
                "link add {device} netns {gateway} type veth peer name eth0 netns {host}"
            ))?;
            ip(&format!("-n {gateway} addr add {net}.1/24 dev {device}"))?;
            ip(&format!("-n {host} addr add {net}.2/24 dev eth0"))?;
            ip(&format!("-n {gateway} link set {device} up"))?;
            ip(&format!("-n {host} link set eth0 up"))?;
            ip(&format!("-n {host} route add default via {net}.1"))?;
        }
        output(on(1, "sysctl", &["-qw", "net.ipv4.ip_forward=1"]))?;
        Ok(lab)
    }

    fn measure(&self, way: Way) -> Result<Figures, String> {
        let rules = self.folder.join("live.v4");
        let mut kinwall = None;
        match way {
            Way::Plain => {}
            Way::Kernel => {
                output(on(1, "iptables-restore", &[&rules.to_string_lossy()]))?;
            }
            Way::Queue => {
                let program = workspace::target().join("release/kinwall");
                kinwall = Some(Running::start(on(
                    1,
                    &program.to_string_lossy(),
                    &["run", "--config", &self.folder.join("live.toml").to_string_lossy()],
                ))?);
                thread::sleep(Duration::from_secs(1));
            }
        }
        let figures = self.traffic();
        if way == Way::Kernel {
            output(on(1, "iptables", &["-F", "FORWARD"]))?;
            output(on(1, "iptables", &["-P", "FORWARD", "ACCEPT"]))?;
        }
        if let Some(kinwall) = kinwall {
            kinwall.end()?;
        }
        figures
    }

    fn traffic(&self) -> Result<Figures, String> {
        let server = Running::start(on(2, "iperf3", &["--server"]))?;
        thread::sleep(Duration::from_millis(300));
        let iperf = |more: &[&str]| {
            let mut words = vec!["--client", "192.0.2.2", "--json", "--time", SECONDS];
            words.extend(more);
            let text = output(on(0, "iperf3", &words))?;
            serde_json::from_slice::<Value>(&text).map_err(|error| format!("iperf3: {error}"))
        };
        let stream = iperf(&[])?;
        let small = iperf(&["--udp", "--bitrate", "0", "--length", "22"])?;
        server.end()?;
        let number = |value: &Value| value.as_f64().ok_or("iperf3 says no figure");
        let sent = number(&small["end"]["sum"]["packets"])?;
        let lost = number(&small["end"]["sum"]["lost_packets"])?;
        let seconds = number(&small["end"]["sum"]["seconds"])?;
        let [latency_p50_us, latency_p99_us] = latency()?;
        Ok(Figures {
            stream_gbits: number(&stream["end"]["sum_received"]["bits_per_second"])? / 1e9,
            small_packets: (sent - lost) / seconds,
            connections: connections()?,
            latency_p50_us,
            latency_p99_us,
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in HOSTS {
            let _ = ip(&format!("netns delete {host}"));
        }
    }
}

/// Round trips when nothing else happens: the median and the 99th percentile, in microseconds.
fn latency() -> Result<[f64; 2], String> {
    let text = output(on(0, "ping", &["-c", "1000", "-i", "0.002", "192.0.2.2"]))?;
    let text = String::from_utf8_lossy(&text);
    let times = text.lines().filter_map(|line| {
        let time = line.split("time=").nth(1)?.split(' ').next()?;
        time.parse::<f64>().ok()
    });
    let mut times: Vec<f64> = times.map(|ms| ms * 1000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    Ok([at(50).ok_or("ping says no time")?, at(99).ok_or("ping says no time")?])
}

/// Connections opened and closed per second.
fn connections() -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let own = own.to_string_lossy();
    let server = Running::start(on(2, &own, &["bench", "live", "--accept"]))?;
    thread::sleep(Duration::from_millis(300));
    let text = output(on(0, &own, &["bench", "live", "--open"]))?;
    server.end()?;
    String::from_utf8_lossy(&text).trim().parse().map_err(|_| "no count of connections".into())
}

/// The client of that measurement.
fn open_connections() -> Outcome {
    let opened = AtomicU64::new(0);
    let begin = Instant::now();
    let time = Duration::from_secs(SECONDS.parse().unwrap_or(4));
    thread::scope(|scope| {
        for _ in 0..OPENERS {
            scope.spawn(|| {
                while begin.elapsed() < time {
                    let Ok(mut stream) = TcpStream::connect(SERVER) else { continue };
                    // The server closes first: its side of the ports is the one that waits.
                    let mut byte = [0];
                    if stream.write_all(b"x").is_ok() && stream.read(&mut byte).is_ok() {
                        opened.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!("{}", opened.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64());
    Ok(())
}

/// Its server.
fn accept_connections() -> Outcome {
    let listener = TcpListener::bind(SERVER).map_err(|error| error.to_string())?;
    thread::scope(|scope| {
        for _ in 0..OPENERS {
            scope.spawn(|| {
                while let Ok((mut stream, _)) = listener.accept() {
                    let mut byte = [0];
                    let _ = stream.read(&mut byte);
                }
            });
        }
    });
    Ok(())
}

/// A program that runs beside, until it is ended or dropped.
struct Running {
    child: Child,
}

impl Running {
    fn start(mut command: Command) -> Result<Running, String> {
        command.stdout(Stdio::null()).stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Running { child })
    }

    fn end(mut self) -> Outcome {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.child.id().to_string()]);
        output(kill)?;
        self.child.wait().map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
