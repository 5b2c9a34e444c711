//! Lines of text protocols.

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line.
    Complete {
        /// Without its end.
        text: &'a [u8],
        /// Whether it ended in CR LF; a bare LF otherwise.
        crlf: bool,
        /// Its length with its end.
        length: usize,
    },
    /// No line end so far.
    Partial,
    /// More than the limit without a line end.
    TooLong,
}

/// The first line of `bytes`, when it is no longer than `max_bytes` with its end. The first
/// `searched` bytes are known to hold no line end: a line that arrives in pieces is searched once.
pub fn first_line(bytes: &[u8], searched: usize, max_bytes: usize) -> Line<'_> {
    let window = bytes.get(..max_bytes).unwrap_or(bytes);
    let searched = searched.min(window.len());
    let unsearched = window.get(searched..).unwrap_or_default();
    match unsearched.iter().position(|&byte| byte == b'\n').map(|at| searched + at) {
        Some(end) => {
            let line = window.get(..end).unwrap_or_default();
            let crlf = line.last() == Some(&b'\r');
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            Line::Complete { text, crlf, length: end + 1 }
        }
        None if bytes.len() >= max_bytes => Line::TooLong,
        None => Line::Partial,
    }
}

/// Whether `bytes` begins with `word`, in any case of its ASCII letters.
pub fn starts_with_any_case(bytes: &[u8], word: &[u8]) -> bool {
    bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The bytes up to the first space, and those after it (empty when there is none).
pub fn first_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b' ').unwrap_or(bytes.len());
    (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_crlf_or_lf_within_the_limit() {
        let complete = |text, crlf, length| Line::Complete { text, crlf, length };
        let rows: &[(&[u8], usize, Line<'_>)] = &[
            (b"NOOP\r\nPORT", 512, complete(b"NOOP", true, 6)),
            (b"NOOP\n", 512, complete(b"NOOP", false, 5)),
            (b"\n", 512, complete(b"", false, 1)),
            (b"\r\r\n", 512, complete(b"\r", true, 3)),
            (b"NOOP\r", 512, Line::Partial),
            (b"", 512, Line::Partial),
            (b"NOOP\r\n", 6, complete(b"NOOP", true, 6)),
            (b"NOOP\r\n", 5, Line::TooLong),
            (b"NOOP", 4, Line::TooLong),
        ];
        for (bytes, max_bytes, line) in rows {
            assert_eq!(first_line(bytes, 0, *max_bytes), *line, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_was_searched_is_not_searched_again() {
        let line = Line::Complete { text: b"NOOP", crlf: true, length: 6 };
        for searched in 0..6 {
            assert_eq!(first_line(b"NOOP\r\nNOOP\r\n", searched, 512), line, "{searched}");
        }
        assert_eq!(first_line(b"NOOP", 9, 512), Line::Partial);
    }

    #[test]
    fn words_are_parted_by_the_first_space() {
        let rows: [(&[u8], [&[u8]; 2]); 5] = [
            (b"SEND file 1", [b"SEND", b"file 1"]),
            (b"SEND", [b"SEND", b""]),
            (b"SEND ", [b"SEND", b""]),
            (b" x", [b"", b"x"]),
            (b"", [b"", b""]),
        ];
        for (bytes, words) in rows {
            let (first, rest) = first_word(bytes);
            assert_eq!([first, rest], words);
        }
    }
}
