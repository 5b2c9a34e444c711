//! Conntrack zones: numbers that separate tables.

use crate::Direction;
use serde::{Deserialize, Serialize};

/// In which direction a zone id is in force; the other direction uses 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ZoneScope {
    /// `CT --zone`.
    #[default]
    Both,
    /// `CT --zone-orig`.
    Original,
    /// `CT --zone-reply`.
    Reply,
}

/// A zone id and its scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Zone {
    /// 0 is the default zone.
    pub id: u16,
    /// Where `id` is in force.
    pub scope: ZoneScope,
}

impl Zone {
    /// The id in force for `direction`.
    pub fn id_for(self, direction: Direction) -> u16 {
        match (self.scope, direction) {
            (ZoneScope::Both, _)
            | (ZoneScope::Original, Direction::Original)
            | (ZoneScope::Reply, Direction::Reply) => self.id,
            _ => 0,
        }
    }
}
