//! Sets that change by hand while they are asked: the commands of ipset(8) that need no new set.

use super::read::{Reader, is};
use super::set::{Entry, Key, Life};
use super::{ELEMENTS_MAX, Sets};
use crate::diagnostic::Diagnostic;
use crate::lex::{self, Word};
use kinwall_terms::{Family, Time};

/// What there is to say of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// Its type, such as `hash:ip`.
    pub kind: &'static str,
    /// The family of its addresses, where it has any.
    pub family: Option<Family>,
    /// Elements that have not run out; of a list its sets.
    pub elements: usize,
}

impl Sets {
    /// Does what `add SET ELEMENT [OPTIONS]`, `del SET ELEMENT` or `flush SET` says, from this
    /// instant on: all of it, or nothing. What the set is then.
    ///
    /// # Errors
    ///
    /// The command is none of these, there is no such set, the element does not fit it, is there
    /// already (`add` without `-exist`) or is not there (`del`).
    pub fn change(&mut self, command: &str, now: Time) -> Result<Overview, Diagnostic> {
        let mut reader = Reader { sets: std::mem::take(self), ..Reader::default() };
        let name = reader.change(command, now);
        *self = reader.sets;
        let name = name?;
        let at = self.index(&name).unwrap_or_default();
        Ok(self.overview(&name, at, now))
    }

    /// All sets, by name.
    pub fn overviews(&self, now: Time) -> impl Iterator<Item = Overview> + '_ {
        self.names.iter().map(move |(name, at)| self.overview(name, *at, now))
    }

    fn overview(&self, name: &str, at: u32, now: Time) -> Overview {
        let set = &self.sets[at as usize];
        let started = self.started.unwrap_or(now);
        let live = |entry: &&Entry| entry.is_live(now, started);
        let elements = match set.kind.is_list() {
            true => set.members.len(),
            false => set.elements.values().filter(live).count(),
        };
        Overview { name: name.to_owned(), kind: set.kind.name, family: set.family, elements }
    }
}

impl Reader {
    /// The name of the set that was changed.
    fn change(&mut self, command: &str, now: Time) -> Result<String, Diagnostic> {
        let words = lex::words(command, 1)?;
        let mut words: Vec<&Word> = words.iter().collect();
        let before = words.len();
        words.retain(|word| !is(word, &["-exist", "-!"]));
        let again = words.len() < before;
        match words.as_slice() {
            [command, name] if is(command, &["flush"]) => {
                self.flush(name)?;
                Ok(name.text.clone())
            }
            [command, name, element, rest @ ..] if is(command, &["add"]) => {
                self.add_now(name, element, rest, now, again)?;
                Ok(name.text.clone())
            }
            [command, name, element] if is(command, &["del"]) => {
                self.delete(name, element, now, again)?;
                Ok(name.text.clone())
            }
            [command, ..] => Err(command
                .mistake(format!("{:?} is not a change of a set", command.text))
                .help("add SET ELEMENT [timeout SECONDS ...], del SET ELEMENT, or flush SET")),
            [] => Err(Diagnostic::new(Default::default(), "nothing is said")),
        }
    }

    fn add_now(
        &mut self,
        name: &Word,
        text: &Word,
        rest: &[&Word],
        now: Time,
        again: bool,
    ) -> Result<(), Diagnostic> {
        let at = self.changeable(name)?;
        let started = *self.sets.started.get_or_insert(now);
        let set = &mut self.sets.sets[at as usize];
        let (keys, mut entry) = set.read_element(text, rest.iter())?;
        if let Life::Seconds(seconds) = entry.life {
            entry.life = Life::Until(now.after_s(seconds));
        }
        // What has run out gives way to what comes.
        self.sets.count -= set.remove_dead(now, started);
        let known = |key: &&Key| set.elements.contains_key(key);
        if !again && keys.iter().any(|key| known(&key)) {
            return Err(text
                .mistake(format!("{} is in the set already", text.text))
                .help("-exist replaces the element"));
        }
        let new = keys.iter().filter(|key| !known(key)).count();
        if set.elements.len() + new > set.max || self.sets.count + new > ELEMENTS_MAX {
            return Err(name.mistake(format!("{} is full", name.text)).help(format!(
                "it holds {} elements at most, all sets together {ELEMENTS_MAX}",
                set.max
            )));
        }
        self.sets.count += new;
        keys.into_iter().for_each(|key| set.insert(key, entry.clone()));
        Ok(())
    }

    fn delete(
        &mut self,
        name: &Word,
        text: &Word,
        now: Time,
        again: bool,
    ) -> Result<(), Diagnostic> {
        let at = self.changeable(name)?;
        let started = *self.sets.started.get_or_insert(now);
        let set = &mut self.sets.sets[at as usize];
        let (keys, _) = set.read_element(text, [].iter())?;
        let is_live = |key: &Key| set.elements.get(key).is_some_and(|e| e.is_live(now, started));
        if !again && !keys.iter().all(is_live) {
            return Err(text
                .mistake(format!("{} is not in the set", text.text))
                .help("an element is taken away as it was added; -exist takes what is there"));
        }
        self.sets.count -= keys.iter().filter(|key| set.remove(key)).count();
        Ok(())
    }

    /// The number of a set whose elements are its own.
    fn changeable(&self, name: &Word) -> Result<u32, Diagnostic> {
        let at = self.known(name)?;
        match self.sets.sets[at as usize].kind.is_list() {
            true => Err(name
                .mistake(format!("{} is a list of sets", name.text))
                .help("change one of its sets, or the file that the list is in, and reload")),
            false => Ok(at),
        }
    }
}
