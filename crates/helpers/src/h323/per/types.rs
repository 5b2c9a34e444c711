//! What a type is, as far as its encoding depends on it, and how the tables write one down.

use crate::h323::marks::Mark;

/// A type, as far as its encoding depends on it.
pub(in crate::h323) enum Type {
    /// Nothing.
    Null,
    /// One bit.
    Boolean,
    /// A length in one byte, and that many.
    ObjectIdentifier,
    /// A number.
    Integer(Integer),
    /// Bits.
    BitString(Size),
    /// Characters of four bits: digits.
    Digits(Size),
    /// Bytes.
    Octets(Size),
    /// Characters of two bytes.
    Wide(Size),
    /// One thing after another.
    Sequence(Sequence),
    /// Any number of the same thing.
    List(List),
    /// One thing out of several.
    Choice(Choice),
}

/// How a number is encoded.
#[derive(Clone, Copy)]
pub(in crate::h323) enum Integer {
    /// In so many bits: a range of up to 255.
    Bits(u8),
    /// In one aligned byte: a range of 256.
    Octet,
    /// In two aligned bytes: a range of up to 64 K.
    TwoOctets,
    /// Two bits of length less one, and that many aligned bytes: a range beyond 64 K, from this
    /// number on.
    Long(u32),
    /// A length and that many bytes.
    Unbounded,
}

/// How long a string is: in its own unit (bits, characters, bytes).
#[derive(Clone, Copy)]
pub(in crate::h323) enum Size {
    /// Always this.
    Fixed(usize),
    /// A number of so many bits, from the second on.
    Bits(u8, usize),
    /// A number in an aligned byte, from this on.
    Octet(usize),
    /// A number in two aligned bytes, from this on.
    TwoOctets(usize),
    /// A length of any kind.
    Any,
}

/// A sequence.
pub(in crate::h323) struct Sequence {
    /// Whether a later edition may add to it.
    pub(super) extensible: bool,
    /// How many of its root fields are optional.
    pub(super) optional: u8,
    pub(super) root: &'static [Field],
    /// What later editions added, in order, as far as it is known.
    pub(super) additions: &'static [Field],
}

/// A list; its count is a length.
pub(in crate::h323) struct List {
    pub(super) item: &'static Field,
    /// Marks are noted in so many of the items.
    pub(super) taken: usize,
}

/// A choice.
pub(in crate::h323) struct Choice {
    pub(super) extensible: bool,
    /// Bits of the index.
    pub(super) bits: u8,
    pub(super) root: &'static [Field],
    pub(super) additions: &'static [Field],
}

/// A field of a sequence, an alternative of a choice, or the item of a list.
#[derive(Clone, Copy)]
pub(in crate::h323) struct Field {
    /// `None`: never read, only passed by its length.
    pub(super) ty: Option<&'static Type>,
    pub(super) optional: bool,
    /// Wrapped in a length, as an octet string is.
    pub(super) contained: bool,
    /// The reading of what holds it ends here.
    pub(super) end: bool,
    /// Marks within it are noted.
    pub(super) reads: bool,
    pub(super) mark: Option<Mark>,
}

impl Field {
    const fn of(ty: Option<&'static Type>) -> Field {
        let (optional, contained, end, reads) = (false, false, false, false);
        Field { ty, optional, contained, end, reads, mark: None }
    }

    /// Wrapped in a length.
    pub(in crate::h323) const fn contained(self) -> Field {
        Field { contained: true, ..self }
    }

    /// Looks into it.
    pub(in crate::h323) const fn reads(self) -> Field {
        Field { reads: true, ..self }
    }

    /// Notes `mark` where it stands, and looks into it.
    pub(in crate::h323) const fn mark(self, mark: Mark) -> Field {
        Field { mark: Some(mark), reads: true, ..self }
    }

    /// Notes `mark` where it is chosen, and does not look into it.
    pub(in crate::h323) const fn chosen(self, mark: Mark) -> Field {
        Field { mark: Some(mark), ..self }
    }
}

/// A field that is always there. The name is the standard's.
pub(in crate::h323) const fn is(_name: &str, ty: &'static Type) -> Field {
    Field::of(Some(ty))
}

/// An OPTIONAL field.
pub(in crate::h323) const fn may(_name: &str, ty: &'static Type) -> Field {
    Field { optional: true, ..Field::of(Some(ty)) }
}

/// An addition, or an alternative that is one, that nobody looks into.
pub(in crate::h323) const fn passed(_name: &str) -> Field {
    Field::of(None)
}

/// From here on nothing is of interest.
pub(in crate::h323) const fn end(_name: &str) -> Field {
    Field { end: true, ..Field::of(None) }
}

/// A SEQUENCE.
pub(in crate::h323) const fn sequence(root: &'static [Field]) -> Type {
    Type::Sequence(Sequence { extensible: false, optional: optional(root), root, additions: &[] })
}

/// A SEQUENCE with `...` and what stands behind.
pub(in crate::h323) const fn extensible(
    root: &'static [Field],
    additions: &'static [Field],
) -> Type {
    Type::Sequence(Sequence { extensible: true, optional: optional(root), root, additions })
}

/// A SEQUENCE with `...`, of whose root only the first fields are listed, up to an [`end`];
/// `optional` counts the OPTIONAL ones of all of them.
pub(in crate::h323) const fn beginning(optional: u8, root: &'static [Field]) -> Type {
    Type::Sequence(Sequence { extensible: true, optional, root, additions: &[] })
}

/// A SEQUENCE OF with marks in the first `taken` items.
pub(in crate::h323) const fn list(item: &'static Field, taken: usize) -> Type {
    Type::List(List { item, taken })
}

/// A CHOICE.
pub(in crate::h323) const fn choice(root: &'static [Field]) -> Type {
    Type::Choice(Choice { extensible: false, bits: index_bits(root.len()), root, additions: &[] })
}

/// A CHOICE with `...` and what stands behind.
pub(in crate::h323) const fn open_choice(
    root: &'static [Field],
    additions: &'static [Field],
) -> Type {
    Type::Choice(Choice { extensible: true, bits: index_bits(root.len()), root, additions })
}

const fn optional(root: &[Field]) -> u8 {
    let (mut i, mut count) = (0, 0);
    while i < root.len() {
        if root[i].optional {
            count += 1;
        }
        i += 1;
    }
    count
}

const fn index_bits(count: usize) -> u8 {
    let mut bits = 0;
    while 1 << bits < count {
        bits += 1;
    }
    bits
}
