//! Which calls of a PPTP control connection are remembered for its GRE packets.

use serde::{Deserialize, Serialize};

/// How many calls of one control connection the GRE keymap holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeymapRule {
    /// One entry a direction; all of them go with any data connection (the kernel's behaviour).
    OneCall,
    /// One entry for each call, which goes with the data connection of that call. Whoever adds
    /// calls bounds how many there are.
    EveryCall,
}
