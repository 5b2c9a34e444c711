//! `kinwall explain`: one packet, typed by hand, through the rules.

use crate::args::{Format, GatewayArgs, NatArg, RuleArgs};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup::{self, Gateway};
use crate::{remarks, why};
use clap::Args;
use kinwall_engine::{Engine, Ingress, Packet, Presumed, Trace};
use kinwall_replay::typed::{NotAPacket, Typed};
use kinwall_terms::{CtState, Family, Time, Verdict};
use kinwall_wire::Headers;
use std::borrow::Cow;
use std::io::Write;

/// Walk one packet through the rules: each table, chain and rule it meets
///
/// Of each rule it says whether it matched, and if not, by which part.
///
/// The packet is typed as
///   [in IFACE | local] PROTOCOL SOURCE[:PORT] -> DESTINATION[:PORT] [WORD...]
/// IPv6 addresses with a port stand in brackets. The words:
///   syn ack fin rst psh urg none    TCP flags; without any, syn, or ack in a connection
///   echo-request, echo-reply, type 3/4, id 7                 ICMP and ICMPv6
///   new, established, related, invalid, untracked            what to presume of tracking
///   by HELPER, reply                its master's helper, its direction
///   mark 1, ttl 64, tos 0x10, mac 02:00:00:00:00:01          the packet
///   length 100, or at the end: payload TEXT                  with \r \n \t \\ \xHH
/// Without something to presume an empty connection table decides, and the packet is the first.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The packet, in quotes
    packet: String,
    #[command(flatten, next_help_heading = "Rules")]
    rules: RuleArgs,
    #[command(flatten, next_help_heading = "Gateway")]
    gateway: GatewayArgs,
    /// What to do with the nat table
    #[arg(long, value_enum, default_value_t = NatArg::Apply, help_heading = "Gateway")]
    nat: NatArg,
    /// Show only the rules that matched
    #[arg(long, help_heading = "Output")]
    brief: bool,
    /// How to print
    #[arg(long, value_enum, help_heading = "Output", default_value_t = Format::Text)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  kinwall explain --rules rules.v4 --topology topology.toml \\
      'in eth0 tcp 203.0.113.9:4000 -> 192.0.2.10:2121 syn'
  kinwall explain --rules rules.v4 --topology topology.toml \\
      'in eth0 tcp 203.0.113.9:20 -> 192.0.2.10:50000 syn related by ftp'";

/// Runs the command.
pub(crate) fn run(args: ExplainArgs) -> Result<(), Failure> {
    if args.packet.trim().is_empty() {
        let example = "'in eth0 tcp 203.0.113.9:4000 -> 192.0.2.10:2121 syn'";
        return Err(Failure::Usage(format!("no packet was typed: write one such as {example}")));
    }
    let typed = Typed::parse(&args.packet).map_err(|error| misread(&args.packet, &error))?;
    let rules = Rules::read(&args.rules)?;
    let mut engine = Gateway::read(&args.rules, &args.gateway)?.engine(&rules)?;
    let presumed = presumed(&engine, &typed)?;
    let headers = Headers::parse(&typed.bytes)
        .map_err(|error| Failure::Usage(format!("the packet cannot be: {error}")))?;
    let input = typed.input.or_else(|| engine.topology().interface_behind(headers.src));
    let local = typed.local || (typed.input.is_none() && engine.topology().is_local(headers.src));
    let ingress = if local { Ingress::Local { owner: None } } else { Ingress::Interface(input) };
    if let Some(name) = typed.input {
        setup::known_interface(&engine, name)
            .map_err(|error| Failure::Usage(format!("in {name}: {error}")))?;
    }
    engine.set_translation(args.nat == NatArg::Apply);
    remarks::on_rules(&rules, &engine, &[Family::of(headers.dst)]);
    let mut packet = Packet {
        number: 1,
        ingress,
        link: typed.link,
        mark: typed.mark,
        bytes: Cow::Borrowed(&typed.bytes),
    };
    let mut trace = Trace::default();
    let outcome = match &presumed {
        Some(presumed) => engine.suppose(Time(0), &mut packet, presumed, &mut trace),
        None => engine.handle_traced(Time(0), &mut packet, &mut trace),
    };
    let mut out = anstream::stdout().lock();
    if args.format == Format::Json {
        let json = crate::json::explained(&engine, &outcome, &trace);
        writeln!(out, "{json}")?;
        return Ok(());
    }
    match local {
        true => writeln!(out, "{}, sent by the gateway", why::headline(&headers, None))?,
        false => writeln!(out, "{}", why::headline(&headers, input))?,
    }
    let family = Family::of(headers.dst);
    if let Some(remark) = why::no_rules(&engine, family) {
        writeln!(out, "  ({remark})")?;
    }
    why::write(&mut out, &engine, &trace, !args.brief)?;
    why::write_verdict(&mut out, &engine, &outcome)?;
    if let (Verdict::Unknown, Some(at)) = (outcome.verdict, &outcome.rule) {
        remarks::on_unknown(&engine, &rules.names(), [(at, &1)].into_iter());
    }
    Ok(())
}

fn presumed(engine: &Engine, typed: &Typed) -> Result<Option<Presumed>, Failure> {
    let Some(state) = typed.ct_state else { return Ok(None) };
    let master_helper = match &typed.helper {
        None => None,
        Some(name) => Some(helper(engine, name)?),
    };
    if master_helper.is_some() && matches!(state, CtState::Invalid | CtState::Untracked) {
        return Err(Failure::Usage(format!("a packet that is {state} has no helper")));
    }
    Ok(Some(Presumed { state, direction: typed.direction, master_helper }))
}

fn helper(engine: &Engine, name: &str) -> Result<kinwall_conntrack::HelperId, Failure> {
    let list = engine.instances().list();
    let found = list.iter().position(|instance| instance.name == name);
    match found.and_then(|index| u8::try_from(index).ok()) {
        Some(index) => Ok(kinwall_conntrack::HelperId(index)),
        None => {
            let names: Vec<&str> = list.iter().map(|instance| instance.name.as_str()).collect();
            Err(Failure::Usage(format!(
                "no helper is called `{name}`; there are {}",
                names.join(", ")
            )))
        }
    }
}

/// Points at the word that was not understood.
fn misread(text: &str, error: &NotAPacket) -> Failure {
    let words = text.split_whitespace().scan(0, |from, word| {
        let at = text[*from..].find(word)? + *from;
        *from = at + word.len();
        Some((at, word))
    });
    let (at, length) = words
        .skip(error.word)
        .map(|(at, word)| (text[..at].chars().count(), word.chars().count()))
        .next()
        .unwrap_or((text.chars().count() + 1, 1));
    Failure::Usage(format!("{error}\n  {text}\n  {}{}", " ".repeat(at), "^".repeat(length)))
}
