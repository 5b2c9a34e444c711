//! Interface names.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a network interface: 1 to 15 bytes, zero-padded, as in Linux (`IFNAMSIZ` 16).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName([u8; 16]);

impl InterfaceName {
    /// The loopback interface, `lo`.
    pub const LOOPBACK: InterfaceName = InterfaceName(*b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    /// The longest name, in bytes.
    pub const LENGTH_MAX: usize = 15;

    /// `None` when `name` is empty, longer than 15 bytes, `.` or `..`, or holds a `/`, a `:`,
    /// white space or a zero byte.
    pub fn new(name: &str) -> Option<InterfaceName> {
        let bytes = name.as_bytes();
        let legal = |b: &u8| !b.is_ascii_whitespace() && !matches!(b, 0 | b'/' | b':');
        if bytes.is_empty()
            || bytes.len() > Self::LENGTH_MAX
            || name == "."
            || name == ".."
            || !bytes.iter().all(legal)
        {
            return None;
        }
        let mut padded = [0; 16];
        padded[..bytes.len()].copy_from_slice(bytes);
        Some(InterfaceName(padded))
    }

    /// The zero-padded bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&b| b == 0).unwrap_or(16);
        std::str::from_utf8(&self.0[..length]).unwrap_or("?")
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = String;

    fn try_from(name: String) -> Result<InterfaceName, String> {
        InterfaceName::new(&name).ok_or_else(|| format!("{name:?} is no name of an interface"))
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> String {
        name.as_str().to_owned()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
