//! Packed encoding rules, aligned variant (ITU-T X.691), read by tables.
//!
//! A PER encoding cannot be understood without the types it is made from: no field says what it
//! is or, mostly, how long. So a message is walked along the tables of its types, and what somebody
//! wants to know is marked there: the walk notes the marks that it passes, in order, and where
//! ([`Found`]). Nothing else is kept.
//!
//! | mode | reads |
//! |---|---|
//! | [`Mode::Linux`] | as the kernel's decoder does: a contained type may run beyond its container, a length takes two bytes, an addition that the tables do not know has a length whether it is there or not, and a field marked as an end ends its sequence in silence |
//! | [`Mode::Exact`] | what the standard says, and nothing beyond a container |
//!
//! Neither reads a byte beyond the message, and both take a number of steps that is linear in its
//! length ([`STEPS_PER_BYTE`]): contained types that run beyond their containers, each read again
//! and again, end there.

mod types;

use super::marks::Mark;

pub(super) use types::{
    Choice, Field, Integer, List, Sequence, Size, Type, beginning, choice, end, extensible, is,
    list, may, open_choice, passed, sequence,
};

/// Steps (types walked) for each byte of a message, and [`STEPS_MIN`] beside. The densest list
/// there is, of a gateway's protocols, takes two steps for seven bits; messages of real programs
/// take less than two steps a byte, and three hundred in all.
const STEPS_PER_BYTE: usize = 3;

/// Steps for a message of any length.
const STEPS_MIN: usize = 1024;

/// What a walk notes at most: thirty channels of fast start and four of H.245 with all their
/// addresses are fewer.
const FOUND_MAX_COUNT: usize = 512;

/// How a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As the kernel's decoder reads it.
    Linux,
    /// As the standard says.
    Exact,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// It ends too early.
    End,
    /// It says something that its type does not have.
    Range,
    /// It takes more steps than its length allows.
    Steps,
}

/// What a walk notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What.
    pub(super) mark: Mark,
    /// The offset in the message of the next whole byte; of [`Mark::Number`], the number.
    pub(super) value: u32,
}

/// What a walk noted, in order.
pub(super) struct Findings {
    list: [Found; FOUND_MAX_COUNT],
    count: usize,
}

impl Findings {
    /// Nothing yet.
    pub(super) fn new() -> Findings {
        let nothing = Found { mark: Mark::Number, value: 0 };
        Findings { list: [nothing; FOUND_MAX_COUNT], count: 0 }
    }

    /// All of them.
    pub(super) fn list(&self) -> &[Found] {
        self.list.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, mark: Mark, value: usize) -> Result<(), Error> {
        let place = self.list.get_mut(self.count).ok_or(Error::Steps)?;
        *place = Found { mark, value: u32::try_from(value).unwrap_or(u32::MAX) };
        self.count += 1;
        Ok(())
    }
}

/// Walks `bytes` as an encoding of `ty`. What is noted comes behind what `found` holds; it means
/// nothing when there is an error.
pub(super) fn walk(
    mode: Mode,
    ty: &'static Type,
    bytes: &[u8],
    found: &mut Findings,
) -> Result<(), Error> {
    let mut walk = Walk {
        bytes,
        end: bytes.len(),
        at: 0,
        bit: 0,
        mode,
        steps_left: bytes.len().saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_MIN),
        found,
    };
    walk.any(ty, true)?;
    Ok(())
}

/// Whether a sequence was read to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    /// An [`end`] was met: where the next thing stands is not known.
    Ended,
}

/// A place in a message. In Linux's mode `at` may lie behind the end for a moment: each step ends
/// with a look at it.
struct Walk<'a> {
    bytes: &'a [u8],
    end: usize,
    at: usize,
    bit: usize,
    mode: Mode,
    steps_left: usize,
    found: &'a mut Findings,
}

impl Walk<'_> {
    fn exact(&self) -> bool {
        self.mode == Mode::Exact
    }

    /// Whether `bytes` and `bits` more are there.
    fn need(&self, bytes: usize, bits: usize) -> Result<(), Error> {
        let more = bytes.saturating_add((bits + self.bit).div_ceil(8));
        if self.at.saturating_add(more) > self.end { Err(Error::End) } else { Ok(()) }
    }

    fn skip_bits(&mut self, bits: usize) {
        let bits = self.bit + bits;
        self.at = self.at.saturating_add(bits / 8);
        self.bit = bits % 8;
    }

    fn align(&mut self) {
        self.skip_bits((8 - self.bit) % 8);
    }

    fn pass(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The byte at an offset from here; what lies behind the end is not looked at.
    fn peek(&self, offset: usize) -> u64 {
        let at = self.at.saturating_add(offset);
        let byte = if at < self.end { self.bytes.get(at) } else { None };
        byte.copied().unwrap_or(0).into()
    }

    /// The next `count` bits, at most 64, most significant first.
    fn bits(&mut self, count: usize) -> u64 {
        let bits = self.bit + count;
        if bits <= 8 {
            let byte = self.peek(0);
            self.skip_bits(count);
            return byte >> (8 - bits) & ((1 << count) - 1);
        }
        let bytes = bits.div_ceil(8);
        let read = |value: u128, offset| value << 8 | u128::from(self.peek(offset));
        let value = (0..bytes).fold(0, read) >> (bytes * 8 - bits) & ((1 << count) - 1);
        self.skip_bits(count);
        u64::try_from(value).unwrap_or(0)
    }

    fn bit(&mut self) -> bool {
        self.bits(1) == 1
    }

    /// A length determinant; the cursor is aligned.
    fn length(&mut self) -> Result<usize, Error> {
        self.need(1, 0)?;
        let first = self.peek(0);
        self.pass(1);
        if first & 0x80 == 0 {
            return Ok(usize::try_from(first).unwrap_or(0));
        }
        // Fragments of 16 K: nothing in a signalling message is as long.
        if self.exact() && first & 0x40 != 0 {
            return Err(Error::Range);
        }
        self.need(1, 0)?;
        let second = self.peek(0);
        self.pass(1);
        Ok(usize::try_from((first & 0x3f) << 8 | second).unwrap_or(0))
    }

    /// A length of which the kernel wants to see two bytes, even when it takes one.
    fn wary_length(&mut self) -> Result<usize, Error> {
        if !self.exact() {
            self.need(2, 0)?;
        }
        self.length()
    }

    fn note(&mut self, mark: Option<Mark>) -> Result<(), Error> {
        let at = self.at + usize::from(self.bit > 0);
        mark.map_or(Ok(()), |mark| self.found.push(mark, at))
    }

    fn any(&mut self, ty: &'static Type, wanted: bool) -> Result<Flow, Error> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Error::Steps)?;
        match ty {
            Type::Null => {}
            Type::Boolean => self.skip_bits(1),
            Type::ObjectIdentifier => {
                self.align();
                self.need(1, 0)?;
                let length = self.bits(8);
                self.pass(usize::try_from(length).unwrap_or(0));
            }
            Type::Integer(integer) => self.integer(*integer, wanted)?,
            Type::BitString(size) => {
                self.align();
                let length = self.size(*size, true)?;
                self.skip_bits(length);
            }
            Type::Digits(size) => {
                let length = self.size(*size, true)?;
                self.skip_bits(length * 4);
            }
            Type::Octets(size) => {
                let length = self.size(*size, false)?;
                self.pass(length);
            }
            Type::Wide(size) => {
                let length = self.size(*size, true)?;
                self.pass(length * 2);
            }
            Type::Sequence(sequence) => return self.sequence(sequence, wanted),
            Type::List(list) => return self.items(list, wanted),
            Type::Choice(choice) => return self.choice(choice, wanted),
        }
        self.need(0, 0)?;
        Ok(Flow::On)
    }

    fn integer(&mut self, integer: Integer, wanted: bool) -> Result<(), Error> {
        match integer {
            Integer::Bits(bits) => self.skip_bits(bits.into()),
            Integer::Octet => {
                self.align();
                self.pass(1);
            }
            Integer::TwoOctets => {
                self.align();
                self.pass(2);
            }
            Integer::Long(least) => {
                self.need(0, 2)?;
                let length = self.bits(2) + 1;
                let length = usize::try_from(length).unwrap_or(1);
                self.align();
                if wanted {
                    self.need(length, 0)?;
                    let number = self.bits(length * 8);
                    let number = u32::try_from(number).unwrap_or(0).wrapping_add(least);
                    let number = usize::try_from(number).unwrap_or(0);
                    self.found.push(Mark::Number, number)?;
                }
                // A number that it has read, the kernel passes a second time.
                if !(wanted && self.exact()) {
                    self.pass(length);
                }
            }
            Integer::Unbounded => {
                self.align();
                let length = self.wary_length()?;
                self.pass(length);
            }
        }
        Ok(())
    }

    /// How long a string is; leaves the cursor where it begins. `aligned` strings begin at a
    /// whole byte, others do when they may be longer than two.
    fn size(&mut self, size: Size, aligned: bool) -> Result<usize, Error> {
        let (bits, least) = match size {
            Size::Fixed(length) => {
                if aligned || length > 2 {
                    self.align();
                }
                return Ok(length);
            }
            Size::Any => {
                self.align();
                return self.wary_length();
            }
            Size::Bits(bits, least) => (bits, least),
            Size::Octet(least) => (8, least),
            Size::TwoOctets(least) => (16, least),
        };
        if !matches!(size, Size::Bits(..)) {
            self.align();
        }
        self.need(0, bits.into())?;
        let length = usize::try_from(self.bits(bits.into())).unwrap_or(0);
        self.align();
        Ok(length + least)
    }

    fn sequence(&mut self, sequence: &'static Sequence, wanted: bool) -> Result<Flow, Error> {
        if sequence.extensible || !self.exact() {
            self.need(0, 1)?;
        }
        let extended = sequence.extensible && self.bit();
        let count = usize::from(sequence.optional);
        self.need(0, count)?;
        let mut present = self.presence(count);
        for field in sequence.root {
            if field.end {
                return Ok(Flow::Ended);
            }
            if field.optional {
                let there = present >> 63 == 1;
                present <<= 1;
                if !there {
                    continue;
                }
            }
            let flow = if field.contained {
                // The kernel does not look for the whole byte that a contained type begins at.
                if self.exact() {
                    self.align();
                }
                self.wrapped(field, wanted, wanted)?
            } else {
                self.field(field, wanted)?
            };
            if flow == Flow::Ended && self.exact() {
                return Ok(Flow::Ended);
            }
        }
        if extended { self.additions(sequence, wanted) } else { Ok(Flow::On) }
    }

    /// `count` bits, the first one leftmost of 64. What the kernel makes of them is another thing
    /// when they end with the fourth byte and do not begin with the first.
    fn presence(&mut self, count: usize) -> u64 {
        if count == 0 {
            return 0;
        }
        if !self.exact() && self.bit > 0 && self.bit + count == 32 {
            self.bit = 0;
            let word = self.bits(32);
            return word >> (32 - count) << (64 - count);
        }
        self.bits(count) << (64 - count)
    }

    fn additions(&mut self, sequence: &'static Sequence, wanted: bool) -> Result<Flow, Error> {
        self.need(0, 7)?;
        let count = usize::try_from(self.bits(7)).unwrap_or(0) + 1;
        self.need(0, count)?;
        if count > if self.exact() { 64 } else { 32 } {
            return Err(Error::Range);
        }
        let mut present = self.presence(count);
        self.align();
        for i in 0..count {
            let there = present >> 63 == 1;
            present <<= 1;
            let known = sequence.additions.get(i);
            match known {
                // The kernel reads a length whether the addition is there or not.
                None if there || !self.exact() => {
                    let length = self.wary_length()?;
                    self.need(length, 0)?;
                    self.pass(length);
                }
                Some(field) if field.end && !self.exact() => return Ok(Flow::Ended),
                Some(field) if there => {
                    self.wrapped(field, wanted, wanted)?;
                }
                _ => {}
            }
        }
        Ok(Flow::On)
    }

    fn field(&mut self, field: &'static Field, wanted: bool) -> Result<Flow, Error> {
        self.note(field.mark.filter(|_| wanted))?;
        field.ty.map_or(Ok(Flow::Ended), |ty| self.any(ty, wanted && field.reads))
    }

    /// A field within a length, at a whole byte. It is passed unless somebody `looks`; marks are
    /// noted when it is `wanted`.
    fn wrapped(&mut self, field: &'static Field, looks: bool, wanted: bool) -> Result<Flow, Error> {
        let length = self.wary_length()?;
        self.inside(field, length, looks, wanted)
    }

    fn inside(
        &mut self,
        field: &'static Field,
        length: usize,
        looks: bool,
        wanted: bool,
    ) -> Result<Flow, Error> {
        self.need(length, 0)?;
        let after = self.at.saturating_add(length);
        if looks && field.reads {
            let end = self.end;
            if self.exact() {
                self.end = after;
            }
            self.field(field, wanted)?;
            self.end = end;
            self.bit = 0;
        } else {
            self.note(field.mark.filter(|_| wanted))?;
        }
        self.at = after;
        Ok(Flow::On)
    }

    fn items(&mut self, list: &'static List, wanted: bool) -> Result<Flow, Error> {
        self.align();
        let count = self.wary_length()?;
        for i in 0..count {
            let taken = wanted && i < list.taken;
            let flow = if list.item.contained {
                self.steps_left = self.steps_left.checked_sub(1).ok_or(Error::Steps)?;
                self.align();
                self.wrapped(list.item, wanted, taken)?
            } else {
                self.field(list.item, taken)?
            };
            if flow == Flow::Ended && self.exact() {
                return Ok(Flow::Ended);
            }
        }
        Ok(Flow::On)
    }

    fn choice(&mut self, choice: &'static Choice, wanted: bool) -> Result<Flow, Error> {
        if choice.extensible || !self.exact() {
            self.need(0, 1)?;
        }
        let extended = choice.extensible && self.bit();
        let count = if extended { 7 } else { usize::from(choice.bits) };
        self.need(0, count)?;
        let index = usize::try_from(self.bits(count)).unwrap_or(0);
        // Behind the first of the seven bits stands the plain form only for 0.
        if extended && self.exact() && index > 63 {
            return Err(Error::Range);
        }
        let alternatives = if extended { choice.additions } else { choice.root };
        let chosen = alternatives.get(index);
        if !extended && chosen.is_none() {
            return Err(Error::Range);
        }
        if chosen.is_some_and(|field| field.end) {
            return Ok(Flow::Ended);
        }
        match chosen {
            Some(field) if !extended => self.field(field, wanted),
            Some(field) => {
                self.align();
                let length = self.length()?;
                self.inside(field, length, wanted, wanted)
            }
            None => {
                self.align();
                let length = self.wary_length()?;
                self.need(length, 0)?;
                self.pass(length);
                Ok(Flow::On)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NULL: Type = Type::Null;
    static FLAG: Type = Type::Boolean;
    static BYTE: Type = Type::Integer(Integer::Octet);
    static LONG: Type = Type::Integer(Integer::Long(1));
    static OCTETS: Type = Type::Octets(Size::Any);
    static ADDRESS: Type = Type::Octets(Size::Fixed(4));
    const MARKED: Field = is("", &ADDRESS).mark(Mark::Ipv4);

    fn walk(mode: Mode, ty: &'static Type, bytes: &[u8]) -> Result<Findings, Error> {
        let mut found = Findings::new();
        super::walk(mode, ty, bytes, &mut found).map(|()| found)
    }

    /// What each mode finds: offsets or numbers, or the error.
    /// The values that are found, or why none are.
    type Values = Result<&'static [u32], Error>;

    /// Each row: bytes, what `Mode::Linux` finds in them, what `Mode::Exact` does.
    fn check(ty: &'static Type, rows: &[(&[u8], Values, Values)]) {
        for (bytes, linux, exact) in rows {
            for (mode, right) in [(Mode::Linux, linux), (Mode::Exact, exact)] {
                let found = walk(mode, ty, bytes);
                let values = found.as_ref().map(|f| f.list().iter().map(|f| f.value).collect());
                let right = right.as_ref().map(|values| values.to_vec());
                assert_eq!(values, right, "{mode:?} {bytes:02x?}");
            }
        }
    }

    #[test]
    fn a_sequence_has_optional_fields_and_additions() {
        static TYPE: Type = extensible(
            &[may("", &BYTE), is("", &FLAG), may("", &ADDRESS).mark(Mark::Ipv4)],
            &[passed(""), MARKED],
        );
        let [none, end] = [Ok(&[][..]), Err(Error::End)];
        check(
            &TYPE,
            &[
                (&[0x00], none, none),
                (&[], end, end),
                (&[0x20, 1, 2, 3, 4], Ok(&[1]), Ok(&[1])),
                (&[0x20, 1, 2, 3], end, end),
                (&[0x40, 9, 0], none, none),
                // Both additions are there.
                (&[0x80, 0x38, 1, 0, 4, 1, 2, 3, 4], Ok(&[5]), Ok(&[5])),
                // One is there, and one that is not known is not: the kernel reads its length.
                (&[0x80, 0x50, 1, 7], end, none),
                (&[0x80, 0x50, 1, 7, 0, 0], none, none),
                // One that is not known is there.
                (&[0x80, 0x44, 1, 7], none, none),
                (&[0x80, 0x44, 2, 7], end, end),
                // The contents reach beyond their length.
                (&[0x80, 0x28, 2, 1, 2, 3, 4], Ok(&[3]), end),
                // The number of additions takes more than six bits.
                (&[0x88, 0xff, 0xff, 0xff, 0xff], Err(Error::End), Err(Error::End)),
            ],
        );
    }

    #[test]
    fn a_choice_has_alternatives_that_are_not_known() {
        static TYPE: Type = open_choice(
            &[is("", &NULL), MARKED, end("")],
            &[passed("").chosen(Mark::T120), MARKED],
        );
        let [none, end, range] = [Ok(&[][..]), Err(Error::End), Err(Error::Range)];
        check(
            &TYPE,
            &[
                (&[0x00], none, none),
                (&[0x20, 1, 2, 3, 4], Ok(&[1]), Ok(&[1])),
                (&[0x40], none, none),
                (&[0x60], range, range),
                (&[0x80, 1, 0], Ok(&[2]), Ok(&[2])),
                (&[0x81, 4, 1, 2, 3, 4], Ok(&[2]), Ok(&[2])),
                (&[0x81, 4, 1, 2, 3], end, end),
                (&[0x82, 1, 0], none, none),
                (&[0x82, 2, 0], end, end),
                // The kernel wants two bytes for a length.
                (&[0x82, 0], end, none),
                (&[0xff, 1, 0], none, range),
            ],
        );
    }

    #[test]
    fn a_list_is_looked_into_as_far_as_it_is_said() {
        static ITEM: Field = is("", &ADDRESS).contained().mark(Mark::Ipv4);
        static TYPE: Type = list(&ITEM, 1);
        static PLAIN: Field = is("", &OCTETS);
        static STRINGS: Type = list(&PLAIN, 0);
        let [none, end] = [Ok(&[][..]), Err(Error::End)];
        check(
            &TYPE,
            &[
                (&[0, 0], none, none),
                (&[0], end, none),
                (&[2, 4, 1, 2, 3, 4, 4, 1, 2, 3, 4], Ok(&[2]), Ok(&[2])),
                (&[2, 4, 1, 2, 3, 4, 4, 1, 2, 3], end, end),
                (&[0x80, 1, 4, 1, 2, 3, 4], Ok(&[3]), Ok(&[3])),
                (&[0xff, 0xff, 4], end, Err(Error::Range)),
            ],
        );
        check(&STRINGS, &[(&[2, 1, 9, 1, 9], none, none), (&[2, 1, 9, 0], end, none)]);
    }

    #[test]
    fn a_number_that_is_read_is_passed_twice_by_linux() {
        static TYPE: Type = sequence(&[is("", &LONG).mark(Mark::TimeToLive), is("", &BYTE)]);
        let [end, right] = [Err(Error::End), Ok(&[0, 0x100][..])];
        check(
            &TYPE,
            &[
                (&[0x40, 0x00, 0xff, 7], end, right),
                (&[0x40, 0x00, 0xff, 7, 7, 7], right, right),
                (&[0xc0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0], Ok(&[0, 0]), Ok(&[0, 0])),
            ],
        );
    }

    #[test]
    fn linux_mistakes_the_presence_of_additions_that_end_with_the_fourth_byte() {
        static TYPE: Type = extensible(&[may("", &BYTE)], &[MARKED, MARKED]);
        // The field is not there, and of 31 additions the second one is. Their bits begin with the
        // second one of a byte: what the kernel sees is one bit off.
        let bytes = [0x8f, 0x20, 0, 0, 0, 4, 1, 2, 3, 4];
        assert_eq!(walk(Mode::Exact, &TYPE, &bytes).unwrap().list().len(), 1);
        assert!(walk(Mode::Linux, &TYPE, &bytes).is_err());
    }

    #[test]
    fn types_that_reach_beyond_their_containers_end_somewhere() {
        static FLAGS_ITEM: Field = is("", &FLAG);
        static FLAGS: Type = list(&FLAGS_ITEM, 0);
        static ITEM: Field = is("", &FLAGS).contained().reads();
        static TYPE: Type = list(&ITEM, 1000);
        // Each item is a byte long and says that thousands of bits follow.
        let mut bytes = vec![0xbf, 0xff];
        bytes.extend([1, 0xbf].repeat(20_000));
        assert_eq!(walk(Mode::Linux, &TYPE, &bytes).err(), Some(Error::Steps));
        assert_eq!(walk(Mode::Exact, &TYPE, &bytes).err(), Some(Error::End));
    }
}
