//! The question: `ftp from eth1 to 192.0.2.10:2121`.

use ipnet::IpNet;
use kinwall_terms::InterfaceName;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Which connection should have which helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name of the helper.
    pub helper: String,
    /// Who opens the connection.
    pub from: Opener,
    /// Its destination.
    pub to: IpAddr,
    /// Its destination port; `None` for the helper's own.
    pub port: Option<u16>,
}

/// Who opens a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// The gateway itself.
    Gateway,
    /// Somebody behind this interface.
    Interface(InterfaceName),
    /// A host of this network.
    Network(IpNet),
}

/// A question that cannot be read, with the word at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// The word; empty where one is missing.
    pub word: String,
    /// What should stand there.
    pub wanted: &'static str,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word.as_str() {
            "" => write!(f, "{} is missing", self.wanted),
            word => write!(f, "`{word}` is not {}", self.wanted),
        }
    }
}

impl FromStr for Question {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Question, Unclear> {
        let mut words = text.split_whitespace();
        let mut next =
            |wanted: &'static str| words.next().ok_or(Unclear { word: String::new(), wanted });
        let helper = next("the name of a helper")?.to_owned();
        keyword(next("the word `from`")?, "from", "the word `from`")?;
        let from = from(next("an interface, address, network or `gateway`")?)?;
        keyword(next("the word `to`")?, "to", "the word `to`")?;
        let (to, port) = to(next("an address, with a port or without")?)?;
        match words.next() {
            None => Ok(Question { helper, from, to, port }),
            Some(word) => Err(Unclear { word: word.to_owned(), wanted: "expected after the port" }),
        }
    }
}

fn keyword(word: &str, wanted: &str, name: &'static str) -> Result<(), Unclear> {
    match word == wanted {
        true => Ok(()),
        false => Err(Unclear { word: word.to_owned(), wanted: name }),
    }
}

fn from(word: &str) -> Result<Opener, Unclear> {
    if word == "gateway" {
        return Ok(Opener::Gateway);
    }
    if let Ok(network) = word.parse::<IpNet>() {
        return Ok(Opener::Network(network));
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(Opener::Network(address.into()));
    }
    let wanted = "an interface, address, network or `gateway`";
    let name = InterfaceName::new(word);
    name.map(Opener::Interface).ok_or(Unclear { word: word.to_owned(), wanted })
}

fn to(word: &str) -> Result<(IpAddr, Option<u16>), Unclear> {
    if let Ok(end) = word.parse::<SocketAddr>() {
        return Ok((end.ip(), Some(end.port())));
    }
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    let wanted = "an address, with a port or without";
    let address = bare.parse().map_err(|_| Unclear { word: word.to_owned(), wanted })?;
    Ok((address, None))
}
