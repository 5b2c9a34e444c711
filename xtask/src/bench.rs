//! The benchmarks: those of the crates, then a large capture through `kinwall replay` beside
//! `tcpdump`, which only copies it.
//!
//! The capture is made once, from a seed, under the target folder: the same bytes on every
//! machine. Each time is the best of a few runs, with the file in memory. Beside it stands the
//! processor time, which says more where other programs run too.

mod capture;
mod counted;
mod curves;
mod live;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::command::{self, at_root, cargo};
use crate::workspace;

/// What the replay is measured on: the capture's length in bytes, and its connections.
struct Load {
    bytes: u64,
    connections: u32,
}

const FULL: Load = Load { bytes: 1_000_000_000, connections: 500_000 };
const QUICK: Load = Load { bytes: 50_000_000, connections: 25_000 };

/// How many times slower than tcpdump's copying a replay may be.
const GOAL_RATIO: f64 = 3.0;

const RUNS: u32 = 3;

/// `cargo xtask bench [--quick] [--replay-only]`: `--quick` takes a twentieth of the capture,
/// `--replay-only` leaves the benchmarks of the crates out. `cargo xtask bench live [--json]`: the
/// live gateway beside the kernel. `cargo xtask bench --check [--bless] [--json]`: instructions a
/// packet, held against what was written down. `cargo xtask bench --curves`: how the cost of a
/// packet grows, drawn.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let [first, rest @ ..] = arguments
        && first == "live"
    {
        return live::run_live(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "--check"
    {
        return counted::run(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "--curves"
    {
        return curves::run(rest);
    }
    let mut load = FULL;
    let mut crates = true;
    for argument in arguments {
        match argument.as_str() {
            "--quick" => load = QUICK,
            "--replay-only" => crates = false,
            other => return Err(format!("unknown option {other}")),
        }
    }
    if crates {
        command::run(cargo(&["bench", "--workspace", "--benches"]))?;
    }
    replay(&load)
}

/// Replay beside tcpdump, with rule sets of growing length.
fn replay(load: &Load) -> Outcome {
    if !command::exists("tcpdump") {
        return Err("tcpdump, with which replay is compared, is not installed".into());
    }
    let files = Files::prepare(&workspace::target().join("bench"), load)?;
    command::run(cargo(&["build", "--release", "--package", "kinwall"]))?;
    let kinwall = workspace::target().join("release/kinwall");
    let packets = files.packets as f64;
    let tcpdump = best(|| {
        let mut command = at_root("tcpdump", &["-w", "/dev/null", "-r"]);
        command.arg(&files.capture);
        command
    })?;
    println!("{} packets, {} connections", files.packets, load.connections);
    tcpdump.print("tcpdump -r FILE -w /dev/null", &tcpdump, packets);
    let mut goal = None;
    for (name, rules) in &files.rules {
        let replay = best(|| {
            let mut command = at_root(&kinwall.to_string_lossy(), &["replay", "--summary"]);
            command.arg("--rules4").arg(rules).arg("--topology").arg(&files.topology);
            command.args(["--set", "nf_conntrack_max=1048576"]).arg(&files.capture);
            command
        })?;
        replay.print(name, &tcpdump, packets);
        goal.get_or_insert(replay.elapsed.as_secs_f64() / tcpdump.elapsed.as_secs_f64());
    }
    let ratio = goal.unwrap_or_default();
    println!("replay takes {ratio:.2} times as long as tcpdump; the goal is {GOAL_RATIO}");
    Ok(())
}

/// How long a program took.
struct Took {
    elapsed: Duration,
    processor: Duration,
}

impl Took {
    fn print(&self, name: &str, base: &Took, packets: f64) {
        let (elapsed, processor) = (self.elapsed.as_secs_f64(), self.processor.as_secs_f64());
        println!(
            "  {name:44} {elapsed:7.2} s x{:<6.2} processor {processor:7.2} s x{:<6.2} \
             {:7.1} ns/packet {:6.2} Mpps",
            elapsed / base.elapsed.as_secs_f64(),
            processor / base.processor.as_secs_f64(),
            elapsed * 1e9 / packets,
            packets / elapsed / 1e6,
        );
    }
}

/// What the measurement reads, made if it is not there.
struct Files {
    capture: PathBuf,
    packets: u64,
    topology: PathBuf,
    /// The first is the one that the goal speaks of.
    rules: Vec<(String, PathBuf)>,
}

impl Files {
    fn prepare(folder: &Path, load: &Load) -> Result<Files, String> {
        let say = |path: &Path| format!("cannot write {}", path.display());
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", say(folder)))?;

        let capture = folder.join(format!("{}m.pcap", load.bytes / 1_000_000));
        let count = capture.with_extension("packets");
        let known = fs::read_to_string(&count).ok().and_then(|text| text.parse().ok());
        let packets = match known {
            Some(packets) if capture.is_file() => packets,
            _ => {
                eprintln!("writing {}", capture.display());
                let packets = capture::write(&capture, load.bytes, load.connections)
                    .map_err(|error| format!("{}: {error}", say(&capture)))?;
                fs::write(&count, packets.to_string())
                    .map_err(|error| format!("{}: {error}", say(&count)))?;
                packets
            }
        };

        let topology = folder.join("topology.toml");
        fs::write(&topology, rules::TOPOLOGY)
            .map_err(|error| format!("{}: {error}", say(&topology)))?;
        let mut rule_files = Vec::new();
        for set in rules::SETS {
            let path = folder.join(format!("{}-{}.v4", set.order.name(), set.rules));
            fs::write(&path, set.text()).map_err(|error| format!("{}: {error}", say(&path)))?;
            rule_files.push((set.title(), path));
        }
        Ok(Files { capture, packets, topology, rules: rule_files })
    }
}

/// The shortest of a few runs of a command, whose output is not of interest.
fn best(command: impl Fn() -> std::process::Command) -> Result<Took, String> {
    let mut best = Took { elapsed: Duration::MAX, processor: Duration::MAX };
    for _ in 0..RUNS {
        let mut command = command();
        let (start, before) = (Instant::now(), processor_time_of_children());
        let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
        let (elapsed, after) = (start.elapsed(), processor_time_of_children());
        let output = output.map_err(|error| format!("cannot run {command:?}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{command:?} failed ({}):\n{said}", output.status));
        }
        best.elapsed = best.elapsed.min(elapsed);
        best.processor = best.processor.min(after.saturating_sub(before));
    }
    Ok(best)
}

/// The processor time of the programs that this one has run, in user space and in the kernel.
fn processor_time_of_children() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses, fields 16 and 17 are wanted, in hundredths of a second.
    let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields = rest.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * fields.sum::<u64>())
}
