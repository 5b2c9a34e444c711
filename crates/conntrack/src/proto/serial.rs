//! Arithmetic of 32-bit numbers that wrap (RFC 1982): TCP sequence numbers.

/// Whether `a` comes before `b`; false for equal numbers.
pub(crate) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether `a` comes after `b`; false for equal numbers.
pub(crate) fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps() {
        let rows = [
            (1, 2, true),
            (2, 1, false),
            (7, 7, false),
            (u32::MAX, 0, true),
            (0, u32::MAX, false),
            (0, 0x7fff_ffff, true),
            // Half the circle away, each one comes before the other.
            (0, 0x8000_0000, true),
            (0x8000_0000, 0, true),
        ];
        for (a, b, expected) in rows {
            assert_eq!(before(a, b), expected, "before({a:#x}, {b:#x})");
            assert_eq!(after(b, a), expected, "after({b:#x}, {a:#x})");
        }
    }
}
