//! The loop: packets, changes of routes, signals, and whatever the host wants done in between.

use crate::GatewayError;
use crate::chains::{self, Plan};
use crate::judge::{Counts, Judge};
use crate::links::Links;
use crate::queue::Queue;
use crate::tracer::Tracer;
use kinwall_engine::Engine;
use kinwall_terms::Time;
use kinwall_topology::Topology;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Packets that wait in the queue, at most.
const QUEUE_LENGTH: u32 = 8_192;

/// Packets that are judged before anything else is looked at.
const BATCH: usize = 64;

/// How often the host is asked when nothing happens, in milliseconds.
const TICK_MS: u16 = 500;

/// How long changes of routes are gathered: they come in swarms.
const GATHER: Duration = Duration::from_millis(50);

/// What has expired is removed in steps of so many.
const EXPIRE_AT_ONCE: usize = 4_096;

/// How the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// With whatever comes.
    Wait,
    /// At once: the host has more to do.
    Again,
    /// Not at all.
    End,
}

/// Whom the gateway runs for.
pub trait Host {
    /// The interfaces, addresses and routes as they are now; `None` if they cannot be read, and
    /// those known before are kept.
    fn topology(&mut self) -> Option<Topology>;

    /// Everything stands: the queue is ours, and packets come.
    fn ready(&mut self, engine: &mut Engine, now: Time);

    /// Somebody asked for the rules and settings to be read again (SIGHUP).
    fn reload(&mut self, engine: &mut Engine, now: Time);

    /// What wakes the loop besides packets: the socket of whoever asks questions.
    fn wakes(&self) -> Option<BorrowedFd<'_>>;

    /// Between two batches of packets, and at least twice a second.
    fn between(
        &mut self,
        engine: &mut Engine,
        counts: &Counts,
        tracer: &mut Tracer,
        now: Time,
    ) -> Next;

    /// The loop has ended, and no packet comes any more.
    fn ending(&mut self, engine: &mut Engine, now: Time);
}

/// The time of packets: the wall clock's at the beginning, and from there without its steps.
struct Clock {
    begin: Instant,
    epoch: Time,
}

impl Clock {
    fn new() -> Clock {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { begin: Instant::now(), epoch: Time(0).after(epoch) }
    }

    fn now(&self) -> Time {
        self.epoch.after(self.begin.elapsed())
    }
}

/// Runs a gateway in the network namespace of the calling thread until it is asked to end (SIGTERM
/// or SIGINT), then takes its chains away; after SIGUSR2 they stand for the next process.
///
/// # Errors
///
/// The queue is not to be had, the chains are refused, or a socket fails. No chain is left.
pub fn serve(
    engine: Engine,
    plan: &Plan,
    host: &mut dyn Host,
) -> Result<(End, Counts), GatewayError> {
    let failed = |doing| move |error: Errno| GatewayError::Io { doing, source: error.into() };
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2] {
        mask.add(signal);
    }
    mask.thread_block().map_err(failed("blocking signals"))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals = SignalFd::with_flags(&mask, flags).map_err(failed("waiting for signals"))?;
    let queue = Queue::bind(plan.queue, QUEUE_LENGTH)?;
    let links = Links::new()?;
    let clock = Clock::new();
    let mut judge = Judge::new(engine, links, plan.marks);
    if let Some(topology) = host.topology() {
        judge.engine.set_topology(topology);
    }
    chains::install(plan)?;
    host.ready(&mut judge.engine, clock.now());
    let mut running = Running { queue, judge, signals, clock, changed: None };
    let ended = running.run(host);
    // Between two processes packets wait for nobody: without its chains the kernel would answer
    // those of translated connections itself, with a RST.
    let restarts = matches!(ended, Ok(End::Restart));
    let removed = if restarts { Ok(false) } else { chains::remove() };
    let Running { queue, mut judge, clock, .. } = running;
    queue.unbind();
    host.ending(&mut judge.engine, clock.now());
    let end = ended?;
    removed?;
    Ok((end, judge.counts))
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to, and took everything away.
    Asked,
    /// Another process goes on at once (SIGUSR2): the chains stand.
    Restart,
}

struct Running {
    queue: Queue,
    judge: Judge,
    signals: SignalFd,
    clock: Clock,
    /// When routes changed that have not been read yet.
    changed: Option<Instant>,
}

impl Running {
    fn run(&mut self, host: &mut dyn Host) -> Result<End, GatewayError> {
        let failed = |source: io::Error| GatewayError::Io { doing: "the packet queue", source };
        let mut more = false;
        loop {
            self.wait(host, more)?;
            while let Ok(Some(signal)) = self.signals.read_signal() {
                match Signal::try_from(signal.ssi_signo as i32) {
                    Ok(Signal::SIGHUP) => {
                        host.reload(&mut self.judge.engine, self.clock.now());
                    }
                    Ok(Signal::SIGUSR2) => return Ok(End::Restart),
                    _ => return Ok(End::Asked),
                }
            }
            let now = self.clock.now();
            let judge = &mut self.judge;
            more = self
                .queue
                .batch(BATCH, |packet, verdicts| judge.judge(now, packet, verdicts))
                .map_err(failed)?;
            self.follow_links(host);
            let forsaken = self.judge.forsaken(now);
            self.queue.drop_all(forsaken.into_iter()).map_err(failed)?;
            let Judge { engine, counts, tracer, .. } = &mut self.judge;
            if engine.next_deadline().is_some_and(|deadline| deadline <= now) {
                engine.expire(now, EXPIRE_AT_ONCE);
            }
            match host.between(engine, counts, tracer, now) {
                Next::Wait => {}
                Next::Again => more = true,
                Next::End => return Ok(End::Asked),
            }
        }
    }

    /// Reads the routes again when they have changed and have had time to settle.
    fn follow_links(&mut self, host: &mut dyn Host) {
        if self.judge.links.have_changed() {
            self.changed.get_or_insert_with(Instant::now);
        }
        if self.changed.is_some_and(|since| since.elapsed() >= GATHER) {
            self.changed = None;
            if let Some(topology) = host.topology() {
                self.judge.engine.set_topology(topology);
            }
        }
    }

    /// Waits for something to do; not at all when packets are known to wait.
    fn wait(&self, host: &dyn Host, more: bool) -> Result<(), GatewayError> {
        let timeout = match (more, self.changed) {
            (true, _) => 0,
            (false, Some(_)) => GATHER.as_millis() as u16,
            (false, None) => TICK_MS,
        };
        let wake = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds =
            vec![wake(self.queue.fd()), wake(self.judge.links.fd()), wake(self.signals.as_fd())];
        fds.extend(host.wakes().map(wake));
        match poll(&mut fds, PollTimeout::from(timeout)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(GatewayError::Io { doing: "waiting", source: error.into() }),
        }
    }
}
