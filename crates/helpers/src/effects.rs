//! What a helper wants done. The engine applies it, in order.

use crate::registry::HelperKind;
use crate::rewrite::{Following, Named};
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{KeymapRule, L4Proto, Reason, Tuple};
use std::net::IpAddr;

/// Effects of one packet at most; what comes beyond is not taken and noted as `stream-limit`.
pub const EFFECTS_MAX_COUNT: usize = 1024;

/// Notes of one packet at most; later ones are not kept.
pub const NOTES_MAX_COUNT: usize = 64;

/// What a helper wants done after one packet, filled by the helper and applied by the engine.
/// Keep one and [`clear`](Effects::clear) it: its memory is used again.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    notes: Vec<Note>,
    drop: Option<Note>,
    blind: Option<Note>,
    /// Texts, one behind the other.
    texts: Vec<u8>,
}

impl Effects {
    /// Empty.
    pub fn new() -> Effects {
        Effects::default()
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.notes.clear();
        self.drop = None;
        self.blind = None;
        self.texts.clear();
    }

    /// The effects, in the order in which they apply. They apply even when the packet is
    /// [dropped](Effects::drop_reason) in the end.
    pub fn list(&self) -> &[Effect] {
        &self.list
    }

    /// What was seen and not believed, or believed with a remark: for the trace.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Why the packet is to be dropped, if it is.
    pub fn drop_reason(&self) -> Option<Note> {
        self.drop
    }

    /// Why this connection shall not be shown to its helper again, if so (`strict` only): give
    /// its streams back, its pending expectations stay.
    pub fn blind_reason(&self) -> Option<Note> {
        self.blind
    }

    /// Nothing to do and nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.notes.is_empty() && self.drop.is_none() && self.blind.is_none()
    }

    /// Adds an effect; at [`EFFECTS_MAX_COUNT`] it is not taken, and noted.
    pub fn push(&mut self, effect: Effect) {
        if self.list.len() < EFFECTS_MAX_COUNT {
            self.list.push(effect);
        } else {
            self.note(Reason::StreamLimit, Span { offset: 0, length: 0 });
        }
    }

    /// Puts what `write` adds in the place of these bytes of the payload.
    pub fn write(&mut self, span: Span, write: impl FnOnce(&mut Vec<u8>)) {
        let place = |texts: &Vec<u8>| u32::try_from(texts.len()).unwrap_or(u32::MAX);
        let start = place(&self.texts);
        write(&mut self.texts);
        let end = place(&self.texts);
        self.push(Effect::Write { span, text: TextId { start, end } });
    }

    /// Overwrites these bytes of the payload with what `write` adds, which is as long.
    pub fn overwrite(&mut self, span: Span, write: impl FnOnce(&mut Vec<u8>)) {
        self.write(span, write);
        if let Some(last) = self.list.last_mut()
            && let Effect::Write { text, .. } = *last
        {
            *last = Effect::Overwrite { span, text };
        }
    }

    /// A text that comes into the payload.
    pub fn text(&self, id: TextId) -> &[u8] {
        self.texts.get(id.start as usize..id.end as usize).unwrap_or_default()
    }

    /// Notes why something was not believed.
    pub fn note(&mut self, reason: Reason, span: Span) {
        if self.notes.len() < NOTES_MAX_COUNT {
            self.notes.push(Note { reason, span });
        }
    }

    /// Asks for the packet to be dropped. The first reason stays.
    pub fn drop(&mut self, reason: Reason, span: Span) {
        self.drop.get_or_insert(Note { reason, span });
    }

    /// Asks never to be shown this connection again. The first reason stays.
    pub fn blind(&mut self, reason: Reason, span: Span) {
        self.blind.get_or_insert(Note { reason, span });
    }

    /// Keeps the effects for which `keep` answers `Ok`; the others become notes.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Effect) -> Result<(), Note>) {
        let mut refused = Vec::new();
        self.list.retain(|effect| keep(effect).map_err(|note| refused.push(note)).is_ok());
        for note in refused {
            self.note(note.reason, note.span);
        }
    }
}

/// A named cause and the place in the payload it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub span: Span,
}

/// One thing a helper wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Expect this.
    Expect(Proposal),
    /// Expect both or none: an RTP/RTCP pair, or the two directions of a PPTP call.
    ExpectPair(Pair),
    /// Bring pending expectations of this master to life or prolong them (SIP, H.323).
    Activate(Activation),
    /// Remove this master's pending expectations of these classes.
    Flush(ClassSet),
    /// Set the master's own timeout.
    Refresh {
        /// Seconds from now.
        seconds: u32,
    },
    /// End the connection that has this tuple in its original or its reply direction, or else
    /// remove the expectation of it; and forget the GRE keymap entry of this master for it.
    EndChild {
        /// The child's tuple.
        tuple: Tuple,
        /// Whose child may end.
        whose: Whose,
    },
    /// Forget all GRE keymap entries of this master.
    ForgetKeymap,
    /// Show the helper `value` from now on, as [`Segment::remembered`]`[index]`: for what it may
    /// believe only once the effects before this one have applied.
    ///
    /// [`Segment::remembered`]: crate::Segment::remembered
    Remember {
        /// Which of the numbers; one that does not exist is not kept.
        index: usize,
        /// The number.
        value: u32,
    },
    /// Put a text of [`Effects::text`] in the place of these bytes of the payload. What is
    /// replaced in one packet does not overlap; places count in the payload as it is shown.
    Write {
        /// Which bytes.
        span: Span,
        /// Which text.
        text: TextId,
    },
    /// The same for a text as long as what is replaced: the checksum is brought up to date from
    /// what it was, and nothing else of the packet changes.
    Overwrite {
        /// Which bytes.
        span: Span,
        /// Which text.
        text: TextId,
    },
    /// Put what a port of media became (in [`Ports`]) in the place of it; nothing when it did not
    /// become another one.
    ///
    /// [`Ports`]: crate::Ports
    WriteKept {
        /// Where it stands, and how.
        named: Named,
        /// The even port of its pair.
        port: u16,
    },
    /// Put the address at which the pair that was announced last is expected in the place of these
    /// bytes of the payload (SDP); nothing when none was.
    WriteMediaAddress {
        /// Which bytes.
        span: Span,
    },
    /// Deliver the packet at this UDP port of its destination, which waits there for answers (SIP
    /// in the kernel).
    Deliver {
        /// The port.
        port: u16,
    },
    /// Put the length that these bytes of the payload have after every other change in the place
    /// of others, as a decimal number.
    WriteLength {
        /// Where the length stands.
        span: Span,
        /// The length of what.
        of: Span,
    },
    /// Drop the packet; what follows does not apply. For what depends on the effects before this
    /// one: [`Effects::drop`] drops it in any case.
    Drop {
        /// Why.
        reason: Reason,
        /// Where.
        span: Span,
    },
}

/// A text among the effects of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId {
    start: u32,
    end: u32,
}

/// Whose children a message may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The master's own.
    Own,
    /// Anybody's, and connections that are nobody's child (the kernel's behaviour).
    Anybodys,
}

/// An expectation as a helper proposes it. Limit and timeout are its class's
/// ([`Helper::policy`](crate::Helper::policy)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What the first packet of the child must look like.
    pub expected: Expected,
    /// Index of the class in the helper's list.
    pub class: u8,
    /// PERMANENT, INACTIVE.
    pub flags: ExpectationFlags,
    /// The helper the child gets.
    pub child: Option<HelperKind>,
    /// The command or message that announces it.
    pub announcement: Span,
    /// The address in the payload, where one stands: what translation rewrites.
    pub address: Option<Span>,
    /// The port in the payload, where one stands.
    pub port: Option<Span>,
    /// How its child follows the translation of the master; `None`: it does not.
    pub following: Option<Following>,
    /// What becomes of the packet when the table refuses.
    pub on_refusal: OnRefusal,
    /// For what several connections announce alike (SIP media of a call that forks). Nothing is
    /// added, and this counts as success, when another master with the same helper has one of this
    /// class pending that this tuple would match, or when an equal one is pending at all. In a
    /// pair the first one's tuple is looked up, for both.
    pub shared: Option<Tuple>,
}

impl Proposal {
    /// Of class 0, one-shot, without helper for the child; a refusal drops the packet.
    pub fn new(expected: Expected, announcement: Span) -> Proposal {
        Proposal {
            expected,
            class: 0,
            flags: ExpectationFlags::empty(),
            child: None,
            announcement,
            address: None,
            port: None,
            following: None,
            on_refusal: OnRefusal::Drop,
            shared: None,
        }
    }
}

/// What becomes of the packet, and of the effects that follow, when the table refuses a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefusal {
    /// The packet is dropped with [`Reason::HelperRefused`] and what follows does not apply.
    Drop,
    /// The packet is dropped with [`Reason::HelperRefused`], and what follows applies all the same
    /// (amanda in the kernel).
    DropAndGoOn,
    /// Nothing is expected, what follows applies.
    Ignore,
}

/// Two expectations that exist together or not at all. A refusal of one takes the other back;
/// `first.on_refusal` decides for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one inserted first.
    pub first: Proposal,
    /// The one inserted second.
    pub second: Proposal,
    /// Also enter both tuples in the GRE keymap, the first for the original direction. An equal
    /// entry is success; another one, where there is room for one call, a refusal.
    pub keymap: Option<KeymapRule>,
}

/// Which pending expectations of this master come to life, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Their class.
    pub class: u8,
    /// Their destination address.
    pub dst: IpAddr,
    /// Their destination port.
    pub dport: u16,
    /// Their protocol.
    pub proto: L4Proto,
    /// Seconds from now that they live.
    pub timeout_s: u32,
    /// When one was found, this many of the effects that follow do not apply.
    pub skip_when_found: u8,
}

/// A set of class indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassSet(u8);

impl ClassSet {
    /// Every class.
    pub const ALL: ClassSet = ClassSet(0xff);

    /// These classes; an index above 7 does not exist and is left out.
    pub const fn of(classes: &[u8]) -> ClassSet {
        let mut bits = 0;
        let mut i = 0;
        while i < classes.len() {
            if classes[i] < 8 {
                bits |= 1 << classes[i];
            }
            i += 1;
        }
        ClassSet(bits)
    }

    /// Whether `class` is among them.
    pub fn contains(self, class: u8) -> bool {
        class < 8 && self.0 & (1 << class) != 0
    }
}

/// A span of `length` bytes from `offset`, both counted in a payload (at most 4 GiB).
pub(crate) fn span(offset: usize, length: usize) -> Span {
    let [offset, length] = [offset, length].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Span { offset, length }
}
