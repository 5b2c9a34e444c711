//! Commands applied to a rule set, in order, with the tool's own refusals.

use crate::diagnostic::{Mistakes, Origin};
use crate::lex::Word;
use crate::parse::{Action, Command};
use crate::ruleset::{Chain, Rule, Ruleset, TableRules};
use crate::targets::Target;
use kinwall_terms::Table;

/// Applies one command; what cannot be done is reported and changes nothing.
pub(crate) fn apply(
    ruleset: &mut Ruleset,
    command: Command,
    origin: Origin,
    mistakes: &mut Mistakes,
) {
    let rules = ruleset.table_mut(command.table);
    let jump = command.jump.as_ref();
    match command.action {
        Action::Append { chain, rules: new } => {
            let known = chain_exists(rules, jump, mistakes);
            if let Some(chain) = existing(rules, &chain, mistakes).filter(|_| known) {
                chain.rules.extend(new);
            }
        }
        Action::Insert { chain, at, number, rules: new } => {
            let known = chain_exists(rules, jump, mistakes);
            let Some(chain) = existing(rules, &chain, mistakes).filter(|_| known) else { return };
            if at > chain.rules.len() + 1 {
                return no_such_position(chain, number.as_ref(), mistakes);
            }
            // Several rules of one command each go to the same position: the last comes first.
            new.into_iter().for_each(|rule| chain.rules.insert(at - 1, rule));
        }
        Action::Delete { chain, rules: old } => {
            let Some(found) = existing(rules, &chain, mistakes) else { return };
            old.iter().for_each(|rule| delete(found, &chain, rule, mistakes));
        }
        Action::DeleteAt { chain, number, at } => {
            let Some(chain) = existing(rules, &chain, mistakes) else { return };
            match at <= chain.rules.len() {
                true => drop(chain.rules.remove(at - 1)),
                false => no_such_position(chain, Some(&number), mistakes),
            }
        }
        Action::Replace { chain, number, at, rule } => {
            let known = chain_exists(rules, jump, mistakes);
            let Some(chain) = existing(rules, &chain, mistakes).filter(|_| known) else { return };
            match chain.rules.get_mut(at - 1) {
                Some(old) => *old = *rule,
                None => no_such_position(chain, Some(&number), mistakes),
            }
        }
        Action::Policy(chain, policy) => {
            let Some(found) = existing(rules, &chain, mistakes) else { return };
            match found.hook {
                Some(_) => found.policy = Some(policy),
                None => mistakes.push(
                    chain
                        .mistake(format!("{} is not a built-in chain", chain.text))
                        .help("only built-in chains have a policy; end a user chain with a rule"),
                ),
            }
        }
        Action::Flush(chain) => flush(rules, chain.as_ref(), mistakes),
        Action::New(chain) => match rules.position(&chain.text) {
            Some(_) => mistakes.push(chain.mistake(format!("{} exists already", chain.text))),
            None => drop(rules.add_chain(&chain.text, origin)),
        },
        Action::Remove(chain) => remove(rules, chain.as_ref(), mistakes),
        Action::Rename(old, new) => {
            if rules.position(&new.text).is_some() {
                mistakes.push(new.mistake(format!("{} exists already", new.text)));
            } else if !rules.rename_chain(&old.text, &new.text) {
                mistakes.push(old.mistake(format!("there is no user chain {}", old.text)));
            }
        }
        Action::Nothing => {}
    }
}

fn delete(chain: &mut Chain, word: &Word, rule: &Rule, mistakes: &mut Mistakes) {
    match chain.rules.iter().position(|known| known.same_as(rule)) {
        Some(position) => drop(chain.rules.remove(position)),
        None => mistakes.push(
            word.mistake(format!("{} has no such rule", word.text))
                .help("the rule to delete must be spelt as it was added"),
        ),
    }
}

/// The chain called by `word`; reports when there is none.
fn existing<'a>(
    rules: &'a mut TableRules,
    word: &Word,
    mistakes: &mut Mistakes,
) -> Option<&'a mut Chain> {
    let Some(position) = rules.position(&word.text) else {
        mistakes.push(no_such_chain(rules, word));
        return None;
    };
    rules.chains.get_mut(position)
}

fn no_such_chain(rules: &TableRules, word: &Word) -> crate::diagnostic::Diagnostic {
    let message = format!("table {} has no chain {}", rules.table, word.text);
    let names = rules.chains.iter().map(|chain| chain.name.as_str());
    let help = match crate::suggest::closest(&word.text, names) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            match Table::ALL.iter().find(|t| t.hooks().iter().any(|h| h.chain() == word.text)) {
                Some(table) => format!("table {table} has it"),
                None => {
                    format!("declare it before: `:{} -` in a file, `-N {0}` in a script", word.text)
                }
            }
        }
    };
    word.mistake(message).help(help)
}

fn no_such_position(chain: &Chain, number: Option<&Word>, mistakes: &mut Mistakes) {
    let Some(number) = number else { return };
    let message = format!("{} has only {} rules", chain.name, chain.rules.len());
    mistakes.push(number.mistake(message).help("positions count from 1"));
}

/// Whether the chain that is jumped to exists; reports when it does not.
fn chain_exists(rules: &TableRules, jump: Option<&Word>, mistakes: &mut Mistakes) -> bool {
    let Some(word) = jump else { return true };
    let name = word.text.as_str();
    match rules.chain(name) {
        Some(chain) if chain.hook.is_none() => return true,
        Some(_) => mistakes.push(
            word.mistake(format!("{name} is a built-in chain"))
                .help("only user chains can be jumped to"),
        ),
        None if name == "QUEUE" => mistakes.push(
            word.mistake("QUEUE is a target of the past").help("write -j NFQUEUE --queue-num 0"),
        ),
        None => {
            let targets = crate::targets::registry::Kind::ALL.iter().map(|kind| kind.spec().name);
            let names = rules.chains.iter().map(|chain| chain.name.as_str()).chain(targets);
            let help =
                match crate::suggest::closest(name, names.chain(["ACCEPT", "DROP", "RETURN"])) {
                    Some(near) => format!("did you mean {near}?"),
                    None => {
                        format!("declare it before: `:{name} -` in a file, `-N {name}` in a script")
                    }
                };
            mistakes.push(
                word.mistake(format!(
                    "{name} is neither a target nor a chain of table {}",
                    rules.table
                ))
                .help(help),
            );
        }
    }
    false
}

fn flush(rules: &mut TableRules, chain: Option<&Word>, mistakes: &mut Mistakes) {
    match chain {
        None => rules.chains.iter_mut().for_each(|chain| chain.rules.clear()),
        Some(word) => {
            if let Some(chain) = existing(rules, word, mistakes) {
                chain.rules.clear();
            }
        }
    }
}

fn remove(rules: &mut TableRules, chain: Option<&Word>, mistakes: &mut Mistakes) {
    let jumped_to = |rules: &TableRules, name: &str| {
        rules.chains.iter().flat_map(|chain| &chain.rules).any(|rule| {
            matches!(&rule.target, Some(Target::Jump(to) | Target::Goto(to)) if **to == *name)
        })
    };
    let Some(word) = chain else {
        let all: Vec<String> =
            rules.chains.iter().filter(|c| c.hook.is_none()).map(|c| c.name.clone()).collect();
        let empty = |name: &String| rules.chain(name).is_some_and(|c| c.rules.is_empty());
        let free: Vec<String> =
            all.into_iter().filter(|name| empty(name) && !jumped_to(rules, name)).collect();
        for name in free {
            rules.remove_chain(&name);
        }
        return;
    };
    let Some(found) = existing(rules, word, mistakes) else { return };
    let name = &word.text;
    if found.hook.is_some() {
        mistakes.push(word.mistake(format!("{name} is a built-in chain")).help("-F empties it"));
    } else if !found.rules.is_empty() {
        let help = format!("empty it before: -F {name}");
        mistakes.push(word.mistake(format!("{name} still has rules")).help(help));
    } else if jumped_to(rules, name) {
        let help = "delete the rules that jump to it before";
        mistakes.push(word.mistake(format!("{name} is still jumped to")).help(help));
    } else {
        rules.remove_chain(name);
    }
}
