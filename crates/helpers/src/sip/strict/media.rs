//! The media of a call: expected when they are announced, forgotten when they are not any more.

use super::Letter;
use super::calls::Call;
use super::description::{self, MEDIA_MAX_COUNT, Media, Wrong};
use crate::effects::{Effect, Effects, OnRefusal, Pair, Proposal, Whose};
use crate::rewrite::{Form, Named};
use crate::sip::rewrite::{following, is_renamed};
use crate::sip::{DIRECT_MEDIA, EXTERNAL_MEDIA};
use kinwall_terms::expectation::Expected;
use kinwall_terms::{L4Proto, Reason, Tuple};

/// Tuples that one end has announced in a call, at most: RTP and RTCP of each media line.
const TUPLES_MAX_COUNT: usize = 2 * MEDIA_MAX_COUNT;

/// Expects what a description names, instead of what the same end announced before.
pub(super) fn announce(letter: &Letter<'_>, call: &mut Call, effects: &mut Effects) {
    let Some(body) = letter.message.description.clone() else { return };
    let text = letter.message.bytes.get(body.clone()).unwrap_or_default();
    let Some(list) = description::read(text, letter.segment.family()) else {
        effects.note(Reason::HelperMalformed, letter.span(body.start, body.len()));
        return;
    };
    let mut tuples = Vec::with_capacity(TUPLES_MAX_COUNT);
    let mut proposed = Vec::with_capacity(MEDIA_MAX_COUNT);
    for media in list {
        match media {
            Ok(media) => match propose(letter, body.start, &media) {
                Ok(effect) => proposed.extend(effect),
                Err(reason) => {
                    let (at, length) = media.address_at;
                    effects.note(reason, letter.span(body.start + at, length));
                }
            },
            Err(Wrong::Port(at, length)) => {
                effects.note(Reason::HelperBadPort, letter.span(body.start + at, length));
            }
            Err(Wrong::Address(at, length) | Wrong::Words(at, length)) => {
                effects.note(Reason::HelperMalformed, letter.span(body.start + at, length));
            }
        }
    }
    for effect in &proposed {
        match effect {
            Effect::ExpectPair(Pair { first, second, .. }) => {
                tuples.extend([first.expected.tuple, second.expected.tuple]);
            }
            Effect::Expect(proposal) => tuples.push(proposal.expected.tuple),
            _ => {}
        }
    }
    let from = letter.segment.direction;
    call.announced.retain(|(announcer, tuple)| {
        let keeps = *announcer != from || tuples.contains(tuple);
        if !keeps {
            effects.push(take_back(*tuple));
        }
        keeps
    });
    for tuple in tuples {
        if !call.announced.contains(&(from, tuple)) {
            call.announced.push((from, tuple));
        }
    }
    proposed.into_iter().for_each(|effect| effects.push(effect));
}

/// Takes back what is still expected of a call.
pub(super) fn forget(call: &mut Call, effects: &mut Effects) {
    for (_, tuple) in call.announced.drain(..) {
        effects.push(take_back(tuple));
    }
}

fn take_back(tuple: Tuple) -> Effect {
    Effect::EndChild { tuple, whose: Whose::Own }
}

/// RTP at the port, when its end receives, and RTCP at the next one (RFC 8866, section 5.14).
fn propose(letter: &Letter<'_>, body: usize, media: &Media) -> Result<Option<Effect>, Reason> {
    let segment = letter.segment;
    let own = media.address == segment.tuple().src;
    let direct = segment.options.flag(DIRECT_MEDIA);
    if direct && !own {
        return Err(Reason::HelperForeignAddress);
    }
    let leaves = || segment.routing.is_some_and(|r| r.leaves_with_packet(media.address));
    if !direct && segment.options.flag(EXTERNAL_MEDIA) && leaves() {
        return Err(Reason::HelperForeignAddress);
    }
    let child = segment.opposite();
    let dst = if own { child.dst } else { media.address };
    let src = direct.then_some(child.src);
    let span = |(at, length): (usize, usize)| letter.span(body + at, length);
    let renamed = is_renamed(segment);
    let at = |port: u16| {
        let expected = Expected::new(src, None, dst, port, L4Proto::UDP);
        let announcement = span((media.line_at, media.line_end - media.line_at));
        Proposal {
            class: media.kind.class(),
            address: Some(span(media.address_at)),
            port: Some(span(media.port_at)),
            on_refusal: OnRefusal::Ignore,
            // Behind one address others may announce the same ports: theirs are not these.
            shared: (!renamed).then_some(expected.tuple),
            following: (segment.translated && own)
                .then(|| following(segment, (media.address, port), true)),
            ..Proposal::new(expected, announcement)
        }
    };
    let rtcp = media.port.checked_add(1).filter(|_| media.is_rtp).map(at);
    let rtp = media.receives.then(|| {
        let mut rtp = at(media.port);
        // Who gets nothing but RTCP has named no port for that.
        if let Some(following) = &mut rtp.following {
            following.named = Some(Named { span: span(media.port_at), form: Form::MediaPort });
        }
        rtp
    });
    Ok(match (rtp, rtcp) {
        (Some(first), Some(second)) => {
            Some(Effect::ExpectPair(Pair { first, second, keymap: None }))
        }
        (Some(only), None) | (None, Some(only)) => Some(Effect::Expect(only)),
        (None, None) => None,
    })
}
