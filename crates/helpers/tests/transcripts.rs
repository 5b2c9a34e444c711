//! Runs the transcripts in `tests/helpers/` at the root of the repository.
//!
//! One folder a helper, any number of `.txt` files in it. What stands before the first case of a
//! file opens every case of the file. For messages that are no text, a folder may have a file
//! `definitions`, each line of which is a name and what it stands for, earlier names included.
//!
//! ```text
//! # a remark
//! > USER anonymous\r\n        the originator sends a segment
//! < 331 password\r\n          the responder sends one
//! >-6 again\r\n               ... that begins 6 bytes before the end of what was sent (+6: a gap)
//!   expect tcp 10.2.0.2:* -> 10.1.0.2:1025 by "PORT 10,1,0,2,4,1"
//!   end own gre 10.1.0.2:5 -> 10.2.0.2:7    a child ends, the master's own or anybody's (any)
//!   write "\x9c@" for "\x00\x05"            other bytes in the payload, under translation
//!   write media address for "10.1.0.2"      where the pair before is expected (and: length)
//!   deliver at 5060           the packet goes to this port
//!   forget keymap
//!   refresh 300               the connection itself lives on
//!   activate udp 10.1.0.2:5060 for 60       an expectation comes to life for so many seconds
//!   flush audio video           the pending expectations of these classes end
//!   drop helper-partial otherwise           unless the line before it found what it looked for
//!   note helper-order         what the helper says of the segment above: all of it, in order;
//!   linux: drop helper-partial         in one profile only; text behind what is given here
//!   strict: blind helper-not-protocol  (such as the spans of an expectation) is not compared
//!
//! ## the name of a case
//! profile strict              linux, strict or both; both unless said
//! family 6                    4 unless said
//! over tcp                    the helper's first protocol unless said
//! kernel 6.19
//! set nf_conntrack_ftp.loose 1
//! broadcast 10.1.0.255 255.255.255.0    the originator is the gateway, and asks this network
//! masquerade 192.0.2.2        the originator's source is translated to this address
//! bare                        without the opening
//! expected                    the connection is itself the child of another
//! together 10.2.0.2 10.2.0.9  the ways to these have the same next hop
//! new                         from here the packets are not ESTABLISHED (and: established)
//! ```

mod session;

use kinwall_terms::{Direction, Family, KernelVersion, Profile};
use session::definitions::Definitions;
use session::{Session, unescape};
use std::path::Path;

#[test]
fn transcripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/helpers");
    let mut failures = Vec::new();
    let mut count = 0;
    for folder in sorted(&root) {
        let helper = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let definitions = Definitions::read(&folder);
        for file in sorted(&folder) {
            if file.extension().is_none() {
                continue;
            }
            let text = definitions.expand(&std::fs::read_to_string(&file).unwrap());
            let name = format!("{helper}/{}", file.file_name().unwrap().to_str().unwrap());
            for case in cases(&text) {
                for profile in case.profiles() {
                    count += 1;
                    let run = run(&helper, profile, &case, &definitions.unsaid);
                    failures.extend(run.into_iter().map(|f| format!("{name}: {f}")));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count}\n{}", failures.len(), failures.join("\n"));
    assert!(count > 100, "only {count} cases were found in {}", root.display());
}

struct Case<'a> {
    name: &'a str,
    /// Line number and line.
    lines: Vec<(usize, &'a str)>,
}

impl Case<'_> {
    fn setting(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|(_, line)| line.strip_prefix(name)?.strip_prefix(' '))
    }

    fn profiles(&self) -> Vec<Profile> {
        match self.setting("profile") {
            Some("linux") => vec![Profile::Linux],
            Some("strict") => vec![Profile::Strict],
            _ => Profile::ALL.to_vec(),
        }
    }
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let mut opening = Vec::new();
    let mut cases: Vec<(Case<'_>, bool)> = Vec::new();
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix("## ") {
            cases.push((Case { name, lines: Vec::new() }, false));
        } else if line.starts_with("# ") {
            continue;
        } else if let Some((case, bare)) = cases.last_mut() {
            *bare |= line == "bare";
            case.lines.push((number, line));
        } else {
            opening.push((number, line));
        }
    }
    for (case, bare) in &mut cases {
        if !*bare {
            case.lines.splice(0..0, opening.iter().copied());
        }
    }
    cases.into_iter().map(|(case, _)| case).collect()
}

fn run(helper: &str, profile: Profile, case: &Case<'_>, unsaid: &[String]) -> Vec<String> {
    let family = if case.setting("family") == Some("6") { Family::Ipv6 } else { Family::Ipv4 };
    let kernel = case.setting("kernel").map_or(KernelVersion::DEFAULT, |v| v.parse().unwrap());
    let settings = case.lines.iter().filter_map(|(_, line)| {
        let (key, value) = line.strip_prefix("set ")?.split_once(' ')?;
        Some((key.to_owned(), value.to_owned()))
    });
    let settings: Vec<_> = settings.collect();
    let mut session = Session::new(helper, family, profile, kernel, &settings);
    if let Some(network) = case.setting("broadcast") {
        let (address, netmask) = network.split_once(' ').expect("an address and a netmask");
        session.ask(address.parse().unwrap(), netmask.parse().unwrap());
    }
    if let Some(name) = case.setting("over") {
        session.over_other_protocol();
        assert_eq!(session.original.proto.to_string(), name);
    }
    if let Some(address) = case.setting("masquerade") {
        session.reply.dst = address.parse().unwrap();
    }
    session.expected = case.lines.iter().any(|(_, line)| *line == "expected");
    if let Some(addresses) = case.setting("together") {
        let addresses =
            addresses.split(' ').map(|address| address.parse::<std::net::IpAddr>().unwrap());
        session.together.0.extend(addresses);
    }
    let mut failures = Vec::new();
    let mut lines = case.lines.iter().peekable();
    while let Some((number, line)) = lines.next() {
        let direction = match line.chars().next() {
            Some('>') => Direction::Original,
            Some('<') => Direction::Reply,
            _ => {
                match *line {
                    "new" => session.established = false,
                    "established" => session.established = true,
                    _ => {}
                }
                continue;
            }
        };
        let (shift, payload) = line[1..].split_once(' ').expect("a blank before the payload");
        let shift = if shift.is_empty() { 0 } else { shift.parse().expect("a shift") };
        session.send_at(direction, shift, &unescape(payload));
        let mut expected = Vec::new();
        while let Some((_, said)) = lines.next_if(|(_, line)| line.starts_with("  ")) {
            let said = said.trim();
            match said.split_once(": ") {
                Some((only, said)) if only == profile.to_string() => expected.push(said),
                Some(("linux" | "strict", _)) => {}
                _ => expected.push(said),
            }
        }
        let mut said = session.said();
        said.retain(|said| !unsaid.iter().any(|word| begins_with(said, word)));
        let same = said.len() == expected.len()
            && said.iter().zip(&expected).all(|(said, expected)| begins_with(said, expected));
        if !same {
            failures.push(format!(
                "{number}: {} ({profile}): {line}\n  expected {expected:?}\n  said     {said:?}",
                case.name
            ));
        }
    }
    failures
}

/// Whether the words of `said` begin with those of `expected`.
fn begins_with(said: &str, expected: &str) -> bool {
    said.strip_prefix(expected).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn sorted(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
