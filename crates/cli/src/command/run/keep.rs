//! Connections and expectations over a restart: read at the start, written at intervals and at the
//! end. At the first start those of the kernel are taken over.

use crate::say;
use kinwall_engine::{CopyingState, Engine};
use kinwall_state::StateError;
use kinwall_state::import::{self, LeftOut};
use kinwall_terms::Time;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// Connections that are copied while packets wait: less than ten milliseconds.
const COPIED_AT_ONCE: usize = 8_192;

/// The file, and who writes it.
pub(super) struct Keeper {
    path: PathBuf,
    every_s: u32,
    next: Time,
    /// What is copied for it at the moment, a little at a time.
    copying: Option<CopyingState>,
    /// Who writes it at the moment: packets do not wait for a disk.
    writer: Option<JoinHandle<Result<(), StateError>>>,
}

impl Keeper {
    pub(super) fn new(path: PathBuf, every_s: u32) -> Keeper {
        Keeper { path, every_s, next: Time(0), copying: None, writer: None }
    }

    /// Goes on from the file. One that cannot be read is laid aside: a gateway that does not start
    /// would be worse than one that begins anew.
    pub(super) fn restore(&mut self, engine: &mut Engine, now: Time) {
        self.next = now.after_s(self.every_s);
        let restored = match kinwall_state::read(&self.path) {
            Ok(None) => return take_over(engine, now),
            Ok(Some(mut snapshot)) => {
                snapshot.table.forget_windows();
                engine.restore(now, snapshot).map_err(|wrong| wrong.to_string())
            }
            Err(wrong) => Err(wrong.to_string()),
        };
        match restored {
            Ok(restored) => say::note(format_args!(
                "{} connections and {} expectations go on",
                restored.connections, restored.expectations
            )),
            Err(wrong) => {
                let aside = self.path.with_extension("refused");
                say::error(format_args!(
                    "{}: {wrong}: no connection goes on; the file is kept as {}",
                    self.path.display(),
                    aside.display()
                ));
                let _ = std::fs::rename(&self.path, aside);
            }
        }
    }

    /// Writes the file when its time has come.
    pub(super) fn look(&mut self, engine: &mut Engine, now: Time) {
        if self.writer.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join();
        }
        let copying = match self.copying.take() {
            Some(copying) => copying,
            None if now < self.next || self.writer.is_some() => return,
            None => {
                self.next = now.after_s(self.every_s);
                CopyingState::new(now)
            }
        };
        match engine.snapshot_on(now, copying, COPIED_AT_ONCE) {
            Ok(mut snapshot) => {
                let path = self.path.clone();
                self.writer = Some(std::thread::spawn(move || {
                    snapshot.settle();
                    write(&path, &snapshot)
                }));
            }
            Err(copying) => self.copying = Some(copying),
        }
    }

    /// Writes the file for the last time.
    pub(super) fn end(&mut self, engine: &mut Engine, now: Time) {
        self.join();
        complain(write(&self.path, &engine.snapshot(now)));
    }

    fn join(&mut self) {
        let result = self.writer.take().map(JoinHandle::join);
        if let Some(Ok(result)) = result {
            complain(result);
        }
    }
}

/// The first start: what the kernel has tracked until now goes on.
fn take_over(engine: &mut Engine, now: Time) {
    // There is no such file where nothing was ever tracked; nothing is to be loaded for asking.
    let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    let count: u64 = count.ok().and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    if count == 0 {
        return;
    }
    let taken = import::running(now).map_err(|wrong| wrong.to_string()).and_then(|imported| {
        let restored = engine.restore(now, imported.snapshot).map_err(|wrong| wrong.to_string())?;
        Ok((restored, imported.left_out))
    });
    match taken {
        Ok((restored, left_out)) => {
            say::note(format_args!(
                "{} connections and {} expectations of the kernel are taken over",
                restored.connections, restored.expectations
            ));
            for LeftOut { line, why } in left_out {
                say::note(format_args!("not taken over: {why}: {line}"));
            }
        }
        Err(wrong) => say::error(format_args!(
            "the {count} connections of the kernel are not taken over: {wrong}"
        )),
    }
}

fn write(path: &Path, snapshot: &kinwall_engine::Snapshot) -> Result<(), StateError> {
    if let Some(folder) = path.parent() {
        // If it cannot be made, writing says so.
        let _ = std::fs::create_dir_all(folder);
    }
    kinwall_state::write(path, snapshot)
}

fn complain(result: Result<(), StateError>) {
    if let Err(wrong) = result {
        say::error(format_args!("connections will not go on after a restart: {wrong}"));
    }
}
