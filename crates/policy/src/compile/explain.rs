//! `explain.md`: each rule by the intent it serves.

use super::{Written, heading};
use crate::intent::{End, Intent, Policy, What};
use crate::language::bare;
use std::fmt::Write;

pub(super) fn write(policy: &Policy, written: &[Written<'_>], source: &str) -> String {
    let mut text = heading(source).replacen("# ", "<!-- ", 1).replacen('\n', " -->\n", 1);
    let _ = writeln!(text, "\n# What the rules are for\n\nFor Linux {}.", policy.kernel);
    let _ = writeln!(text, "\n## Segments\n");
    for segment in &policy.segments {
        let names: Vec<&str> = segment.interfaces.iter().map(|name| name.as_str()).collect();
        let mut nets: Vec<String> = segment.networks.iter().map(|net| net.to_string()).collect();
        if segment.default.ipv4 || segment.default.ipv6 {
            nets.push(String::from("everything that lives nowhere else"));
        }
        let guard = match segment.asymmetric {
            true => "lists of networks keep forged sources out, as routes are asymmetric",
            false => "the reverse path keeps forged sources out",
        };
        let (name, names, nets) = (&segment.name, names.join(", "), nets.join(", "));
        let _ = writeln!(text, "- **{name}** behind {names}: {nets}; {guard}");
    }
    for (n, intent) in policy.intents.iter().enumerate() {
        let _ = writeln!(text, "\n## {}\n\n{}", intent.name, sentence(intent, policy));
        if let Some(why) = &intent.why {
            let _ = writeln!(text, "{}", why.trim());
        }
        if matches!(&intent.what, What::Helped(kind) if kind.name == "ftp") && !intent.active {
            text.push_str(
                "Active mode (PORT, EPRT) does not pass: it would let servers open ports of \
                 clients. `active = true` lets it.\n",
            );
        }
        rules(written, Some(n), &mut text);
    }
    text.push_str("\n## What every policy has\n\nWhat no rule lets pass is dropped.\n");
    rules(written, None, &mut text);
    text
}

fn rules(written: &[Written<'_>], intent: Option<usize>, text: &mut String) {
    for part in written {
        let all: Vec<&str> = part.file.text.lines().collect();
        let mut said = String::new();
        for line in part.lines.iter().filter(|line| line.rule.intent == intent) {
            if said.is_empty() {
                let _ = writeln!(text, "\n`{}`:\n", part.file.name);
            }
            if said != line.rule.why {
                let _ = writeln!(text, "- {}", line.rule.why);
                said.clone_from(&line.rule.why);
            }
            let rule = all.get(line.number - 1).unwrap_or(&"");
            let _ = writeln!(text, "  - {}: `{}`", line.number, rule.trim());
        }
    }
}

/// An intent in words.
fn sentence(intent: &Intent, policy: &Policy) -> String {
    let about = match &intent.what {
        What::Helped(kind) => format!("{} ({})", kind.name, kind.about),
        What::Plain(service) => service.name.clone(),
    };
    let port = intent.port.map_or(String::new(), |port| format!(" on port {port}"));
    let media = match intent.media.is_empty() {
        true => String::new(),
        false => format!(", with media of {}", ends(&intent.media, policy)),
    };
    let (from, to) = (ends(&intent.from, policy), ends(&intent.to, policy));
    format!("{from} may use {about} of {to}{port}{media}.")
}

fn ends(ends: &[End], policy: &Policy) -> String {
    let name = |n: &usize| policy.segments.get(*n).map_or("?", |segment| &segment.name);
    let words = ends.iter().map(|end| match end {
        End::Gateway => String::from("the gateway"),
        End::Segment(n) => format!("everybody in {}", name(n)),
        End::Hosts { segment, nets } => {
            let nets: Vec<String> = nets.iter().map(|net| bare(*net)).collect();
            format!("{} in {}", nets.join(", "), name(segment))
        }
    });
    words.collect::<Vec<_>>().join(" and ")
}
