//! Who asks the gateway: one thread at intervals, another follows what becomes of expectations.
//! Both try again when the gateway is gone.

use crate::control::filter::Filter;
use crate::control::{Lines, Request, client};
use crate::failure::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Connections that are listed, at most: more are no use to a reader, and cost the gateway time.
pub(super) const LISTED_MAX: usize = 10_000;

/// News that wait to be taken, at most: then who tells them waits.
const WAITING_MAX: usize = 1_024;

/// How long to wait before a gateway that is gone is looked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is to be asked beside what is counted: what is on the screen, no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Connections, those that fit.
    pub(super) connections: Option<Filter>,
    /// The helpers: the gateway walks its whole table for them.
    pub(super) helpers: bool,
    /// The rules.
    pub(super) rules: bool,
}

/// What the gateway has answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// When, in seconds since the beginning.
    pub(super) at_s: f64,
    pub(super) stats: Value,
    /// What was asked for.
    pub(super) wanted: Wanted,
    pub(super) connections: Vec<Value>,
    /// Whether there are more connections than are listed.
    pub(super) is_cut: bool,
    pub(super) helpers: Vec<Value>,
    pub(super) rules: Vec<Value>,
}

/// What the screen is told.
#[derive(Debug)]
pub(super) enum News {
    /// What was asked for.
    Facts(Box<Facts>),
    /// What became of an expectation, and when.
    Event(f64, Box<Value>),
    /// The gateway does not answer, and why.
    Gone(String),
}

/// Asks once, so that what is wrong is said before there is a screen.
pub(super) fn try_once(socket: &Path) -> Result<(), Failure> {
    client::ask(socket, &Request::Stats, |_| Ok(()))
}

/// Begins to ask: where the news come from, and where to say what is wanted.
pub(super) fn begin(
    socket: PathBuf,
    interval: Duration,
    wanted: &Wanted,
) -> (Receiver<News>, Sender<Wanted>) {
    let (tell, news) = sync_channel(WAITING_MAX);
    let (wants, wanted_since) = channel();
    let begin = Instant::now();
    let (also_tell, also_socket, wanted) = (tell.clone(), socket.clone(), wanted.clone());
    std::thread::spawn(move || follow(&also_socket, &also_tell, begin));
    std::thread::spawn(move || ask(&socket, interval, wanted, &wanted_since, &tell, begin));
    (news, wants)
}

/// Asks until nobody listens. What is wanted anew is asked for at once.
fn ask(
    socket: &Path,
    interval: Duration,
    mut wanted: Wanted,
    wanted_since: &Receiver<Wanted>,
    tell: &SyncSender<News>,
    begin: Instant,
) {
    loop {
        let said = match facts(socket, &wanted) {
            Ok(mut facts) => {
                facts.at_s = begin.elapsed().as_secs_f64();
                News::Facts(Box::new(facts))
            }
            Err(failure) => News::Gone(words(failure)),
        };
        if tell.send(said).is_err() {
            return;
        }
        match wanted_since.recv_timeout(interval) {
            Ok(latest) => wanted = wanted_since.try_iter().last().unwrap_or(latest),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn facts(socket: &Path, wanted: &Wanted) -> Result<Facts, Failure> {
    let all = |request: Request| {
        let mut values = Vec::new();
        client::ask(socket, &request, |value| {
            values.push(value);
            Ok(())
        })?;
        Ok::<_, Failure>(values)
    };
    let mut facts = Facts { wanted: wanted.clone(), ..Facts::default() };
    facts.stats = all(Request::Stats)?.pop().unwrap_or_default();
    if wanted.helpers {
        facts.helpers = all(Request::Helpers)?;
    }
    if wanted.rules {
        facts.rules = all(Request::Rules)?;
    }
    let Some(filter) = wanted.connections.clone() else { return Ok(facts) };
    let request = Request::Connections { filter, lines: Lines::None };
    let listed = client::ask(socket, &request, |value| {
        if facts.connections.len() == LISTED_MAX {
            facts.is_cut = true;
            // Whoever closes the connection is told nothing more.
            return Err(Failure::ClosedPipe);
        }
        facts.connections.push(value);
        Ok(())
    });
    match listed {
        Err(Failure::ClosedPipe) if facts.is_cut => Ok(facts),
        listed => listed.map(|()| facts),
    }
}

/// Follows what becomes of expectations until nobody listens.
fn follow(socket: &Path, tell: &SyncSender<News>, begin: Instant) {
    let request =
        Request::Events { filter: Filter::default(), lines: Lines::None, expectations_only: true };
    loop {
        let mut listens = true;
        // That the gateway is gone is said by who asks.
        let _ = client::ask(socket, &request, |value| {
            let at_s = begin.elapsed().as_secs_f64();
            tell.send(News::Event(at_s, Box::new(value))).map_err(|_| {
                listens = false;
                Failure::ClosedPipe
            })
        });
        if !listens {
            return;
        }
        std::thread::sleep(AGAIN);
    }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Usage(text) | Failure::Failed(text) => text,
        Failure::Found(_) | Failure::Reported | Failure::ClosedPipe => {
            String::from("the gateway ended before its answer did")
        }
    }
}
