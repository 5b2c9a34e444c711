//! What is being computed, for whoever waits longer than a second.

use crate::say;
use indicatif::ProgressBar;
use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How long nothing is said.
const QUIET: Duration = Duration::from_secs(1);

/// Shows the work: one line that changes on a terminal, elsewhere a line each time the waiting
/// has doubled.
pub(super) struct Watch {
    began: Instant,
    next: Cell<Duration>,
    line: RefCell<Option<ProgressBar>>,
}

impl Watch {
    /// From now on.
    pub(super) fn new() -> Watch {
        Watch { began: Instant::now(), next: Cell::new(QUIET), line: RefCell::new(None) }
    }

    /// Something was done.
    pub(super) fn show(&self, what: &str) {
        let waited = self.began.elapsed();
        if waited < self.next.get() {
            return;
        }
        if io::stderr().is_terminal() {
            let mut line = self.line.borrow_mut();
            let line = line.get_or_insert_with(ProgressBar::new_spinner);
            line.set_message(format!("{what}, {} s", waited.as_secs()));
            line.tick();
            self.next.set(waited + Duration::from_millis(100));
        } else {
            say::line(format_args!("{what}, {} s", waited.as_secs()));
            self.next.set(waited * 2);
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if let Some(line) = self.line.borrow_mut().take() {
            line.finish_and_clear();
        }
    }
}
