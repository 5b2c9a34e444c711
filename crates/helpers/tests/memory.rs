//! What a helper remembers of a connection stays small, however long the connection lives and
//! whatever is said in it.

mod session;

use kinwall_helpers::HelperKind;
use kinwall_terms::{Family, KernelVersion, Profile};
use session::Session;
use session::definitions::{Said, messages};

/// Rounds through all messages of a helper.
const ROUNDS: u32 = 40;

/// Letters in which all that is remembered can be written down.
const REMEMBERED_MAX: usize = 64 * 1024;

/// The messages of the transcripts again and again, each time with other digits: other calls,
/// sequence numbers, ports, and lengths.
#[test]
fn a_long_connection_remembers_no_more() {
    for kind in HelperKind::ALL {
        let name = kind.helper().name;
        let said: Vec<Said> = messages(name).into_iter().map(|(_, said)| said).collect();
        assert!(said.len() > 5, "{name} has {} messages only", said.len());
        for profile in Profile::ALL {
            let most = remembered(name, profile, &said);
            assert!(most <= REMEMBERED_MAX, "{name}, {profile}: {most}");
        }
    }
}

/// The most that was remembered between two rounds. A connection that the helper reads no more of
/// begins anew.
fn remembered(name: &str, profile: Profile, said: &[Said]) -> usize {
    let fresh = || Session::new(name, Family::Ipv4, profile, KernelVersion::DEFAULT, &[]);
    let mut session = fresh();
    let mut random = 0x5eed_u32;
    let mut most = 0;
    for _ in 0..ROUNDS {
        for (direction, message) in said {
            let message = other_digits(message, &mut random);
            session.send(*direction, &message);
            if session.blind || session.unread(*direction) > MESSAGE_MAX_BYTES {
                session = fresh();
            }
        }
        most = most.max(format!("{:?}", session.scratch).len());
    }
    most
}

/// What the engine keeps of a stream until its helper takes it, at most.
const MESSAGE_MAX_BYTES: usize = 32 * 1024;

/// The message with some of its digits replaced.
fn other_digits(message: &[u8], random: &mut u32) -> Vec<u8> {
    let mut next = || {
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*random >> 16) as u8
    };
    let other = |byte: &u8| match byte {
        b'0'..=b'9' if next() < 64 => b'0' + next() % 10,
        _ => *byte,
    };
    message.iter().map(other).collect()
}
