//! IPv6 extension headers (RFC 8200 section 4).
//!
//! Walked as Linux walks them: hop-by-hop, destination options, routing, fragment and
//! authentication headers are passed over in any order and number. ESP, the mobility header and
//! everything newer end the walk and are the packet's protocol. No next header (59) ends it too.

use crate::headers::{Fragment, ParseError};
use crate::ipv6::HEADER_LENGTH;
use crate::reader::array_at;
use kinwall_terms::L4Proto;

/// The most extension headers that are walked. A packet with more is malformed: no sender has a
/// use for them, and they would let a packet buy work with 8 bytes a piece.
pub const EXTENSIONS_MAX: usize = 64;

/// Next header 59: nothing follows.
pub const NO_NEXT_HEADER: u8 = 59;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// An extension header that is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtensionKind {
    /// Hop-by-hop options (0).
    HopByHop,
    /// Routing (43).
    Routing,
    /// Fragment (44).
    Fragment,
    /// Authentication (51).
    Authentication,
    /// Destination options (60).
    Destination,
}

impl ExtensionKind {
    /// All of them.
    pub const ALL: [ExtensionKind; 5] = [
        ExtensionKind::HopByHop,
        ExtensionKind::Routing,
        ExtensionKind::Fragment,
        ExtensionKind::Authentication,
        ExtensionKind::Destination,
    ];

    /// The extension header with this next header number.
    pub fn from_number(number: u8) -> Option<ExtensionKind> {
        Some(match number {
            HOP_BY_HOP => ExtensionKind::HopByHop,
            ROUTING => ExtensionKind::Routing,
            FRAGMENT => ExtensionKind::Fragment,
            AUTHENTICATION => ExtensionKind::Authentication,
            DESTINATION => ExtensionKind::Destination,
            _ => return None,
        })
    }

    /// Its next header number.
    pub fn number(self) -> u8 {
        match self {
            ExtensionKind::HopByHop => HOP_BY_HOP,
            ExtensionKind::Routing => ROUTING,
            ExtensionKind::Fragment => FRAGMENT,
            ExtensionKind::Authentication => AUTHENTICATION,
            ExtensionKind::Destination => DESTINATION,
        }
    }
}

/// Which extension headers a packet has, and where the first of each kind stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipv6Extensions {
    /// Offset from the network header by kind; 0 when there is none.
    offsets: [u16; 5],
}

impl Ipv6Extensions {
    /// No extension headers.
    pub const NONE: Ipv6Extensions = Ipv6Extensions { offsets: [0; 5] };

    /// Offset of the first header of this kind from the network header, in bytes. The header is
    /// there up to its own stated length, unless the walk ended broken at it.
    pub fn offset(&self, kind: ExtensionKind) -> Option<u16> {
        let offset = self.offsets[kind as usize];
        (offset != 0).then_some(offset)
    }

    /// Whether there is a header of this kind.
    pub fn has(&self, kind: ExtensionKind) -> bool {
        self.offset(kind).is_some()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        *self == Ipv6Extensions::NONE
    }
}

/// Where the byte stands that names the first extension header of this kind: in the fixed header
/// or in the extension header before it. `packet` begins at the IPv6 header.
pub fn named_at(packet: &[u8], kind: ExtensionKind) -> Option<u16> {
    let mut name = 6u16;
    let mut at = crate::ipv6::HEADER_LENGTH as u16;
    for _ in 0..EXTENSIONS_MAX {
        let found = ExtensionKind::from_number(*packet.get(usize::from(name))?)?;
        if found == kind {
            return Some(name);
        }
        let step = step(packet, at, found)?;
        name = at;
        at = step.end;
    }
    None
}

/// Where the walk ended.
pub(crate) struct Chain {
    pub(crate) proto: L4Proto,
    pub(crate) end: u16,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) extensions: Ipv6Extensions,
    pub(crate) broken: bool,
}

/// Walks the extension headers of `packet`, an IPv6 packet whose first next header is `next`.
#[inline]
pub(crate) fn walk(packet: &[u8], next: L4Proto) -> Result<Chain, ParseError> {
    let mut chain = Chain {
        proto: next,
        end: crate::ipv6::HEADER_LENGTH as u16,
        fragment: None,
        extensions: Ipv6Extensions::NONE,
        broken: false,
    };
    let mut count = 0;
    while let Some(kind) = ExtensionKind::from_number(chain.proto.0) {
        if count == EXTENSIONS_MAX {
            return Err(ParseError::TooManyExtensions);
        }
        count += 1;
        let place = &mut chain.extensions.offsets[kind as usize];
        if *place == 0 {
            *place = chain.end;
        }
        let Some(step) = step(packet, chain.end, kind) else {
            // Linux reads the options of a hop-by-hop header that follows directly on arrival.
            if kind == ExtensionKind::HopByHop && count == 1 {
                return Err(ParseError::HopByHopTruncated);
            }
            chain.broken = true;
            return Ok(chain);
        };
        chain.proto = step.next;
        chain.end = step.end;
        if step.fragment.is_some() {
            // The first fragment header is the one that counts: a second one is content.
            chain.fragment = chain.fragment.or(step.fragment);
            if step.fragment.is_some_and(|fragment| fragment.offset != 0) {
                return Ok(chain);
            }
        }
    }
    Ok(chain)
}

struct Step {
    next: L4Proto,
    end: u16,
    fragment: Option<Fragment>,
}

/// Passes over one extension header; `None` when it is cut short.
fn step(packet: &[u8], at: u16, kind: ExtensionKind) -> Option<Step> {
    let start = usize::from(at);
    let [next, length, high, low, id @ ..] = array_at::<8>(packet, start)?;
    let (length, fragment) = match kind {
        ExtensionKind::Fragment => {
            let field = u16::from_be_bytes([*high, *low]);
            let fragment =
                Fragment { offset: field & !7, more: field & 1 != 0, id: u32::from_be_bytes(*id) };
            (8, Some(fragment))
        }
        // Its length is in units of four bytes (RFC 4302 section 2.2).
        ExtensionKind::Authentication => ((usize::from(*length) + 2) * 4, None),
        _ => ((usize::from(*length) + 1) * 8, None),
    };
    let end = start + length;
    if end > packet.len() {
        return None;
    }
    Some(Step { next: L4Proto(*next), end: u16::try_from(end).ok()?, fragment })
}

/// Whether Linux takes a packet with these hop-by-hop options from a neighbour; `packet` begins
/// with the IPv6 header that they follow. What it does not take is dropped before any hook: too
/// much padding, or padding with contents (RFC 4942 section 2.1.9.5), more than eight options,
/// options it does not know and that ask to be refused (RFC 8200 section 4.2), wrong lengths.
pub fn accepts_options(packet: &[u8]) -> bool {
    const PADDING_MAX_BYTES: usize = 7;
    const OPTIONS_MAX_COUNT: usize = 8;
    const PAD1: u8 = 0;
    const PADN: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    const JUMBO: u8 = 0xc2;
    let header = packet.get(HEADER_LENGTH..).unwrap_or_default();
    let length = header.get(1).map_or(0, |units| (usize::from(*units) + 1) * 8);
    let Some(mut rest) = header.get(2..length) else { return false };
    let (mut padding, mut count) = (0, 0);
    while let Some(&kind) = rest.first() {
        let length = match kind {
            PAD1 => 1,
            _ => rest.get(1).map_or(usize::MAX, |length| usize::from(*length) + 2),
        };
        let Some((option, after)) = rest.split_at_checked(length) else { return false };
        let content = option.get(2..).unwrap_or_default();
        if matches!(kind, PAD1 | PADN) {
            padding += length;
            if padding > PADDING_MAX_BYTES || content.iter().any(|byte| *byte != 0) {
                return false;
            }
        } else {
            (padding, count) = (0, count + 1);
            let is_fine = match kind {
                ROUTER_ALERT => content.len() == 2,
                // A packet that is as long as that reaches no capture, and no link of today.
                JUMBO => false,
                unknown => unknown >> 6 == 0,
            };
            if !is_fine || count > OPTIONS_MAX_COUNT {
                return false;
            }
        }
        rest = after;
    }
    true
}

/// Passes over the extension headers of a packet that an ICMP error quotes, each of which moves at
/// least 8 bytes on: the protocol behind them, and what is there of its header;
/// `None` when the chain is cut short, ends in nothing, or belongs to a later fragment.
pub fn skip_quoted(first: u8, after: &[u8]) -> Option<(L4Proto, &[u8])> {
    let (mut proto, mut rest) = (first, after);
    loop {
        let unit = match proto {
            HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT => 8,
            AUTHENTICATION => 4,
            NO_NEXT_HEADER => return None,
            _ => return Some((L4Proto(proto), rest)),
        };
        let &[next, length, high, low, ..] = array_at::<8>(rest, 0)?;
        let length = match proto {
            FRAGMENT if u16::from_be_bytes([high, low]) & !7 != 0 => return None,
            FRAGMENT => 8,
            // Counted without its first 8 bytes, in either unit.
            _ => 8 + usize::from(length) * unit,
        };
        rest = rest.get(length..)?;
        proto = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Headers, L4};

    fn check(next: u8, chain: &[u8]) -> Result<Headers, ParseError> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((chain.len() as u16).to_be_bytes());
        bytes.extend([next, 64]);
        bytes.extend([0xfd; 32]);
        bytes.extend(chain);
        Headers::parse(&bytes)
    }

    #[test]
    fn every_kind_is_passed_over() {
        let chain = [
            &[60, 0, 0, 0, 0, 0, 0, 0][..], // hop-by-hop at 40
            &[43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], // destination at 48
            &[51, 0, 0, 0, 0, 0, 0, 0][..], // routing at 64
            &[44, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], // authentication at 72
            &[60, 9, 0, 1, 0, 0, 0, 7][..], // fragment at 84
            &[17, 0, 0, 0, 0, 0, 0, 0][..], // destination again at 92
            &[0, 53, 0, 54, 0, 8, 0, 0][..], // UDP at 100
        ]
        .concat();
        let headers = check(0, &chain).unwrap();
        let offset = |kind| headers.extensions.offset(kind);
        assert_eq!(offset(ExtensionKind::HopByHop), Some(40));
        assert_eq!(offset(ExtensionKind::Destination), Some(48));
        assert_eq!(offset(ExtensionKind::Routing), Some(64));
        assert_eq!(offset(ExtensionKind::Authentication), Some(72));
        assert_eq!(offset(ExtensionKind::Fragment), Some(84));
        assert_eq!(headers.fragment, Some(Fragment { offset: 0, more: true, id: 7 }));
        assert_eq!((headers.proto, headers.header_length), (L4Proto::UDP, 100));
        assert_eq!(headers.ports(), Some((53, 54)));
    }

    #[test]
    fn the_name_of_a_header_is_found() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, 60, 64];
        bytes.extend([0; 32]);
        bytes.extend([60, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([44, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([17, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(named_at(&bytes, ExtensionKind::Destination), Some(6));
        assert_eq!(named_at(&bytes, ExtensionKind::Fragment), Some(48));
        assert_eq!(named_at(&bytes, ExtensionKind::Routing), None);
        assert_eq!(named_at(&bytes[..44], ExtensionKind::Fragment), None);
    }

    #[test]
    fn the_walk_ends() {
        let fragment = [6, 0, 0, 8, 0, 0, 0, 9];
        let rows: &[(u8, &[u8], u8, u16, L4)] = &[
            (59, &[], 59, 40, L4::Other),
            (50, &[0; 16], 50, 40, L4::Other),
            (135, &[59, 0, 0, 0, 0, 0, 0, 0], 135, 40, L4::Other),
            (60, &[59, 0, 0, 0, 0, 0, 0, 0], 59, 48, L4::Other),
            (60, &[6, 0, 0, 0, 0, 0, 0, 0], 6, 48, L4::Truncated),
            (44, &fragment, 6, 48, L4::Truncated),
            // Broken: the header's own number stays.
            (60, &[6, 1, 0, 0, 0, 0, 0, 0], 60, 40, L4::Truncated),
            (60, &[6, 0, 0, 0, 0, 0, 0], 60, 40, L4::Truncated),
            (51, &[6, 1, 0, 0, 0, 0, 0, 0], 51, 40, L4::Truncated),
            (43, &[], 43, 40, L4::Truncated),
        ];
        for (next, chain, proto, header_length, l4) in rows {
            let headers = check(*next, chain).unwrap();
            assert_eq!(
                (headers.proto, headers.header_length, headers.l4),
                (L4Proto(*proto), *header_length, *l4),
                "{next} {chain:?}"
            );
        }
    }

    #[test]
    fn the_walk_is_bounded() {
        let one = [60, 0, 0, 0, 0, 0, 0, 0];
        let headers =
            check(60, &[&one.repeat(EXTENSIONS_MAX - 1)[..], &[59, 0, 0, 0, 0, 0, 0, 0]].concat());
        assert!(headers.is_ok_and(|headers| headers.proto == L4Proto(59)));
        assert_eq!(check(60, &one.repeat(65)), Err(ParseError::TooManyExtensions));
    }

    #[test]
    fn hop_by_hop_options_are_read_on_arrival() {
        assert_eq!(check(0, &[6, 1, 0, 0, 0, 0, 0, 0]), Err(ParseError::HopByHopTruncated));
    }

    #[test]
    fn numbers_go_round() {
        for kind in ExtensionKind::ALL {
            assert_eq!(ExtensionKind::from_number(kind.number()), Some(kind));
        }
    }

    #[test]
    fn options_from_neighbours() {
        let rows: &[(&[u8], bool)] = &[
            (&[1, 4, 0, 0, 0, 0], true),
            (&[0, 0, 0, 0, 0, 0], true),
            (&[5, 2, 0, 0, 1, 0], true),
            (&[1, 4, 0, 9, 0, 0], false),
            (&[1, 5, 0, 0, 0, 0], false),
            (&[1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false),
            (&[0, 1, 5, 0, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0], false),
            (&[1, 4, 0, 0, 0, 0, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0], false),
            (&[5, 3, 0, 0, 0, 0], false),
            (&[0x1e, 4, 0, 0, 0, 0], true),
            (&[0x5e, 4, 0, 0, 0, 0], false),
            (&[0xc2, 4, 0, 1, 0, 0], false),
            (&[3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0], false),
        ];
        for (options, expected) in rows {
            let mut packet = vec![0; HEADER_LENGTH];
            packet.extend([59, ((options.len() + 2) / 8 - 1) as u8]);
            packet.extend(*options);
            assert_eq!(accepts_options(&packet), *expected, "{options:?}");
        }
    }
}
