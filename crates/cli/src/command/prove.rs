//! `kinwall prove`: what a hostile peer could do, computed for all packets at once.

mod json;
mod text;
mod watch;

use crate::args::{Format, GatewayArgs, RuleArgs};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup;
use crate::{masked, remarks, say};
use clap::Args;
use kinwall_engine::Engine;
use kinwall_prove::exposure::Exposure;
use kinwall_prove::reach::{Given, Reach};
use kinwall_prove::rulebook::Rulebook;
use kinwall_prove::space::TooLarge;
use kinwall_prove::spoof::Spoofing;
use kinwall_prove::universe::UniverseBuilder;
use kinwall_terms::Family;
use watch::Watch;

/// Prove what a hostile peer could do
///
/// Computed for all packets at once, without running any: for each interface, which sources pass
/// although they cannot live behind it; for each helper, which flows a hostile client, server or
/// spoofer could open that rules would not let pass otherwise. Where rules use a match that cannot
/// be decided (limit, recent, string and others), both cases are answered.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  kinwall prove --rules4 rules.v4 --rules6 rules.v6 --topology \
    topology.toml")]
pub(crate) struct ProveArgs {
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
}

/// Runs the command.
pub(crate) fn run(args: ProveArgs) -> Result<(), Failure> {
    if args.gateway.topology.is_none() {
        return Err(Failure::Usage(
            "a proof needs to know where addresses live: give --topology FILE with the gateway's \
             interfaces, addresses and networks"
                .to_owned(),
        ));
    }
    let mut texts = Rules::texts(&args.rules)?;
    masked::replace(&mut texts);
    let rules = Rules::load(texts, &args.rules.defines)?;
    let engine = setup::engine(&rules, &args.rules, &args.gateway)?;
    let families: Vec<Family> =
        Family::ALL.into_iter().filter(|family| rules.loaded.ruleset(*family).is_some()).collect();
    remarks::on_rules(&rules, &engine, &families);
    remarks::on_interfaces(&rules, &engine, &families);
    for family in Family::ALL.into_iter().filter(|family| !families.contains(family)) {
        say::note(format_args!("no rules for {family} were given: nothing is said of it"));
    }
    if args.format == Format::Json {
        json::powers()?;
    }
    for family in families {
        let Some(ruleset) = rules.loaded.ruleset(family) else { continue };
        let assumed = engine.program(family).into_iter().flat_map(|program| program.assumed());
        let book = Rulebook::new(ruleset, assumed);
        let watch = Watch::new();
        let work = |what: &str| watch.show(&format!("{family}: {what}"));
        let found = prove(&engine, &book, &work);
        watch.end();
        let found = found.map_err(too_large)?;
        print(&args, &rules, &found)?;
    }
    Ok(())
}

fn prove<'a>(
    engine: &'a Engine,
    book: &'a Rulebook<'a>,
    work: &'a dyn Fn(&str),
) -> Result<Found<'a>, TooLarge> {
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
    let mut reach = Reach::new(given, builder.build())?;
    let spoofing = reach.spoofing()?;
    let exposures = reach.exposures()?;
    Ok(Found { family, reach, book, spoofing, exposures })
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
