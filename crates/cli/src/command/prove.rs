//! `kinwall prove`: what a hostile peer could do, computed for all packets at once.

mod ask;
mod intended;
mod json;
mod matrix;
mod remedy;
mod show;
mod svg;
mod text;
mod watch;

use crate::args::{Format, GatewayArgs, RuleArgs};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup::Gateway;
use crate::{masked, remarks, say};
use ask::Asked;
use clap::Args;
use intended::Compared;
use kinwall_engine::Engine;
use kinwall_prove::exposure::{Exposure, Flows};
use kinwall_prove::reach::{Given, Reach};
use kinwall_prove::rulebook::Rulebook;
use kinwall_prove::space::TooLarge;
use kinwall_prove::spoof::Spoofing;
use kinwall_prove::translation::{Translated, Translation};
use kinwall_prove::universe::UniverseBuilder;
use kinwall_terms::Family;
use remedy::Remedy;
use show::{Shown, Witnesses};
use std::path::PathBuf;
use svg::Picture;
use watch::Watch;

const EXAMPLES: &str = "\
Examples:
  kinwall prove --rules4 rules.v4 --rules6 rules.v6 --topology topology.toml
  kinwall prove --rules4 rules.v4 --topology topology.toml \\
      'can wan reach lan on tcp 445 via ftp?'

  sudo kinwall prove --live
  kinwall prove --rules4 rules.v4 --topology topology.toml --matrix 'tcp 22' --svg ssh.svg

A question is `can FROM reach TO [on PROTOCOL [PORT[-PORT]]] [via HELPER]`, or `cannot ...`;
FROM and TO are an interface, a network, an address, gateway, wan or lan.";

/// Prove what a hostile peer could do
///
/// Computed for all packets at once, without running any: for each interface, which sources pass
/// although they cannot live behind it; for each helper, which flows a hostile client, server or
/// spoofer could open that rules would not let pass otherwise. Where rules use a match that cannot
/// be decided (limit, recent, string and others), both cases are answered.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProveArgs {
    /// A question: it alone is answered, with a packet for `kinwall explain` where the answer is
    /// yes
    #[arg(value_name = "QUESTION")]
    questions: Vec<String>,
    /// Expectations, a question a line (`NAME: cannot wan reach lan on tcp 445`, # comments): exit
    /// status 1 when one fails
    #[arg(long = "assert", value_name = "FILE")]
    asserts: Vec<PathBuf>,
    /// Write a witness for each exposure, each source that can be spoofed and each assertion that
    /// fails: a capture whose last packet is what was found, replayed to confirm it
    #[arg(long, value_name = "DIR")]
    witness: Option<PathBuf>,
    /// Have the real kernel confirm the witnesses too, in namespaces of its own (needs root,
    /// iptables, nft and Linux 6.16)
    #[arg(long, requires = "witness")]
    confirm_in_kernel: bool,
    /// Say for each exposure the smallest change of rules that closes it, and what is left of it
    /// then: the rules with all these lines in front are proved anew
    #[arg(long, conflicts_with_all = ["questions", "asserts"])]
    remedy: bool,
    /// Say of each exposure which intent of this policy wants it, and what its intents want that is
    /// not open; exit status 1 when something is open that no intent wants
    #[arg(long, value_name = "POLICY.toml", conflicts_with_all = ["questions", "asserts"])]
    policy: Option<PathBuf>,
    /// Who reaches whom with a service, `tcp 22` or `udp 5060-5061`: between every two interfaces
    /// what opens connections, what a helper may announce, and what can be answered
    #[arg(long, value_name = "SERVICE", conflicts_with_all = [
        "questions", "asserts", "witness", "remedy",
    ])]
    matrix: Vec<String>,
    /// Draw the matrix into this file, segments with arrows between them
    #[arg(long, value_name = "FILE", requires = "matrix")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What was found in one family.
struct Found<'a> {
    family: Family,
    reach: Reach<'a>,
    book: &'a Rulebook<'a>,
    spoofing: Vec<Spoofing>,
    exposures: Vec<Exposure>,
    /// What the nat table does, and what passes of it.
    translations: Vec<(Translation, Vec<Flows>)>,
    /// By position; empty when none were asked for.
    spoofing_shown: Vec<Shown>,
    exposures_shown: Vec<Shown>,
    /// Of each exposure; empty when none were asked for.
    remedies: Vec<Remedy>,
    /// Beside a policy.
    compared: Option<Compared>,
}

impl<'a> Found<'a> {
    fn new(family: Family, reach: Reach<'a>, book: &'a Rulebook<'a>) -> Found<'a> {
        Found {
            family,
            reach,
            book,
            spoofing: vec![],
            exposures: vec![],
            translations: vec![],
            spoofing_shown: vec![],
            exposures_shown: vec![],
            remedies: vec![],
            compared: None,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: ProveArgs) -> Result<(), Failure> {
    if args.gateway.topology.is_none() && !args.rules.live {
        return Err(Failure::Usage(
            "a proof needs to know where addresses live: give --topology FILE with the gateway's \
             interfaces, addresses and networks, or --live for this machine"
                .to_owned(),
        ));
    }
    let mut texts = Rules::texts(&args.rules)?;
    masked::replace(&mut texts);
    let rules = Rules::load(texts, &args.rules.defines)?;
    let gateway = Gateway::read(&args.rules, &args.gateway)?;
    let mut engine = gateway.engine(&rules)?;
    engine.set_translation(true);
    let families: Vec<Family> =
        Family::ALL.into_iter().filter(|family| rules.loaded.ruleset(*family).is_some()).collect();
    remarks::on_rules(&rules, &engine, &families);
    remarks::on_interfaces(&rules, engine.topology(), &families);
    for family in Family::ALL.into_iter().filter(|family| !families.contains(family)) {
        say::note(format_args!("no rules for {family} were given: nothing is said of it"));
    }
    let mut asked = ask::read(&args, engine.topology())?;
    let services = matrix::read(&args)?;
    let policy = args.policy.as_ref();
    let policy = policy.map(|path| intended::read(path, &gateway)).transpose()?;
    let mut unwanted = false;
    let mut picture = Picture::default();
    if args.format == Format::Json && asked.is_empty() && services.is_empty() {
        json::powers()?;
    }
    let witnesses = args.witness.as_ref().map(|folder| {
        Witnesses::new(folder, gateway.engine(&rules)?, &rules, args.confirm_in_kernel)
    });
    let mut witnesses = witnesses.transpose()?;
    for family in families {
        let Some(ruleset) = rules.loaded.ruleset(family) else { continue };
        let assumed = engine.program(family).into_iter().flat_map(|program| program.assumed());
        let book = Rulebook::new(ruleset, assumed).with_sets(&engine.memory().sets);
        let watch = Watch::new();
        let work = |what: &str| watch.show(&format!("{family}: {what}"));
        let reach = reach(&engine, &book, (&asked, &services), &work).map_err(too_large)?;
        let mut found = Found::new(family, reach, &book);
        if !services.is_empty() {
            let answered = matrix::answer(&args, &mut found, &services, &mut picture);
            watch.end();
            answered?;
        } else if asked.is_empty() {
            let done =
                find(&args, (&rules, &gateway), &mut found, witnesses.as_mut(), policy.as_ref());
            watch.end();
            done?;
            unwanted |= found.compared.as_ref().is_some_and(Compared::has_unwanted);
            print(&args, &rules, &found)?;
        } else {
            ask::answer(&args, &rules, &mut found, &mut asked, witnesses.as_mut())?;
            watch.end();
        }
    }
    if let Some(path) = &args.svg {
        let interfaces = engine.topology().interfaces().iter();
        let names: Vec<_> = interfaces.map(|interface| interface.name).collect();
        picture.write(path, &names)?;
    }
    if unwanted {
        return Err(Failure::Failed("something is open that no intent wants".to_owned()));
    }
    ask::judge(&args, &asked)
}

/// Finds everything there is to say of a family.
fn find(
    args: &ProveArgs,
    (rules, gateway): (&Rules, &Gateway<'_>),
    found: &mut Found<'_>,
    witnesses: Option<&mut Witnesses>,
    policy: Option<&Rules>,
) -> Result<(), Failure> {
    prove(found).map_err(too_large)?;
    if let Some(witnesses) = witnesses {
        show::everything(witnesses, found)?;
    }
    if args.remedy {
        found.remedies = remedy::of_all(rules, found, gateway)?;
    }
    if let Some(policy) = policy {
        found.compared = Some(intended::compare(policy, found, gateway)?);
    }
    Ok(())
}

fn prove(found: &mut Found<'_>) -> Result<(), TooLarge> {
    found.spoofing = found.reach.spoofing()?;
    let Translated { translations, passing, exposures } = found.reach.translated_exposures()?;
    found.exposures = exposures;
    found.translations = translations.into_iter().zip(passing).collect();
    Ok(())
}

/// All packets of one family, told apart by rules, topology, helpers and questions.
fn reach<'a>(
    engine: &'a Engine,
    book: &'a Rulebook<'a>,
    (asked, services): (&[Asked], &[matrix::Wanted]),
    work: &'a dyn Fn(&str),
) -> Result<Reach<'a>, TooLarge> {
    let settings = engine.settings();
    let family = book.family();
    let given = Given {
        book,
        topology: engine.topology(),
        instances: engine.instances(),
        profile: settings.profile,
        automatic: settings.automatic_assignment(),
        tcp_loose: settings.tracking.tunables.tcp.loose,
        work,
    };
    let mut builder = UniverseBuilder::new(family, engine.topology());
    builder.rulebook(book);
    builder.helpers(engine.instances());
    asked.iter().for_each(|asked| asked.question.prepare(&mut builder));
    services.iter().for_each(|wanted| wanted.service.prepare(&mut builder));
    Reach::new(given, builder.build())
}

fn print(args: &ProveArgs, rules: &Rules, found: &Found<'_>) -> Result<(), Failure> {
    match args.format {
        Format::Text => text::print(rules, found),
        Format::Json => json::print(rules, found),
    }
}

fn too_large(error: TooLarge) -> Failure {
    Failure::Failed(error.to_string())
}
