//! Named sets: the files of `--sets`, and what rules ask of them.

use crate::args::RuleArgs;
use crate::failure::Failure;
use crate::live;
use crate::place;
use crate::render::{self, Mistake};
use crate::rule_files::Rules;
use crate::source::Text;
use kinwall_rules::sets::{Misfit, Sets};
use kinwall_terms::Family;
use std::path::PathBuf;

/// Reads the sets that flags name, or those that the machine holds.
pub(crate) fn given(args: &RuleArgs) -> Result<Sets, Failure> {
    match args.live {
        true => of_texts(live::sets()?.as_slice()),
        false => read(&args.sets),
    }
}

/// Reads the files of sets, and shows every mistake in them.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Sets, Failure> {
    let sources = paths.iter().map(|path| Text::read(path, None));
    of_texts(&sources.collect::<Result<Vec<_>, _>>()?)
}

fn of_texts(sources: &[Text]) -> Result<Sets, Failure> {
    let texts: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
    Sets::read(&texts).map_err(|mistakes| render::show_all(sources, &mistakes, "sets"))
}

/// Shows every set that rules name and `sets` lacks; with no file of sets there is nothing to
/// hold the names against.
pub(crate) fn check_names(rules: &Rules, paths: &[PathBuf], sets: &Sets) -> Result<(), Failure> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut names: Vec<&str> = sets.names().collect();
    names.sort_unstable();
    let known = match names.as_slice() {
        [] => "the files of --sets hold none".to_owned(),
        names => format!("the files of --sets hold {}", names.join(", ")),
    };
    let mut wrong = false;
    for (_, _, rule) in rules.loaded.rulesets.iter().flatten().flat_map(|set| set.rules()) {
        for element in rule.set_elements().filter(|element| !sets.has(&element.set)) {
            let source = rules.sources.get(usize::from(rule.origin.file));
            let text = source.map_or("", |source| &source.text);
            let place = place::of_value(text, rule.origin.line, "-set", &element.set);
            let message = format!("there is no set {}", element.set);
            Mistake::at(source, place, &message).help(Some(&known)).show();
            wrong = true;
        }
    }
    if wrong { Err(Failure::Reported) } else { Ok(()) }
}

/// What is to be said of rules of `family` that ask a set in vain: one remark each.
pub(crate) fn asked_in_vain(rules: &Rules, sets: &Sets, family: Family) -> Vec<String> {
    let Some(ruleset) = rules.loaded.ruleset(family) else { return Vec::new() };
    let told = ruleset.rules().flat_map(|(_, _, rule)| {
        rule.set_elements().filter_map(move |element| {
            let why = match sets.misfit(element, family)? {
                Misfit::Dimensions { has, named } => {
                    format!("has {has} dimensions and the rule names {named}")
                }
                Misfit::Family(of) => format!("is one of {of}"),
            };
            let (line, name) = (rule.origin.line, &element.set);
            Some(format!("{family}: no packet falls into set {name} at line {line}: it {why}"))
        })
    });
    told.collect()
}
