//! Anything said to the helpers of H.323, in either profile: the first byte chooses which.

#![no_main]

mod dialogue;

use kinwall_helpers::HelperKind;
use libfuzzer_sys::fuzz_target;

const KINDS: [HelperKind; 3] = [HelperKind::Ras, HelperKind::Q931, HelperKind::H245];

fuzz_target!(|bytes: &[u8]| {
    if let [first, rest @ ..] = bytes {
        dialogue::run(KINDS[usize::from(*first) % KINDS.len()], rest);
    }
});
