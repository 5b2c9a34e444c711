//! Where in its source a word of a rule stands: a rule knows its first line only.

use kinwall_rules::diagnostic::Span;

/// The place of `value` behind an option that ends in `option`, in the command that begins on
/// line `first` of `text` and goes on where lines end in a backslash. Without such a value (a
/// script's `$NAME`) the option's own place, else that of the whole line.
pub(crate) fn of_value(text: &str, first: u32, option: &str, value: &str) -> Span {
    let mut option_at = None;
    let mut behind_option = false;
    let rest = text.lines().zip(1..).skip(first.saturating_sub(1) as usize);
    for (line, number) in rest {
        for (column, word) in words(line) {
            let place = |column: usize, word: &str| Span {
                line: number,
                column: column as u32,
                length: word.chars().count() as u32,
            };
            let (name, attached) = word.split_once('=').unwrap_or((word, ""));
            if behind_option && word.trim_matches(['"', '\'']) == value {
                return place(column, word);
            }
            behind_option = name.starts_with("--") && name.ends_with(option);
            if behind_option && attached == value {
                return place(column + name.chars().count() + 1, attached);
            }
            if behind_option {
                option_at.get_or_insert(place(column, word));
            }
        }
        if !line.trim_end().ends_with('\\') {
            break;
        }
    }
    option_at.unwrap_or_else(|| {
        let line = text.lines().nth(first.saturating_sub(1) as usize).unwrap_or("");
        Span { line: first, column: 1, length: line.chars().count() as u32 }
    })
}

/// The words of a line, each with its column from 1.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.split_whitespace().map(move |word| {
        let before = word.as_ptr() as usize - line.as_ptr() as usize;
        (line[..before].chars().count() + 1, word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_its_command() {
        let text = "# sets\niptables -A INPUT \\\n  -m set --match-set \"bad\" src \\\n \
                    -j DROP\n-A INPUT -m helper --helper=ftp\n-A é --add-set $S src\n-A X\n";
        let rows = [
            (2, "-set", "bad", (3, 22, 5)),
            (5, "helper", "ftp", (5, 29, 3)),
            (6, "-set", "worse", (6, 6, 9)),
            (7, "-set", "bad", (7, 1, 4)),
            (99, "-set", "bad", (99, 1, 0)),
        ];
        for (line, option, value, expected) in rows {
            let Span { line, column, length } = of_value(text, line, option, value);
            assert_eq!((line, column, length), expected, "{option} {value}");
        }
    }
}
