//! How an extension declares its options, and what it gets to read.
//!
//! An extension states a [`Spec`]: its name, the families and places where it is allowed, and
//! one [`Opt`] row an option. The frame then recognises the options (long names, unique
//! abbreviations, `--name=value`, a `!` before), checks the rows' own rules (repetition,
//! negation, what needs or excludes what), and hands over [`Args`]. The extension's `parse`
//! reads typed values from it with the readers of [`crate::value`]; a value that cannot be read
//! is reported at its word, and reading goes on.

use crate::diagnostic::{Diagnostic, Mistakes, Span};
use crate::lex::Word;
use kinwall_terms::{Family, Hook, L4Proto, Table};

/// What an extension is and where it may stand.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name after `-m` or `-j`.
    pub name: &'static str,
    /// The family, for an extension that exists in one only.
    pub family: Option<Family>,
    /// Its options.
    pub options: &'static [Opt],
    /// The rule must have a `-p` of one of these, not negated; empty: any.
    pub protocols: &'static [L4Proto],
    /// The tables where it may stand; empty: all.
    pub tables: &'static [Table],
    /// The hooks from which its chain may be reached; empty: all.
    pub hooks: &'static [Hook],
    /// Whether it remembers something from packet to packet, by rule: it then has a
    /// [`crate::memory::Slot`].
    pub stateful: bool,
    /// A match: asking it has no effect, and it never drops a packet by itself. A target: it
    /// records the packet and changes nothing of its path.
    pub passive: bool,
    /// A match: its answer depends on nothing but what all packets of one direction of an open
    /// connection have in common (addresses, ports, protocol, interfaces), and on the topology.
    pub steady: bool,
    /// Whether packets can be asked; else it is only read and printed, and a rule with it is
    /// [`crate::eval::Decision::Unknown`] unless something is assumed.
    pub evaluated: bool,
    /// Of a target: whether it gives the packet another address.
    pub readdresses: bool,
}

impl Spec {
    /// An extension without options or restrictions.
    pub const fn new(name: &'static str) -> Spec {
        let options: &[Opt] = &[];
        Spec {
            name,
            family: None,
            options,
            protocols: &[],
            tables: &[],
            hooks: &[],
            stateful: false,
            passive: false,
            steady: false,
            evaluated: true,
            readdresses: false,
        }
    }

    /// With these options.
    pub const fn options(mut self, options: &'static [Opt]) -> Spec {
        self.options = options;
        self
    }

    /// Only in this family.
    pub const fn only(mut self, family: Family) -> Spec {
        self.family = Some(family);
        self
    }

    /// Only in rules with a `-p` of one of these.
    pub const fn needs(mut self, protocols: &'static [L4Proto]) -> Spec {
        self.protocols = protocols;
        self
    }

    /// Only in these tables.
    pub const fn tables(mut self, tables: &'static [Table]) -> Spec {
        self.tables = tables;
        self
    }

    /// Asking has no effect and drops no packet; of a target, it only records.
    pub const fn passive(mut self) -> Spec {
        self.passive = true;
        self
    }

    /// Its answer is the same for every packet of one direction of an open connection.
    pub const fn steady(mut self) -> Spec {
        self.steady = true;
        self
    }

    /// Of a target: the packet gets another address, and the walk goes on with that.
    pub const fn readdresses(mut self) -> Spec {
        self.readdresses = true;
        self
    }

    /// It is only read and printed.
    pub const fn not_evaluated(mut self) -> Spec {
        self.evaluated = false;
        self
    }

    /// It remembers something from packet to packet.
    pub const fn stateful(mut self) -> Spec {
        self.stateful = true;
        self
    }

    /// Only in chains reached from these hooks.
    pub const fn hooks(mut self, hooks: &'static [Hook]) -> Spec {
        self.hooks = hooks;
        self
    }
}

/// One option of an extension.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// The long name without its dashes; what the extension asks for in [`Args`].
    pub name: &'static str,
    /// Other names of the same option.
    pub aliases: &'static [&'static str],
    /// How many words follow: 0, 1 or 2.
    pub arity: u8,
    /// Whether the words may be left out.
    pub optional: bool,
    /// Whether a `!` may stand before it.
    pub invertible: bool,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// Whether the extension makes no sense without it.
    pub required: bool,
    /// Options that cannot stand beside it, by name.
    pub excludes: &'static [&'static str],
    /// Options that must stand beside it, by name.
    pub requires: &'static [&'static str],
}

/// An option without value, such as `--syn`.
pub const fn flag(name: &'static str) -> Opt {
    words(name, 0)
}

/// An option with one value.
pub const fn value(name: &'static str) -> Opt {
    words(name, 1)
}

/// An option with `arity` values.
pub const fn words(name: &'static str, arity: u8) -> Opt {
    Opt {
        name,
        aliases: &[],
        arity,
        optional: false,
        invertible: false,
        repeatable: false,
        required: false,
        excludes: &[],
        requires: &[],
    }
}

impl Opt {
    /// Other names of the same option.
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Opt {
        self.aliases = aliases;
        self
    }

    /// Its words may be left out.
    pub const fn optional(mut self) -> Opt {
        self.optional = true;
        self
    }

    /// A `!` may stand before it.
    pub const fn invert(mut self) -> Opt {
        self.invertible = true;
        self
    }

    /// May be given more than once.
    pub const fn repeat(mut self) -> Opt {
        self.repeatable = true;
        self
    }

    /// Must be given.
    pub const fn required(mut self) -> Opt {
        self.required = true;
        self
    }

    /// Cannot stand beside these.
    pub const fn excludes(mut self, names: &'static [&'static str]) -> Opt {
        self.excludes = names;
        self
    }

    /// Only beside these.
    pub const fn requires(mut self, names: &'static [&'static str]) -> Opt {
        self.requires = names;
        self
    }

    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// A value that may have been negated: `! --dport 22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Test<T> {
    /// Whether a `!` stood before.
    pub invert: bool,
    /// What is compared.
    pub value: T,
}

impl<T> Test<T> {
    /// The result of comparing, turned around by the `!`.
    pub fn holds(&self, compare: impl FnOnce(&T) -> bool) -> bool {
        compare(&self.value) != self.invert
    }
}

/// An option as it was written.
#[derive(Clone, Debug)]
pub struct Given {
    /// Index into the extension's options.
    pub option: usize,
    /// Whether a `!` stood before.
    pub invert: bool,
    /// The option's own word.
    pub span: Span,
    /// The words after it.
    pub values: Vec<Word>,
}

/// What the rule around an extension says.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The family of the rule set.
    pub family: Family,
    /// The table of the rule.
    pub table: Table,
    /// The name of its chain.
    pub chain: &'a str,
    /// The rule's `-p`.
    pub proto: Option<Test<L4Proto>>,
}

impl Context<'_> {
    /// The protocol, when the rule names exactly one.
    pub fn one_protocol(&self) -> Option<L4Proto> {
        self.proto.filter(|p| !p.invert && p.value.0 != 0).map(|p| p.value)
    }
}

/// The options given to one extension, and the place for its mistakes.
pub struct Args<'a> {
    /// The rule around.
    pub context: &'a Context<'a>,
    /// The words `-m NAME` or `-j NAME`.
    pub span: Span,
    spec: &'a Spec,
    given: &'a [Given],
    mistakes: &'a mut Mistakes,
}

impl<'a> Args<'a> {
    /// Checks the rules of the options' rows and reports what breaks them.
    pub(crate) fn new(
        spec: &'a Spec,
        given: &'a [Given],
        context: &'a Context<'a>,
        span: Span,
        mistakes: &'a mut Mistakes,
    ) -> Args<'a> {
        let mut args = Args { context, span, spec, given, mistakes };
        args.check_protocol();
        args.check_each();
        args.check_together();
        args
    }

    /// How often the option was given.
    pub fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.count(name) > 0
    }

    /// A flag: `Some(true)` when negated.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.first(name).map(|given| given.invert)
    }

    /// The option as it was written, the first time.
    pub fn first(&self, name: &str) -> Option<&'a Given> {
        self.all(name).next()
    }

    /// The option as it was written, each time.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a Given> + use<'a> {
        let index = self.spec.options.iter().position(|option| option.name == name);
        debug_assert!(index.is_some(), "{} has no option {name}", self.spec.name);
        self.given.iter().filter(move |given| Some(given.option) == index)
    }

    /// The value of an option, read by `read` (one of [`crate::value`]). `None` when it was not
    /// given, or cannot be read (which is then reported).
    pub fn read<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Word) -> Result<T, Diagnostic>,
    ) -> Option<Test<T>> {
        let given = self.first(name)?;
        let word = given.values.first()?;
        match read(word) {
            Ok(value) => Some(Test { invert: given.invert, value }),
            Err(mistake) => {
                self.report(mistake);
                None
            }
        }
    }

    /// As [`Args::read`] for an option that cannot be negated.
    pub fn plain<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Word) -> Result<T, Diagnostic>,
    ) -> Option<T> {
        self.read(name, read).map(|test| test.value)
    }

    /// As [`Args::read`] for an option that may be given several times, in order.
    pub fn read_all<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Word) -> Result<T, Diagnostic>,
    ) -> Vec<Test<T>> {
        let mut values = Vec::new();
        for given in self.all(name) {
            match given.values.first().map(&read) {
                Some(Ok(value)) => values.push(Test { invert: given.invert, value }),
                Some(Err(mistake)) => self.report(mistake),
                None => {}
            }
        }
        values
    }

    /// The options that were given, in the order they were written: for an extension where the
    /// order or the exact words matter.
    pub fn in_order(&self) -> impl Iterator<Item = (&'static str, &'a Given)> + use<'a> {
        let options = self.spec.options;
        self.given.iter().filter_map(|given| Some((options.get(given.option)?.name, given)))
    }

    /// At least one of `names` must have been given, else that is reported.
    pub fn one_of(&mut self, names: &[&str]) -> bool {
        let found = names.iter().any(|name| self.has(name));
        if !found {
            let list: Vec<String> = names.iter().map(|name| format!("--{name}")).collect();
            let message = format!("{} needs one of {}", self.spec.name, list.join(", "));
            self.report(Diagnostic::new(self.span, message));
        }
        found
    }

    /// Reports a mistake.
    pub fn report(&mut self, mistake: Diagnostic) {
        self.mistakes.push(mistake);
    }

    /// Reports a mistake about the extension as a whole.
    pub fn report_here(&mut self, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(self.span, message).help(help));
    }

    /// Reports a mistake about one option.
    pub fn report_at(&mut self, name: &str, message: impl Into<String>, help: impl Into<String>) {
        let span = self.first(name).map_or(self.span, |given| given.span);
        self.report(Diagnostic::new(span, message).help(help));
    }

    fn check_protocol(&mut self) {
        let needed = self.spec.protocols;
        let fits = |p: L4Proto| needed.contains(&p);
        if needed.is_empty() || self.context.one_protocol().is_some_and(fits) {
            return;
        }
        let names: Vec<String> =
            needed.iter().map(|p| format!("-p {}", crate::protocols::display(*p))).collect();
        self.report_here(
            format!("{} does not go with this rule's protocol", self.spec.name),
            format!("the rule must have {}, without !", names.join(" or ")),
        );
    }

    fn check_each(&mut self) {
        for given in self.given {
            let Some(option) = self.spec.options.get(given.option) else { continue };
            if given.invert && !option.invertible {
                let message = format!("--{} cannot be negated", option.name);
                self.report(Diagnostic::new(given.span, message).help("remove the !"));
            }
        }
        for option in self.spec.options {
            if !option.repeatable && self.count(option.name) > 1 {
                let span = self.all(option.name).nth(1).map_or(self.span, |given| given.span);
                let message = format!("--{} can be given only once", option.name);
                let help = format!("to test twice, write -m {} twice", self.spec.name);
                self.report(Diagnostic::new(span, message).help(help));
            }
            if option.required && !self.has(option.name) {
                let message = format!("{} needs --{}", self.spec.name, option.name);
                let help = format!("add --{} with its value", option.name);
                self.report(Diagnostic::new(self.span, message).help(help));
            }
        }
    }

    fn check_together(&mut self) {
        let mut found = Vec::new();
        for option in self.spec.options {
            let Some(given) = self.first(option.name) else { continue };
            for other in option.requires.iter().filter(|other| !self.has(other)) {
                let message = format!("--{} needs --{other} beside it", option.name);
                found.push(Diagnostic::new(given.span, message));
            }
            for other in option.excludes.iter().filter(|other| self.has(other)) {
                let message = format!("--{} and --{other} cannot stand together", option.name);
                found.push(Diagnostic::new(given.span, message).help("keep one of them"));
            }
        }
        found.into_iter().for_each(|mistake| self.report(mistake));
    }
}
