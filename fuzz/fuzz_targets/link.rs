//! Any bytes as a captured frame of any link type.

#![no_main]

use kinwall_wire::link::strip;
use kinwall_wire::{Headers, LinkType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((number, frame)) = bytes.split_first_chunk::<2>() else { return };
    let number = u32::from(u16::from_le_bytes(*number));
    let Some(link_type) = LinkType::from_number(number % 300) else { return };
    let Ok(link) = strip(link_type, frame) else { return };
    assert!(link.offset <= frame.len());
    link.facts();
    if link.is_ip() {
        let _ = Headers::parse(link.network(frame));
    }
});
