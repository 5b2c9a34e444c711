//! Link-layer addresses that were masked out before a rule set was given away.
//!
//! `XX:XX:XX:XX:XX:XX` is no address, to iptables neither. An analysis can serve such rules all
//! the same: it only matters which senders are different ones.

use crate::say;
use crate::source::Text;

/// What stands in place of an address.
const MASK: &str = "XX:XX:XX:XX:XX:XX";

/// Takes each masked address for one of its own, which nobody else has, and says so. Places in
/// the text stay where they are.
pub(crate) fn replace(texts: &mut [Text]) {
    for source in texts {
        let parts: Vec<&str> = source.text.split(MASK).collect();
        let count = parts.len() - 1;
        if count == 0 {
            continue;
        }
        let first = parts.first().map_or(0, |part| part.lines().count().max(1));
        let mut addresses = (0u32..).map(address).filter(|address| !source.text.contains(address));
        let mut text = String::with_capacity(source.text.len());
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                text.push_str(&addresses.next().unwrap_or_default());
            }
            text.push_str(part);
        }
        say::note(format_args!(
            "{}: {count} link-layer addresses are masked out ({MASK}, from line {first} on): each \
             is taken for an address of its own, {} and so on",
            source.name,
            address(0),
        ));
        source.text = text;
    }
}

/// A locally administered address.
fn address(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("06:00:00:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_masked_address_becomes_another() {
        let text = "a XX:XX:XX:XX:XX:XX b 06:00:00:00:00:01\nXX:XX:XX:XX:XX:XX";
        let mut texts = [Text { name: "rules".into(), text: text.into(), family: None }];
        replace(&mut texts);
        let expected = "a 06:00:00:00:00:00 b 06:00:00:00:00:01\n06:00:00:00:00:02";
        assert_eq!(texts[0].text, expected);
        assert_eq!(texts[0].text.len(), text.len());
    }
}
