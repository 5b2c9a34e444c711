//! Messages as the kernel's decoder takes them apart (ASN.1, X.690): what it accepts, and where
//! it finds addresses.
//!
//! ```text
//! message  = SEQUENCE { INTEGER 0 or 1, OCTET STRING, *pdu }, whatever follows
//! pdu      = [0] to [3], [5] to [8] { INTEGER, INTEGER, INTEGER, SEQUENCE { 1*variable } }
//! variable = SEQUENCE { OBJECT IDENTIFIER, *value }
//! ```
//!
//! Lengths have two bytes at most. Those of what is made of other values may be left open, and its
//! tag may leave out that it is. Of PDUs and of values there may be none, or several, in one order
//! only, where one is meant: each is taken for optional. Only the last one has to be there when
//! something is left, be it the mark of an end that was left open.

/// Where the addresses of a message stand; `None` when the kernel does not accept it.
pub(super) fn addresses(payload: &[u8], places: &mut Vec<usize>) -> Option<()> {
    let mut decoder = Decoder { bytes: payload, at: 0, end: payload.len() };
    let message = decoder.open(SEQUENCE)?;
    match decoder.value(INTEGER)? {
        [0] | [1] => {}
        _ => return None,
    }
    decoder.value(OCTET_STRING)?;
    for kind in PDUS {
        if decoder.is_next(*kind, COMPOUND) {
            decoder.pdu(*kind, places)?;
        } else if *kind == REPORT && decoder.at < decoder.end {
            return None;
        }
    }
    decoder.close(message)
}

/// Reads one value after the other.
struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the innermost compound value ends whose end is known.
    end: usize,
}

/// A compound value that is being read.
struct Compound {
    /// Where what it stands in ends; `None` when its own length was left open.
    outer_end: Option<usize>,
}

impl<'a> Decoder<'a> {
    /// The next byte.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(..self.end)?.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Whether a value with this tag is next, `wild` bits aside.
    fn is_next(&self, wanted: u8, wild: u8) -> bool {
        let tag = self.bytes.get(..self.end).and_then(|bytes| bytes.get(self.at));
        tag.is_some_and(|tag| (wanted ^ tag) & !wild == 0)
    }

    /// The next value's tag, which is `wanted` but for `wild` bits, and the length behind it.
    fn header(&mut self, wanted: u8, wild: u8) -> Option<Length> {
        if !self.is_next(wanted, wild) {
            return None;
        }
        let tag = self.byte()?;
        let length = match self.byte()? {
            short @ 0..0x80 => usize::from(short),
            OPEN => return (tag & COMPOUND != 0).then_some(Length::Open),
            0x81 => usize::from(self.byte()?),
            0x82 => usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])),
            _ => return None,
        };
        (length <= self.end - self.at).then_some(Length::Bytes(length))
    }

    /// Goes into a compound value.
    fn open(&mut self, tag: u8) -> Option<Compound> {
        let outer_end = match self.header(tag, COMPOUND)? {
            Length::Bytes(length) => Some(std::mem::replace(&mut self.end, self.at + length)),
            Length::Open => None,
        };
        Some(Compound { outer_end })
    }

    /// Whether more follows in a compound value.
    fn goes_on(&self, compound: &Compound) -> bool {
        match compound.outer_end {
            Some(_) => self.at < self.end,
            None => self.bytes.get(self.at) != Some(&0),
        }
    }

    /// Leaves a compound value, of which nothing may be left.
    fn close(&mut self, compound: Compound) -> Option<()> {
        match compound.outer_end {
            Some(_) if self.at != self.end => return None,
            Some(outer_end) => self.end = outer_end,
            None => {
                if [self.byte()?, self.byte()?] != [0, 0] {
                    return None;
                }
            }
        }
        Some(())
    }

    /// A value with this tag.
    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let Length::Bytes(length) = self.header(tag, 0)? else { return None };
        let value = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(value)
    }

    fn pdu(&mut self, kind: u8, places: &mut Vec<usize>) -> Option<()> {
        let pdu = self.open(kind)?;
        for _ in 0..3 {
            self.value(INTEGER)?;
        }
        let list = self.open(SEQUENCE)?;
        loop {
            self.variable(places)?;
            if !self.goes_on(&list) {
                break;
            }
        }
        self.close(list)?;
        self.close(pdu)
    }

    fn variable(&mut self, places: &mut Vec<usize>) -> Option<()> {
        let variable = self.open(SEQUENCE)?;
        self.value(OBJECT_IDENTIFIER)?;
        self.value_of(SIMPLE)?;
        if self.is_next(ADDRESS, 0) {
            <&[u8; 4]>::try_from(self.value(ADDRESS)?).ok()?;
            places.push(self.at - 4);
        }
        for tag in OTHERS {
            self.value_of(&[*tag])?;
        }
        if self.at < self.end && !self.value_of(LAST)? {
            return None;
        }
        self.close(variable)
    }

    /// Whether a value with one of these tags comes next, which is read then.
    fn value_of(&mut self, tags: &[u8]) -> Option<bool> {
        match tags.iter().find(|tag| self.is_next(**tag, 0)) {
            Some(tag) => self.value(*tag).map(|_| true),
            None => Some(false),
        }
    }
}

/// How long a value is.
enum Length {
    Bytes(usize),
    /// Until two bytes of zero.
    Open,
}

/// A length that is left open.
const OPEN: u8 = 0x80;

/// The bit of a tag that says that the value is made of others.
const COMPOUND: u8 = 0x20;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const ADDRESS: u8 = 0x40;

/// Every kind of message but the trap of version 1, in the order in which they may follow.
const PDUS: &[u8] = &[0xa0, 0xa1, 0xa5, 0xa2, 0xa3, 0xa6, 0xa7, REPORT];
const REPORT: u8 = 0xa8;

/// What a variable may hold first.
const SIMPLE: &[u8] = &[INTEGER, OCTET_STRING, OBJECT_IDENTIFIER];

/// What may follow an address: Counter32, TimeTicks, Opaque, Counter64.
const OTHERS: &[u8] = &[0x41, 0x43, 0x44, 0x46];

/// What may come last: Unsigned32, NULL, noSuchObject, noSuchInstance, endOfMibView.
const LAST: &[u8] = &[0x42, 0x05, 0x80, 0x81, 0x82];
