//! Addresses in text.

use crate::grammar::number;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 address in dotted form that `bytes` begins with, and its length.
pub fn ipv4(bytes: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0; 4];
    let mut at = 0;
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let (value, count) = number::checked(bytes.get(at..)?, 255)?;
        *octet = u8::try_from(value).ok()?;
        at += count;
    }
    Some((octets.into(), at))
}

/// The IPv6 address in text form (RFC 4291, section 2.2) that ends before the first `delimiter`
/// or NUL of `bytes`, or at their end; and its length. A group may have any number of leading
/// zeroes, as the kernel's reader allows.
pub fn ipv6_before(bytes: &[u8], delimiter: u8) -> Option<(Ipv6Addr, usize)> {
    let ends = |byte: &u8| *byte == delimiter || *byte == 0;
    let length = bytes.iter().position(ends).unwrap_or(bytes.len());
    let text = bytes.get(..length)?;
    let mut groups = Groups::default();
    let mut rest = text;
    if let Some(after) = text.strip_prefix(b"::") {
        groups.gap = Some(0);
        rest = after;
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b':').unwrap_or(rest.len());
        let (group, after) = (rest.get(..end)?, rest.get(end..)?);
        if after.is_empty() && group.contains(&b'.') {
            let (address, count) = ipv4(group)?;
            let [a, b, c, d] = address.octets();
            groups.push(u16::from_be_bytes([a, b]))?;
            groups.push(u16::from_be_bytes([c, d]))?;
            rest = group.get(count..).filter(|trail| trail.is_empty())?;
            continue;
        }
        groups.push(hex_group(group)?)?;
        rest = match after.strip_prefix(b"::") {
            Some(after) => {
                groups.open_gap()?;
                after
            }
            None if after == b":" => return None,
            None => after.strip_prefix(b":").unwrap_or(after),
        };
    }
    Some((groups.address()?, length))
}

/// Up to eight groups, and where the run of zeroes stands between them.
#[derive(Default)]
struct Groups {
    list: [u16; 8],
    count: usize,
    gap: Option<usize>,
}

impl Groups {
    fn push(&mut self, group: u16) -> Option<()> {
        *self.list.get_mut(self.count)? = group;
        self.count += 1;
        Some(())
    }

    fn open_gap(&mut self) -> Option<()> {
        self.gap.replace(self.count).is_none().then_some(())
    }

    fn address(mut self) -> Option<Ipv6Addr> {
        match self.gap {
            Some(_) if self.count == 8 => return None,
            Some(at) => {
                let after = self.count.checked_sub(at)?;
                self.list.get_mut(at..)?.rotate_right(8usize.checked_sub(at + after)?);
            }
            None if self.count != 8 => return None,
            None => {}
        }
        Some(self.list.into())
    }
}

fn hex_group(bytes: &[u8]) -> Option<u16> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u16, |value, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        let shifted = value.checked_mul(16)?;
        shifted.checked_add(u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_in_every_form_and_nothing_else() {
        let rows = [
            ("::", Some("::")),
            ("::1", Some("::1")),
            ("fe80::", Some("fe80::")),
            ("1:2:3:4:5:6:7:8", Some("1:2:3:4:5:6:7:8")),
            ("1:2:3:4:5:6:7::", Some("1:2:3:4:5:6:7:0")),
            ("2001:DB8::a:b", Some("2001:db8::a:b")),
            ("00001::2", Some("1::2")),
            ("::ffff:10.1.0.2", Some("::ffff:10.1.0.2")),
            ("1:2:3:4:5:6:10.1.0.2", Some("1:2:3:4:5:6:a01:2")),
            ("1:2:3:4:5:6:7:8:9", None),
            ("1:2:3:4:5:6:7", None),
            ("1::2::3", None),
            ("1:2:3:4:5:6:7:8::", None),
            (":1::", None),
            ("1:", None),
            ("1:::2", None),
            ("12345::", None),
            ("g::", None),
            ("1:2:3:4:5:6:7:10.1.0.2", None),
            ("::10.1.0.2:1", None),
            ("::10.1.0", None),
            ("::256.1.0.2", None),
            ("", None),
        ];
        for (text, address) in rows {
            let address = address.map(|a: &str| (a.parse().unwrap(), text.len()));
            assert_eq!(ipv6_before(format!("{text}|99").as_bytes(), b'|'), address, "{text}");
            assert_eq!(ipv6_before(text.as_bytes(), b'|'), address, "{text} at the end");
        }
    }

    #[test]
    fn ipv4_in_dotted_form() {
        let rows = [
            ("10.1.0.2|", Some(([10, 1, 0, 2], 8))),
            ("010.1.0.2", Some(([10, 1, 0, 2], 9))),
            ("10.1.0", None),
            ("10.1.0.256", None),
            ("10..0.2", None),
            ("", None),
        ];
        for (text, address) in rows {
            let address = address.map(|(octets, length): ([u8; 4], usize)| (octets.into(), length));
            assert_eq!(ipv4(text.as_bytes()), address, "{text}");
        }
    }
}
