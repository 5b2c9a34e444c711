//! `conntrack -E`: the real tool at work while packets pass.

use crate::error::KernelError;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long the tool may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long no line comes before all are taken to have come.
const QUIET: Duration = Duration::from_millis(300);

/// A `conntrack -E` that runs. It ends with this value.
pub struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    /// Starts it in the namespace of the calling thread, and waits until it listens.
    pub(crate) fn start(words: &[&str]) -> Result<Follower, KernelError> {
        let before = listeners()?;
        let spawned = Command::new("conntrack")
            .arg("-E")
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let (program, package) = ("conntrack", "conntrack");
                return Err(KernelError::MissingProgram { program, package });
            }
            Err(e) => return Err(KernelError::io("starting conntrack")(e)),
        };
        let (send, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(Result::ok);
                lines.for_each(|line| drop(send.send(line)));
            });
        }
        let follower = Follower { child, lines };
        let began = Instant::now();
        while listeners()? <= before {
            if began.elapsed() > PATIENCE {
                let message = String::from("it does not begin to listen");
                return Err(KernelError::Refused { program: "conntrack", message });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(follower)
    }

    /// The lines it has printed since it was asked last, once no more come.
    pub fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.recv_timeout(QUIET).ok()).collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many netlink sockets of the calling thread's namespace listen to groups.
fn listeners() -> Result<usize, KernelError> {
    let sockets = fs::read_to_string("/proc/thread-self/net/netlink")
        .map_err(KernelError::io("reading the netlink sockets"))?;
    let listens = |line: &&str| {
        let groups = line.split_whitespace().nth(3);
        groups.is_some_and(|groups| groups.bytes().any(|digit| digit != b'0'))
    };
    Ok(sockets.lines().skip(1).filter(listens).count())
}
