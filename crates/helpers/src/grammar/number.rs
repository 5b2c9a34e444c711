//! Decimal numbers.

/// How many digits `bytes` begins with.
pub fn digit_count(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len())
}

/// The number `bytes` begins with and its length in digits; no digit is the number 0 of length
/// 0, and a number that does not fit keeps its low bits: what the kernel's readers do.
pub fn wrapping(bytes: &[u8]) -> (u64, usize) {
    let count = digit_count(bytes);
    let digits = bytes.get(..count).unwrap_or_default();
    (digits.iter().fold(0, |number, digit| push_digit(number, *digit)), count)
}

/// `number` with one more digit at its end, modulo 2^64.
pub fn push_digit(number: u64, digit: u8) -> u64 {
    number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
}

/// The number `bytes` begins with, and its length in digits: at least one, and at most `max`.
pub fn checked(bytes: &[u8], max: u64) -> Option<(u64, usize)> {
    let count = digit_count(bytes);
    let text = std::str::from_utf8(bytes.get(..count)?).ok()?;
    let number = text.parse::<u64>().ok()?;
    (number <= max).then_some((number, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checked_number_is_there_and_fits() {
        let rows: [(&str, u64, Option<u64>); 7] = [
            ("21,", 255, Some(21)),
            ("255", 255, Some(255)),
            ("256", 255, None),
            ("", 255, None),
            ("x", 255, None),
            ("007", 255, Some(7)),
            ("99999999999999999999", u64::MAX, None),
        ];
        for (bytes, max, number) in rows {
            let read = checked(bytes.as_bytes(), max).map(|(number, _)| number);
            assert_eq!(read, number, "{bytes}");
        }
    }

    #[test]
    fn a_wrapping_number_keeps_its_low_bits() {
        assert_eq!(wrapping(b"65537 "), (65537, 5));
        assert_eq!(wrapping(b"18446744073709551617"), (1, 20));
        assert_eq!(wrapping(b" 1"), (0, 0));
    }
}
