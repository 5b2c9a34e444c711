//! What is missing on this machine, and who uses the kernel's own connection tracking.

use crate::GatewayError;
use crate::chains::{self, Plan};
use crate::queue::{self, Queue};
use kinwall_terms::Family;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, such as "packet queue 0".
    pub about: String,
    /// What was found.
    pub text: String,
    /// The gateway cannot run.
    pub stops: bool,
}

impl Finding {
    fn good(about: impl Into<String>, text: impl Into<String>) -> Finding {
        Finding { about: about.into(), text: text.into(), stops: false }
    }

    fn bad(about: impl Into<String>, text: impl Into<String>) -> Finding {
        Finding { about: about.into(), text: text.into(), stops: true }
    }
}

/// Looks at everything that [`crate::serve`] needs. Nothing is changed.
pub fn check(plan: &Plan) -> Vec<Finding> {
    let mut found = vec![the_queue(plan.queue)];
    for family in Family::ALL {
        found.extend(the_family(plan, family));
    }
    found.extend(forwarding());
    let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    if let Some(count) = count.ok().filter(|count| count.trim() != "0") {
        found.push(Finding::good(
            "connection tracking",
            format!("the kernel tracks {} connections itself: it is switched on", count.trim()),
        ));
    }
    found
}

fn the_queue(number: u16) -> Finding {
    let about = format!("packet queue {number}");
    if let Some(owner) = queue::owner(number) {
        let error = GatewayError::Refused {
            number,
            owner: Some(owner),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        return Finding::bad(about, error.to_string());
    }
    match Queue::bind(number, 1) {
        Ok(queue) => {
            queue.unbind();
            Finding::good(about, "free")
        }
        Err(error) => Finding::bad(about, error.to_string()),
    }
}

fn the_family(plan: &Plan, family: Family) -> Vec<Finding> {
    let [save, restore] = chains::programs(family);
    let saved = match chains::saved(family) {
        Ok(saved) => saved,
        Err(error) => return vec![Finding::bad(save, error.to_string())],
    };
    let mut found = Vec::new();
    if !chains::removal(&saved).is_empty() {
        found.push(Finding::good(
            save,
            "chains of an earlier run are there: a start replaces them, `kinwall run --remove` \
             takes them away",
        ));
    }
    match tried_elsewhere(restore, &plan.install(family, "")) {
        Ok(_) => found.push(Finding::good(restore, "takes our chains")),
        Err(error) => found.push(Finding::bad(
            restore,
            format!(
                "{error}; the kernel needs xt_NFQUEUE, xt_mark, xt_addrtype and xt_REJECT \
                 (linux-modules-extra, or CONFIG_NETFILTER_XT_TARGET_NFQUEUE and its like)"
            ),
        )),
    }
    found.extend(trackers(&saved).map(|rule| {
        let text = format!("uses the kernel's own connection tracking: {rule}");
        Finding::good(save, text)
    }));
    found
}

/// Whether the kernel takes `text`, asked in a network namespace of its own: `--test` asks only
/// the program.
fn tried_elsewhere(restore: &'static str, text: &str) -> Result<(), GatewayError> {
    let elsewhere = || {
        let source = |error: Errno| GatewayError::Io {
            doing: "a network namespace to try our chains in",
            source: error.into(),
        };
        unshare(CloneFlags::CLONE_NEWNET).map_err(source)?;
        chains::run(restore, &["--noflush", "-w", "10"], text).map(drop)
    };
    std::thread::scope(|scope| match scope.spawn(elsewhere).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// The rules that have the kernel track connections, or translate them.
fn trackers(saved: &str) -> impl Iterator<Item = &str> {
    let words = ["-m conntrack", "-m state", "-m connmark", "-m connbytes", "-m helper"];
    let targets = ["SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "CONNMARK", "SYNPROXY"];
    saved.lines().filter(move |line| {
        let target = line.split(" -j ").nth(1).and_then(|rest| rest.split(' ').next());
        line.starts_with("-A")
            && (words.iter().any(|word| line.contains(word))
                || target.is_some_and(|target| targets.contains(&target)))
    })
}

fn forwarding() -> Vec<Finding> {
    let switches = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
    let is_off = |path: &&str| std::fs::read_to_string(path).is_ok_and(|on| on.trim() == "0");
    let tell = |path: &str| {
        let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
        Finding::good("forwarding", format!("off: sysctl -w {name}=1 switches it on"))
    };
    switches.into_iter().filter(is_off).map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tracks_is_told() {
        let saved = "*filter\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\n-A INPUT -j LOG\n\
                     COMMIT\n*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n";
        assert_eq!(trackers(saved).count(), 2);
    }
}
