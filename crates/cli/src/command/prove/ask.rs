//! Questions on the command line, and files of what is expected of the answers.

use super::show::{Shown, Witnesses};
use super::{Found, ProveArgs, json, text};
use crate::args::Format;
use crate::failure::Failure;
use crate::render::Mistake;
use crate::rule_files::Rules;
use crate::source::Text;
use kinwall_prove::question::{Answer, Question};
use kinwall_prove::sample::Sample;
use kinwall_prove::space::TooLarge;
use kinwall_terms::{Family, L4Proto};
use kinwall_topology::Topology;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write;

/// A question, and what it is called when an answer is expected.
pub(super) struct Asked {
    /// As it was typed.
    pub(super) text: String,
    pub(super) question: Question,
    /// The name of an assertion.
    name: Option<String>,
    /// Families in which it was answered: the answers, said.
    answers: Vec<(Family, Answered)>,
}

/// An answer that outlives the sets it was found in.
struct Answered {
    packet: Option<String>,
    certain: bool,
    shown: Option<Shown>,
}

/// The questions of the command line and of files.
pub(super) fn read(args: &ProveArgs, topology: &Topology) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    for text in &args.questions {
        let question = Question::parse(text, topology).map_err(Failure::Usage)?;
        asked.push(Asked { text: text.clone(), question, name: None, answers: Vec::new() });
    }
    let mut wrong = false;
    for path in &args.asserts {
        let source = Text::read(path, None)?;
        for (number, line) in (1..).zip(source.text.lines()) {
            let text = line.split('#').next().unwrap_or("").trim();
            if text.is_empty() {
                continue;
            }
            let (name, question) = text.split_once(": ").unwrap_or((text, text));
            match Question::parse(question, topology) {
                Ok(question) => asked.push(Asked {
                    text: text.to_owned(),
                    question,
                    name: Some(name.to_owned()),
                    answers: Vec::new(),
                }),
                Err(message) => {
                    wrong = true;
                    let column = line.find(question).unwrap_or(0) as u32 + 1;
                    let mistake = Mistake {
                        name: &source.name,
                        text: &source.text,
                        line: number,
                        column,
                        length: question.chars().count() as u32,
                        message: &message,
                        help: None,
                    };
                    mistake.show();
                }
            }
        }
    }
    if wrong { Err(Failure::Reported) } else { Ok(asked) }
}

/// Answers in one family, and prints the answers to what was asked on the command line.
pub(super) fn answer(
    args: &ProveArgs,
    rules: &Rules,
    found: &mut Found<'_>,
    asked: &mut [Asked],
    mut witnesses: Option<&mut Witnesses>,
) -> Result<(), Failure> {
    for asked in asked.iter_mut().filter(|asked| asked.question.concerns(found.family)) {
        let answer =
            found.reach.answer(&asked.question).map_err(|e: TooLarge| super::too_large(e))?;
        let packet = answer.packet.as_ref().map(|packet| packet_text(found, packet, answer.via));
        let fails = !asked.question.expected && answer.packet.is_some();
        let shown = match (&mut witnesses, &asked.name) {
            (Some(witnesses), Some(name)) if fails => {
                let witness = found.reach.witness_of_answer(&answer).map_err(super::too_large)?;
                let name = format!("{}-assertion-{name}", found.family);
                Some(witnesses.show(&name, witness.as_ref())?)
            }
            _ => None,
        };
        if asked.name.is_none() {
            print(args, rules, found, &asked.text, &answer, packet.as_deref())?;
        }
        asked.answers.push((found.family, Answered { packet, certain: answer.certain, shown }));
    }
    Ok(())
}

fn print(
    args: &ProveArgs,
    rules: &Rules,
    found: &Found<'_>,
    question: &str,
    answer: &Answer,
    packet: Option<&str>,
) -> Result<(), Failure> {
    let word = match packet {
        None => "no",
        Some(_) if answer.certain => "yes",
        Some(_) => "perhaps",
    };
    let mut out = anstream::stdout().lock();
    if args.format == Format::Json {
        let object = json!({
            "type": "answer",
            "family": found.family.to_string(),
            "question": question,
            "answer": word,
            "witness": packet,
            "rules": answer.rules.iter().map(|id| json::rule(rules, found, *id))
                .collect::<Vec<_>>(),
            "depends_on": json::depends_on(rules, found, &answer.undecided),
        });
        writeln!(out, "{object}")?;
        return Ok(out.flush()?);
    }
    match packet {
        None => writeln!(out, "{}: no: proved", found.family)?,
        Some(packet) => {
            let because = text::because(rules, found, &answer.rules);
            writeln!(out, "{}: {word}: {packet}\n      by {because}", found.family)?;
        }
    }
    for question in text::undecided(rules, found, &answer.undecided) {
        writeln!(out, "      depends on {question}")?;
    }
    Ok(out.flush()?)
}

/// Says of each assertion whether it holds; fails if one does not.
pub(super) fn judge(args: &ProveArgs, asked: &[Asked]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let mut failed = false;
    for asked in asked {
        let Some(name) = &asked.name else { continue };
        let passes = asked.answers.iter().find(|(_, answer)| answer.packet.is_some());
        // What may pass is neither surely possible nor proved impossible.
        let holds = match asked.question.expected {
            true => asked.answers.iter().any(|(_, a)| a.packet.is_some() && a.certain),
            false => passes.is_none() && !asked.answers.is_empty(),
        };
        failed |= !holds;
        let witness = passes.and_then(|(_, answer)| answer.packet.as_deref());
        let witness = witness.filter(|_| !holds && !asked.question.expected);
        let shown = passes.and_then(|(_, answer)| answer.shown.as_ref());
        if args.format == Format::Json {
            let mut object =
                json!({"type": "assertion", "name": name, "holds": holds, "witness": witness});
            if shown.is_some() {
                object["packet"] = witness.into();
            }
            json::witness(&mut object, shown);
            writeln!(out, "{object}")?;
        } else {
            let word = if holds { "holds" } else { "FAILS" };
            let packet = witness.map(|packet| format!("\n      {packet}")).unwrap_or_default();
            writeln!(out, "{word} {}{packet}", asked.text)?;
            if let Some(shown) = shown {
                writeln!(out, "      {}", text::witness(shown))?;
            }
        }
    }
    out.flush()?;
    if failed { Err(Failure::Found(1)) } else { Ok(()) }
}

/// The packet as `kinwall explain` reads it, with what is presumed of it.
fn packet_text(found: &Found<'_>, packet: &Sample, via: Option<u8>) -> String {
    let tuple = packet.tuple;
    let mut text = match packet.input {
        Some(name) => format!("in {name} "),
        None => "local ".to_owned(),
    };
    let has_ports = matches!(
        tuple.proto,
        L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP | L4Proto::DCCP
    );
    let end = |address: std::net::IpAddr, port: u16| match has_ports {
        true => std::net::SocketAddr::new(address, port).to_string(),
        false => address.to_string(),
    };
    let [from, to] = [end(tuple.src, tuple.sport), end(tuple.dst, tuple.dport)];
    let _ = write!(text, "{} {from} -> {to}", tuple.proto);
    if matches!(tuple.proto, L4Proto::ICMP | L4Proto::ICMPV6) {
        let [kind, code] = tuple.dport.to_be_bytes();
        let _ = write!(text, " type {kind}/{code}");
    }
    let instance = via.and_then(|helper| found.reach.given.instances.get(helper));
    match instance {
        Some(instance) => text += &format!(" related by {}", instance.name),
        None => text += " new",
    }
    if packet.input.is_some() && !found.reach.universe.macs.known().is_empty() {
        let octets = packet.mac.map(|octet| format!("{octet:02x}"));
        let _ = write!(text, " mac {}", octets.join(":"));
    }
    text
}
