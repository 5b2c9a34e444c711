//! "Did you mean": the known name closest to a mistyped one.

/// The name within two edits of `text` (one, for short texts) that is closest to it.
pub(crate) fn closest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = if text.len() <= 3 { 1 } else { 2 };
    let near = names.map(|name| (distance(text, name), name)).filter(|(edits, _)| *edits <= limit);
    near.min().map(|(_, name)| name)
}

/// How many insertions, deletions, replacements and swaps of neighbours turn `a` into `b`;
/// a large number when the lengths differ by more than two.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 2 || a.len().max(b.len()) > LENGTH_MAX {
        return usize::MAX;
    }
    let mut before = [0_usize; LENGTH_MAX + 1];
    let mut above = before;
    (0..=b.len()).for_each(|j| above[j] = j);
    for i in 1..=a.len() {
        let mut row = [i; LENGTH_MAX + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        (before, above) = (above, row);
    }
    above[b.len()]
}

/// Longer texts get no suggestion.
const LENGTH_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_or_none() {
        let names = ["tcp", "udp", "udplite", "multiport", "conntrack"];
        let rows = [
            ("tpc", Some("tcp")),
            ("contrack", Some("conntrack")),
            ("multi-port", Some("multiport")),
            ("xyz", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(closest(text, names.into_iter()), expected, "{text}");
        }
    }
}
