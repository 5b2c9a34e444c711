//! A command as it grows, option by option, and what becomes of it at the end.

use super::Setting;
use super::command::{self, Action, Command};
use super::options::{self, GivenGlobal, Global, Resolved};
use crate::diagnostic::{Diagnostic, Mistakes, Span};
use crate::lex::Word;
use crate::matches::{self, Match};
use crate::option::{Args, Context, Given, Opt, Spec, Test};
use crate::ruleset::{Counters, Rule};
use crate::targets::{self, Target};
use crate::value::{self, Network};
use kinwall_terms::{Family, Hook, L4Proto, Table};

/// An extension named by the command, with the options given to it so far.
struct Extension {
    which: Which,
    span: Span,
    given: Vec<Given>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Match(matches::registry::Kind),
    Target(targets::registry::Kind),
}

impl Which {
    fn spec(self) -> &'static Spec {
        match self {
            Which::Match(kind) => kind.spec(),
            Which::Target(kind) => kind.spec(),
        }
    }
}

/// A target that is a word of the language or a chain.
enum Jump {
    Target(Target),
    Extension,
}

/// What has been read of a command.
pub(crate) struct Draft {
    setting: Setting,
    table: Table,
    rule: Rule,
    extensions: Vec<Extension>,
    jump: Option<Jump>,
    jump_word: Option<Word>,
    sources: Vec<Test<Network>>,
    destinations: Vec<Test<Network>>,
    /// The options that were given, with their place: each may stand once.
    seen: Vec<(Global, Span)>,
    command: Option<(Global, Word, Vec<Word>)>,
    other_family: bool,
    protocol_match_loaded: bool,
    poisoned: bool,
}

impl Draft {
    pub(super) fn new(setting: Setting) -> Draft {
        let mut rule = Rule::new(setting.origin);
        rule.counters = setting.counters.unwrap_or_default();
        Draft {
            setting,
            table: setting.table,
            rule,
            extensions: Vec::new(),
            jump: None,
            jump_word: None,
            sources: Vec::new(),
            destinations: Vec::new(),
            seen: Vec::new(),
            command: None,
            other_family: false,
            protocol_match_loaded: false,
            poisoned: false,
        }
    }

    /// Whether something unknown was named, so that further unknown words tell nothing new.
    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// From here on unknown words tell nothing new.
    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// What the long option `name` stands for at this moment.
    pub(super) fn resolve(&self, name: &str) -> Option<Resolved> {
        let mut asked: Vec<(usize, &'static [Opt])> = Vec::new();
        for (instance, extension) in self.extensions.iter().enumerate().rev() {
            let known = |(other, _): &(usize, _)| self.extensions[*other].which == extension.which;
            if !asked.iter().any(known) {
                asked.push((instance, extension.which.spec().options));
            }
        }
        options::resolve(name, !self.poisoned, &asked)
    }

    /// Loads the match of the rule's protocol, for an option nobody else knows; whether there
    /// was one to load.
    pub(super) fn load_protocol_match(&mut self) -> bool {
        let Some(proto) = self.rule.proto.filter(|_| !self.protocol_match_loaded) else {
            return false;
        };
        let name = crate::protocols::display(proto.value);
        let Some(kind) = matches::registry::Kind::from_name(&name, self.setting.family) else {
            return false;
        };
        self.protocol_match_loaded = true;
        let which = Which::Match(kind);
        if self.extensions.iter().any(|extension| extension.which == which) {
            return false;
        }
        let span =
            self.seen.iter().find(|s| s.0 == Global::Protocol).map_or_else(Span::default, |s| s.1);
        self.extensions.push(Extension { which, span, given: Vec::new() });
        true
    }

    /// Adds an option to one of the extensions.
    pub(super) fn give(
        &mut self,
        instance: usize,
        option: usize,
        invert: bool,
        span: Span,
        values: Vec<Word>,
    ) {
        if let Some(extension) = self.extensions.get_mut(instance) {
            extension.given.push(Given { option, invert, span, values });
        }
    }

    /// What to say about an option nobody knows.
    pub(super) fn explain_unknown(&self, name: &str) -> (String, Option<String>) {
        let name = name.split('=').next().unwrap_or(name);
        let has = |spec: &Spec| spec.options.iter().any(|option| option.names().any(|n| n == name));
        let matching =
            matches::registry::Kind::ALL.iter().map(|kind| kind.spec()).filter(|s| has(s));
        let with: Vec<String> = matching
            .map(|spec| match crate::protocols::from_name(spec.name) {
                Some(_) => format!("-p {}", spec.name),
                None => format!("-m {}", spec.name),
            })
            .collect();
        let targets = targets::registry::Kind::ALL.iter().map(|kind| kind.spec());
        let with: Vec<String> = with
            .into_iter()
            .chain(targets.filter(|s| has(s)).map(|s| format!("-j {}", s.name)))
            .collect();
        let dashes = if name.chars().count() == 1 { "-" } else { "--" };
        let message = format!("{dashes}{name} is not known here");
        if !with.is_empty() {
            return (message, Some(format!("it needs {} before it", with.join(" or "))));
        }
        let own = self.extensions.iter().flat_map(|e| e.which.spec().options);
        let known = own.flat_map(Opt::names).chain(["source", "destination", "protocol", "jump"]);
        let near =
            crate::suggest::closest(name, known).map(|near| format!("did you mean --{near}?"));
        let named = |spec: &Spec| {
            let names: Vec<String> =
                spec.options.iter().map(|option| format!("--{}", option.name)).collect();
            format!("{} has {}", spec.name, names.join(", "))
        };
        let specs = self.extensions.iter().map(|e| e.which.spec());
        let named: Vec<String> = specs.filter(|s| !s.options.is_empty()).map(named).collect();
        let options = Some(named.join("; ")).filter(|list| !list.is_empty());
        (message, near.or(options).or(Some("a -m NAME or -j NAME before it brings options".into())))
    }

    /// Takes an option of the tool itself.
    pub(super) fn global(
        &mut self,
        given: GivenGlobal<'_>,
        setting: Setting,
        mistakes: &mut Mistakes,
    ) {
        let GivenGlobal { global, ref word, span, invert, ref value, ref more } = given;
        if global.is_command() {
            let more = more.iter().map(|word| (*word).clone());
            let words = value.iter().cloned().chain(more).collect();
            return self.set_command(global, word, words, mistakes);
        }
        let once = !matches!(
            global,
            Global::Match | Global::Verbose | Global::Show | Global::Wait | Global::Modprobe
        );
        let kind = if global == Global::Goto { Global::Jump } else { global };
        if once && self.seen.iter().any(|(seen, _)| *seen == kind) {
            return mistakes.push(word.mistake(format!("{} stands twice", word.text)).help(
                match global {
                    Global::Source | Global::Destination => "several addresses: -s A,B",
                    _ => "keep one of them",
                },
            ));
        }
        self.seen.push((kind, span));
        match (global, value) {
            (Global::Source | Global::Destination, Some(value)) => {
                self.addresses(global, value, invert, mistakes);
            }
            (Global::Protocol, Some(value)) => self.protocol(value, invert, mistakes),
            (Global::InInterface | Global::OutInterface, Some(value)) => {
                let pattern = keep(value::interface(value), mistakes);
                let pattern = pattern.filter(|p| invert || !p.is_everything());
                let test = pattern.map(|value| Test { invert, value });
                match global {
                    Global::InInterface => self.rule.in_iface = test,
                    _ => self.rule.out_iface = test,
                }
            }
            (Global::Fragment, _) => self.fragment(word, invert, mistakes),
            (Global::Match, Some(value)) => self.add_match(value, span, mistakes),
            (Global::Jump, Some(value)) => self.jump(value, span, mistakes),
            (Global::Goto, Some(value)) => {
                self.jump = Some(Jump::Target(Target::Goto(value.text.as_str().into())));
                self.jump_word = Some(value.clone());
            }
            (Global::Table, Some(value)) => self.table(value, word, setting, mistakes),
            (Global::Counters, Some(value)) => self.counters(value, more.first(), mistakes),
            (Global::Wait, _) if setting.table_fixed => {
                let help = "remove it: a table is loaded as a whole";
                mistakes.push(word.mistake(format!("{} cannot stand here", word.text)).help(help));
            }
            (Global::Ipv4, _) => self.other_family |= setting.family != Family::Ipv4,
            (Global::Ipv6, _) => self.other_family |= setting.family != Family::Ipv6,
            _ => {}
        }
    }

    fn set_command(
        &mut self,
        global: Global,
        word: &Word,
        words: Vec<Word>,
        mistakes: &mut Mistakes,
    ) {
        if let Some((_, first, _)) = &self.command {
            let message = format!("{} beside {}", word.text, first.text);
            return mistakes.push(word.mistake(message).help("one command a line"));
        }
        self.command = Some((global, word.clone(), words));
    }

    fn addresses(&mut self, global: Global, value: &Word, invert: bool, mistakes: &mut Mistakes) {
        let family = self.setting.family;
        let mut networks = Vec::new();
        for part in value.text.split(',') {
            let read = value::parse_network(value, part, family);
            networks.extend(keep(read, mistakes).map(|value| Test { invert, value }));
        }
        if invert && networks.len() > 1 {
            let message = "several addresses cannot be negated together";
            mistakes.push(value.mistake(message).help("one rule for each, or -m set"));
        }
        if invert && networks.iter().any(|test| test.value.is_everything()) {
            let message = "this never matches: every address is excluded";
            mistakes.push(value.mistake(message).help("remove the rule or name a network"));
        }
        match global {
            Global::Source => self.sources = networks,
            _ => self.destinations = networks,
        }
    }

    fn protocol(&mut self, value: &Word, invert: bool, mistakes: &mut Mistakes) {
        let Some(proto) = keep(value::protocol(value), mistakes) else { return self.poison() };
        if proto == L4Proto(0) && invert {
            let message = "this never matches: every protocol is excluded";
            mistakes.push(value.mistake(message).help("name a protocol"));
        }
        self.rule.proto = Some(Test { invert, value: proto }).filter(|_| proto != L4Proto(0));
    }

    fn fragment(&mut self, word: &Word, invert: bool, mistakes: &mut Mistakes) {
        if self.setting.family == Family::Ipv6 {
            let help = "IPv6 fragments: -m frag";
            mistakes.push(word.mistake("-f is of IPv4 only").help(help));
        }
        self.rule.fragment = Some(invert);
    }

    fn add_match(&mut self, value: &Word, span: Span, mistakes: &mut Mistakes) {
        let kinds = matches::registry::Kind::ALL.iter();
        match matches::registry::Kind::from_name(&value.text, self.setting.family) {
            Some(kind) => {
                let span = span.to(value.span);
                self.extensions.push(Extension { which: Which::Match(kind), span, given: vec![] });
            }
            None => {
                let names = kinds.map(|kind| kind.spec().name);
                let exists = matches::registry::Kind::exists(&value.text);
                mistakes.push(unknown_extension(
                    "match",
                    value,
                    exists,
                    self.setting.family,
                    names,
                ));
                self.poison();
            }
        }
    }

    fn jump(&mut self, value: &Word, span: Span, mistakes: &mut Mistakes) {
        let target = match value.text.as_str() {
            "ACCEPT" => Target::Accept,
            "DROP" => Target::Drop,
            "RETURN" => Target::Return,
            name => match targets::registry::Kind::from_name(name, self.setting.family) {
                Some(kind) => {
                    let span = span.to(value.span);
                    let which = Which::Target(kind);
                    self.extensions.push(Extension { which, span, given: vec![] });
                    self.jump = Some(Jump::Extension);
                    return;
                }
                None if targets::registry::Kind::exists(name) => {
                    let names = targets::registry::Kind::ALL.iter().map(|kind| kind.spec().name);
                    let family = self.setting.family;
                    mistakes.push(unknown_extension("target", value, true, family, names));
                    return self.poison();
                }
                None => {
                    self.jump_word = Some(value.clone());
                    Target::Jump(name.into())
                }
            },
        };
        self.jump = Some(Jump::Target(target));
    }

    fn table(&mut self, value: &Word, word: &Word, setting: Setting, mistakes: &mut Mistakes) {
        if setting.table_fixed {
            let help = "the table is that of the *NAME line above";
            return mistakes.push(word.mistake("-t cannot stand within a table").help(help));
        }
        match Table::from_name(&value.text) {
            Some(table) => self.table = table,
            None => mistakes.push(unknown_table(value)),
        }
    }

    fn counters(&mut self, value: &Word, second: Option<&&Word>, mistakes: &mut Mistakes) {
        let (packets, bytes) = match (value.text.split_once(','), second) {
            (Some((packets, bytes)), _) => (packets, Some(bytes)),
            (None, second) => (value.text.as_str(), second.map(|word| word.text.as_str())),
        };
        let numbers = (value::parse_number(packets), bytes.and_then(value::parse_number));
        let (Some(packets), Some(bytes)) = numbers else {
            return mistakes
                .push(value.mistake("-c needs packets and bytes").help("such as -c 0 0"));
        };
        self.rule.counters = Counters { packets, bytes };
    }

    /// The command, when it is whole. Mistakes are reported.
    pub(super) fn finish(mut self, words: &[Word], mistakes: &mut Mistakes) -> Option<Command> {
        if self.other_family {
            return None;
        }
        let table = self.table;
        let Some((global, word, named)) = self.command.take() else {
            let span = words.first().map_or_else(Span::default, |word| word.span);
            let message = "this line has no command";
            mistakes.push(Diagnostic::new(span, message).help("such as -A CHAIN to append a rule"));
            return None;
        };
        self.check_company(global, &word, mistakes);
        let jump = self.jump_word.take();
        let action = self.action(global, &word, named, mistakes)?;
        Some(Command { table, action, jump })
    }

    /// Reports options that do not go with the command.
    fn check_company(&self, command: Global, word: &Word, mistakes: &mut Mistakes) {
        let shows = matches!(command, Global::List | Global::ListRules | Global::Zero);
        for (option, span) in &self.seen {
            let wrong = match option {
                Global::Show => !shows,
                option => option.describes_rule() && !command.takes_rule(),
            };
            if wrong {
                let message = format!("this option does not go with {}", word.text);
                mistakes.push(Diagnostic::new(*span, message).help("remove it"));
            }
        }
    }

    fn action(
        mut self,
        global: Global,
        word: &Word,
        named: Vec<Word>,
        mistakes: &mut Mistakes,
    ) -> Option<Action> {
        let mut named = named.into_iter();
        let first = named.next();
        let second = named.next();
        match (global, first, second) {
            (Global::Append, Some(chain), _) => {
                Some(Action::Append { rules: self.rules(&chain, mistakes)?, chain })
            }
            (Global::Insert, Some(chain), number) => {
                let at = number.as_ref().map_or(Some(1), |word| command::number(word, mistakes))?;
                Some(Action::Insert { rules: self.rules(&chain, mistakes)?, chain, at, number })
            }
            (Global::Delete, Some(chain), Some(number)) => {
                let at = command::number(&number, mistakes)?;
                Some(Action::DeleteAt { chain, number, at })
            }
            (Global::Delete | Global::Check, Some(chain), None) => {
                let rules = self.rules(&chain, mistakes)?;
                Some(match global {
                    Global::Check => Action::Nothing,
                    _ => Action::Delete { chain, rules },
                })
            }
            (Global::Replace, Some(chain), Some(number)) => {
                let at = command::number(&number, mistakes)?;
                let mut rules = self.rules(&chain, mistakes)?;
                let rule = Box::new(rules.pop()?);
                if !rules.is_empty() {
                    let message = "one rule cannot be replaced by several";
                    mistakes.push(word.mistake(message).help("name one source and destination"));
                }
                Some(Action::Replace { chain, number, at, rule })
            }
            (Global::New, Some(chain), _) => {
                command::check_new_chain(&chain, mistakes).then_some(Action::New(chain))
            }
            (Global::Rename, Some(old), Some(new)) => {
                let sound = command::check_new_chain(&new, mistakes);
                sound.then_some(Action::Rename(old, new))
            }
            (Global::Policy, Some(chain), Some(policy)) => {
                let policy = command::policy(&policy, mistakes)?;
                Some(Action::Policy(chain, policy))
            }
            (Global::Flush, chain, _) => Some(Action::Flush(chain)),
            (Global::Remove, chain, _) => Some(Action::Remove(chain)),
            (Global::List | Global::ListRules | Global::Zero, ..) => Some(Action::Nothing),
            _ => {
                let message = format!("{} needs another word", word.text);
                let help = match global {
                    Global::Policy => "the chain and ACCEPT or DROP",
                    Global::Rename => "the old and the new name",
                    _ => "the chain and the position of the rule",
                };
                mistakes.push(word.mistake(message).help(help));
                None
            }
        }
    }

    /// The rules the command describes: one for each pair of source and destination.
    fn rules(&mut self, chain: &Word, mistakes: &mut Mistakes) -> Option<Vec<Rule>> {
        let place = |global: Global| self.seen.iter().find(|s| s.0 == global).map(|s| s.1);
        let (in_iface, out_iface) = (place(Global::InInterface), place(Global::OutInterface));
        command::check_interfaces(&chain.text, in_iface, out_iface, mistakes);
        self.build_extensions(&chain.text, mistakes);
        let any = [None];
        let either = |tests: &[Test<Network>]| match tests {
            [] => any.to_vec(),
            tests => {
                tests.iter().map(|test| Some(*test).filter(|t| !t.value.is_everything())).collect()
            }
        };
        let (sources, destinations) = (either(&self.sources), either(&self.destinations));
        if sources.len() * destinations.len() > RULES_OF_COMMAND_MAX {
            let message = format!("this line makes {} rules", sources.len() * destinations.len());
            let help = format!("at most {RULES_OF_COMMAND_MAX}; large lists belong in -m set");
            mistakes.push(chain.mistake(message).help(help));
            return None;
        }
        let mut rules = Vec::with_capacity(sources.len() * destinations.len());
        for src in &sources {
            for dst in &destinations {
                rules.push(Rule { src: *src, dst: *dst, ..self.rule.clone() });
            }
        }
        Some(rules)
    }

    fn build_extensions(&mut self, chain: &str, mistakes: &mut Mistakes) {
        let family = self.setting.family;
        let context = Context { family, table: self.table, chain, proto: self.rule.proto };
        for extension in std::mem::take(&mut self.extensions) {
            let spec = extension.which.spec();
            check_place(spec, &context, extension.span, mistakes);
            let before = mistakes.count();
            let mut args = Args::new(spec, &extension.given, &context, extension.span, mistakes);
            match extension.which {
                Which::Match(kind) => {
                    let found: Option<Match> = kind.parse(&mut args);
                    debug_assert!(found.is_some() || mistakes.count() > before, "{}", spec.name);
                    self.rule.matches.extend(found);
                }
                Which::Target(kind) => {
                    let found: Option<Target> = kind.parse(&mut args);
                    debug_assert!(found.is_some() || mistakes.count() > before, "{}", spec.name);
                    self.rule.target = found;
                }
            }
        }
        merge_port_matches(&mut self.rule.matches);
        if let Some(Jump::Target(target)) = self.jump.take() {
            self.rule.target = Some(target);
        }
    }
}

/// So many rules may come of one line, one for each source and destination it lists.
const RULES_OF_COMMAND_MAX: usize = 65_536;

/// Joins a later plain `tcp` or `udp` match to an earlier one, as Linux's tool does; not over a
/// match between them that asking has an effect on, nor where both test the same field.
fn merge_port_matches(matches: &mut Vec<Match>) {
    let mut at = 0;
    while at < matches.len() {
        let (before, rest) = matches.split_at_mut(at);
        let mut reachable =
            before.iter_mut().rev().take_while(|m| m.kind().spec().passive || is_ports(m));
        let joined = reachable.any(|earlier| match (earlier, &rest[0]) {
            (Match::Tcp(earlier), Match::Tcp(later)) => earlier.absorb(later),
            (Match::Udp(earlier), Match::Udp(later)) => earlier.absorb(later),
            _ => false,
        });
        match joined {
            true => drop(matches.remove(at)),
            false => at += 1,
        }
    }
}

fn is_ports(found: &Match) -> bool {
    matches!(found, Match::Tcp(_) | Match::Udp(_))
}

/// Reports an extension in a table or built-in chain where it is not allowed. User chains are
/// checked later, when it is known from where they are reached.
fn check_place(spec: &Spec, context: &Context<'_>, span: Span, mistakes: &mut Mistakes) {
    let list = |names: Vec<&str>| names.join(", ");
    if !spec.tables.is_empty() && !spec.tables.contains(&context.table) {
        let message = format!("{} is not allowed in table {}", spec.name, context.table);
        let tables = list(spec.tables.iter().map(|table| table.name()).collect());
        mistakes.push(Diagnostic::new(span, message).help(format!("allowed in {tables}")));
        return;
    }
    let Some(hook) = Hook::from_chain(context.chain) else { return };
    if !spec.hooks.is_empty() && !spec.hooks.contains(&hook) {
        let message = format!("{} is not allowed in chain {}", spec.name, context.chain);
        let chains = list(spec.hooks.iter().map(|hook| hook.chain()).collect());
        mistakes.push(Diagnostic::new(span, message).help(format!("allowed in {chains}")));
    }
}

fn unknown_extension(
    what: &str,
    value: &Word,
    exists: bool,
    family: Family,
    names: impl Iterator<Item = &'static str>,
) -> Diagnostic {
    if exists {
        let message = format!("the {what} {} does not exist for {family}", value.text);
        return value.mistake(message).help("it belongs to the other family's rules");
    }
    let mistake = value.mistake(format!("no {what} is called {:?}", value.text));
    match crate::suggest::closest(&value.text, names) {
        Some(near) => mistake.help(format!("did you mean {near}?")),
        None => mistake,
    }
}

/// A mistake about a table that does not exist.
pub(crate) fn unknown_table(value: &Word) -> Diagnostic {
    let names: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
    value
        .mistake(format!("no table is called {:?}", value.text))
        .help(format!("one of {}", names.join(", ")))
}

fn keep<T>(result: Result<T, Diagnostic>, mistakes: &mut Mistakes) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    }
}
