//! `explain.md`: each rule by the intent it serves.

use super::{Written, heading};
use crate::intent::{End, Intent, Policy, SourceTo, Translation, What};
use crate::language::bare;
use crate::plan::Serves;
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
        rules(written, Serves::Intent(n), &mut text);
    }
    for (n, translation) in policy.translations.iter().enumerate() {
        let (name, sentence) = (&translation.name, translated(translation, policy));
        let _ = writeln!(text, "\n## {name}\n\n{sentence}");
        if let Some(why) = &translation.why {
            let _ = writeln!(text, "{}", why.trim());
        }
        rules(written, Serves::Translation(n), &mut text);
    }
    text.push_str("\n## What every policy has\n\nWhat no rule lets pass is dropped.\n");
    rules(written, Serves::Every, &mut text);
    text
}

fn rules(written: &[Written<'_>], serves: Serves, text: &mut String) {
    for part in written {
        let all: Vec<&str> = part.file.text.lines().collect();
        let mut said = String::new();
        for line in part.lines.iter().filter(|line| line.rule.serves == serves) {
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
    let text = format!("{from} may use {about} of {to}{port}{media}.");
    let Some(published) = &intent.published else { return text };
    let at: Vec<String> = published.at.iter().map(|address| address.to_string()).collect();
    let outside = published.outside().map_or(String::new(), |port| format!(" port {port}"));
    format!(
        "{text} It is found at {}{outside}, and nowhere else: the destination is translated \
         before routing, so that the rules of FORWARD see the host's own address, and a packet \
         that names it without translation does not pass by them. The gateway has to be asked \
         for the address: it is its own, or routed to it.",
        at.join(" and ")
    )
}

/// A translation in words.
fn translated(translation: &Translation, policy: &Policy) -> String {
    let (from, to) = (ends(&translation.from, policy), ends(&translation.to, policy));
    let source = match translation.source {
        SourceTo::Masquerade => String::from(
            "the gateway's own address of the interface by which it leaves; when that address \
             goes, the connections go with it",
        ),
        SourceTo::Addresses(one, last) if one == last => {
            format!("{one}, which has to be the gateway's own or routed to it")
        }
        SourceTo::Addresses(first, last) => {
            format!("one of {first} to {last}, which have to be the gateway's own or routed to it")
        }
        SourceTo::Unchanged => String::from("what it was: later translations do not hold"),
    };
    let random = match translation.random {
        true => " Ports are chosen by chance.",
        false => " A port stays where it is free.",
    };
    let random = if translation.source == SourceTo::Unchanged { "" } else { random };
    format!(
        "The source of what {from} sends to {to} becomes {source}.{random} This lets nothing \
         pass by itself; the rules of FORWARD see the sources as they are inside."
    )
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
