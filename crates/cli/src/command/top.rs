//! `kinwall top`: a running gateway on a terminal.
//!
//! Threads ask the gateway and follow its events ([`ask`]); the loop here takes keys and news and
//! draws. What is drawn depends on nothing but the [`Screen`].

mod ask;
mod rows;
mod screen;
mod view;

use crate::control::SOCKET;
use crate::failure::Failure;
use ask::{News, Wanted};
use clap::Args;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use screen::Screen;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

/// Watch a running gateway: connections, expectations, drops, helpers and rules
///
/// Keys: 1 to 5, Tab and the arrows to the sides choose what is shown, those up and down move in
/// it; / filters, s sorts connections, p pauses, ? helps, q ends.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  kinwall top\n  kinwall top --interval 5 --socket \
    /run/kinwall/other.sock")]
pub(crate) struct TopArgs {
    /// The gateway's socket
    #[arg(long, value_name = "FILE", default_value = SOCKET)]
    socket: PathBuf,
    /// How often the gateway is asked
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=3600))]
    interval: u32,
}

/// How long a key may wait for nothing else to happen.
const TICK: Duration = Duration::from_millis(100);

/// News taken between two looks at the keys, at most.
const NEWS_AT_ONCE: usize = 512;

/// Runs the command.
pub(crate) fn run(args: TopArgs) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(String::from(
            "a screen needs a terminal: `kinwall ctl stats` prints what is counted, and `kinwall \
             ctl events` what happens",
        )));
    }
    ask::try_once(&args.socket)?;
    // Blocked before there are threads, so that they all have it from here.
    let signals = signals().map_err(|error| Failure::Failed(format!("signals: {error}")))?;
    let mut screen = Screen::new(args.interval);
    let (news, wants) =
        ask::begin(args.socket, Duration::from_secs(args.interval.into()), &screen.wanted);
    let mut terminal = ratatui::try_init()?;
    let _restored = Restored;
    watch(&mut terminal, &mut screen, &news, &wants, &signals)
}

/// Gives the terminal back, however the screen ends; a panic does so by ratatui's hook.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    screen: &mut Screen,
    news: &Receiver<News>,
    wants: &Sender<Wanted>,
    signals: &SignalFd,
) -> Result<(), Failure> {
    loop {
        terminal.draw(|frame| view::draw(frame, screen))?;
        if event::poll(TICK)?
            && let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
        {
            let before = screen.wanted.clone();
            if screen.press(key) {
                return Ok(());
            }
            if screen.wanted != before {
                // If nobody takes it, the next news are that nobody is there.
                let _ = wants.send(screen.wanted.clone());
            }
        }
        match signals.read_signal() {
            Ok(Some(signal)) => return Err(Failure::Found(128 + signal.ssi_signo as u8)),
            Ok(None) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(Failure::Failed(format!("signals: {error}"))),
        }
        // While it is paused, news wait where they are; the gateway counts what finds no room.
        for _ in 0..if screen.is_paused { 0 } else { NEWS_AT_ONCE } {
            match news.try_recv() {
                Ok(one) => screen.take(one),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(Failure::Failed(String::from("nobody asks the gateway any more")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
