//! The socket of a running gateway: who asks, and what is still to be sent to whom.
//!
//! Everything here waits for nothing: the loop that decides about packets calls [`Server::turn`]
//! between two batches. Who reads too slowly waits, or, if he follows events, loses some and is
//! told how many.

use crate::control::answer::{Answer, Facts, error};
use crate::control::filter::Filter;
use crate::control::{Request, record};
use kinwall_engine::Event;
use kinwall_gateway::{Traced, Wanted};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Who may ask at the same time.
const CLIENTS_MAX: usize = 64;

/// The longest question, in bytes.
const QUESTION_MAX: usize = 16 * 1024;

/// Answers go on while less than this waits to be read, in bytes.
const PENDING_MAX: usize = 256 * 1024;

/// The listener's place in the epoll set; clients are numbered from 1.
const LISTENER: u64 = 0;

/// The socket, and who is connected.
pub(crate) struct Server {
    path: PathBuf,
    listener: UnixListener,
    epoll: Epoll,
    clients: BTreeMap<u64, Client>,
    next: u64,
    /// Who traces packets.
    tracing: Vec<u64>,
}

struct Client {
    stream: UnixStream,
    question: Vec<u8>,
    pending: Vec<u8>,
    answer: Option<Answer>,
    /// Whether it has asked; one question is answered.
    asked: bool,
    /// Events that found no room.
    lost: u64,
    /// Whether the epoll set waits until it can be written to.
    waits: bool,
}

impl Server {
    /// Listens at `path`, for its owner alone. A socket that a killed process left there is
    /// replaced; one that somebody answers at is not.
    pub(crate) fn new(path: &Path) -> Result<Server, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        match UnixStream::connect(path) {
            Ok(_) => {
                return Err(format!(
                    "{}: another gateway answers there: end it, or choose another place \
                     (`control = \"/run/kinwall/other.sock\"`)",
                    path.display()
                ));
            }
            Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(failed)?;
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| failed(e.into()))?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, LISTENER);
        epoll.add(&listener, event).map_err(|e| failed(e.into()))?;
        let path = path.to_owned();
        Ok(Server {
            path,
            listener,
            epoll,
            clients: BTreeMap::new(),
            next: LISTENER + 1,
            tracing: Vec::new(),
        })
    }

    /// What to wait on.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Does what can be done without waiting. True: there is more to be said at once.
    pub(crate) fn turn(&mut self, facts: &mut Facts<'_>) -> bool {
        let follows = self.clients.values().any(Client::follows);
        let events: Vec<Event> = facts.engine.events().collect();
        let mut ready = [EpollEvent::empty(); 16];
        let count = self.epoll.wait(&mut ready, EpollTimeout::ZERO).unwrap_or(0);
        let ready: Vec<u64> = ready.iter().take(count).map(EpollEvent::data).collect();
        if ready.contains(&LISTENER) {
            self.accept();
        }
        if follows {
            self.tell(facts, &events);
        }
        for traced in facts.tracer.take() {
            self.explain(facts, &traced);
        }
        let mut more = false;
        let mut gone = Vec::new();
        for (number, client) in &mut self.clients {
            let stays = client.turn(facts, ready.contains(number));
            let stays = stays && client.wait(&self.epoll, *number).is_ok();
            more |= stays && client.has_more();
            if !stays {
                gone.push(*number);
            }
        }
        for number in gone {
            if let Some(client) = self.clients.remove(&number) {
                let _ = self.epoll.delete(&client.stream);
            }
        }
        facts.engine.set_events(self.clients.values().any(Client::follows));
        self.trace(facts);
        more
    }

    /// Has the packets traced that somebody wants to see.
    fn trace(&mut self, facts: &mut Facts<'_>) {
        let filters = |(number, client): (&u64, &Client)| match &client.answer {
            Some(Answer::Trace { filter }) => Some((*number, filter.clone())),
            _ => None,
        };
        let (numbers, filters): (Vec<u64>, Vec<Filter>) =
            self.clients.iter().filter_map(filters).unzip();
        if numbers == self.tracing {
            return;
        }
        self.tracing = numbers;
        let wanted: Wanted =
            Box::new(move |headers| filters.iter().any(|filter| filter.fits_packet(headers)));
        facts.tracer.want((!self.tracing.is_empty()).then_some(wanted));
    }

    /// Tells the steps of a packet.
    fn explain(&mut self, facts: &Facts<'_>, traced: &Traced) {
        let line = record::traced(facts.engine, traced);
        for client in self.clients.values_mut() {
            let Some(Answer::Trace { filter }) = &client.answer else { continue };
            if filter.fits_packet(&traced.headers) && client.pending.len() < PENDING_MAX {
                client.say(&line);
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, self.next);
            if self.clients.len() == CLIENTS_MAX
                || stream.set_nonblocking(true).is_err()
                || self.epoll.add(&stream, event).is_err()
            {
                continue;
            }
            self.clients.insert(self.next, Client::new(stream));
            self.next += 1;
        }
    }

    /// Tells those who follow.
    fn tell(&mut self, facts: &Facts<'_>, events: &[Event]) {
        for event in events {
            for client in self.clients.values_mut() {
                let answer = client.answer.as_ref();
                let wanted = answer.and_then(|answer| answer.wants(facts.engine, event));
                let Some(lines) = wanted else { continue };
                if client.pending.len() >= PENDING_MAX {
                    client.lost += 1;
                    continue;
                }
                client.say_what_was_lost();
                client.say(&record::event(facts.engine, event, facts.now, lines));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Client {
    fn new(stream: UnixStream) -> Client {
        Client {
            stream,
            question: Vec::new(),
            pending: Vec::new(),
            answer: None,
            asked: false,
            lost: 0,
            waits: false,
        }
    }

    fn follows(&self) -> bool {
        matches!(self.answer, Some(Answer::Events { .. }))
    }

    fn is_endless(&self) -> bool {
        matches!(self.answer, Some(Answer::Events { .. } | Answer::Trace { .. }))
    }

    fn has_more(&self) -> bool {
        self.answer.is_some() && !self.is_endless() && self.pending.len() < PENDING_MAX
    }

    fn say(&mut self, line: &Value) {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.pending, line);
        self.pending.push(b'\n');
    }

    fn say_what_was_lost(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.say(&json!({ "type": "lost", "events": lost }));
        }
    }

    /// False: it is over.
    fn turn(&mut self, facts: &mut Facts<'_>, is_ready: bool) -> bool {
        if is_ready && !self.read(facts) {
            return false;
        }
        if self.pending.len() < PENDING_MAX
            && let Some(answer) = self.answer.take()
        {
            let mut said = std::mem::take(&mut self.pending);
            self.answer = answer.go_on(facts, &mut |line| {
                let _ = serde_json::to_writer(&mut said, line);
                said.push(b'\n');
            });
            self.pending = said;
        }
        self.write() && !(self.asked && self.answer.is_none() && self.pending.is_empty())
    }

    /// False: whoever asked is gone, or asks what nobody can answer.
    fn read(&mut self, facts: &mut Facts<'_>) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                // Who has asked may close his side and read on.
                Ok(0) => return self.asked && !self.is_endless(),
                Ok(_) if self.asked => {}
                Ok(count) => self.question.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if self.asked {
                continue;
            }
            let end = self.question.iter().position(|byte| *byte == b'\n');
            if end.is_none() && self.question.len() < QUESTION_MAX {
                continue;
            }
            self.asked = true;
            let line = &self.question[..end.unwrap_or(0)];
            self.answer = Some(match serde_json::from_slice::<Request>(line) {
                Ok(request) => Answer::begin(request, facts),
                Err(wrong) => Answer::Lines(vec![error(format_args!("not a question: {wrong}"))]),
            });
        }
    }

    fn write(&mut self) -> bool {
        let mut sent = 0;
        let stays = loop {
            match self.stream.write(&self.pending[sent..]) {
                Ok(0) => break true,
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        self.pending.drain(..sent);
        stays
    }

    /// Keeps the epoll set to what is waited for.
    fn wait(&mut self, epoll: &Epoll, number: u64) -> nix::Result<()> {
        let waits = !self.pending.is_empty();
        if waits == self.waits {
            return Ok(());
        }
        self.waits = waits;
        let mut flags = EpollFlags::EPOLLIN;
        flags.set(EpollFlags::EPOLLOUT, waits);
        epoll.modify(&self.stream, &mut EpollEvent::new(flags, number))
    }
}
