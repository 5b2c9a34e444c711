//! Anything said to the helper snmp_trap, in either profile.

#![no_main]

mod dialogue;

use kinwall_helpers::HelperKind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dialogue::run(HelperKind::SnmpTrap, bytes));
