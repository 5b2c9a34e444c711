//! Asks the processor for memory before it is needed.
//!
//! A table of a million connections lies in memory that is a hundred nanoseconds away. Who knows
//! what the next packets will need asks for it, does something else, and finds it in the cache.
//! Reading would do the same, but a processor reads only a little ahead of what it has finished:
//! asking waits for nothing.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

/// Bytes that come together.
const LINE: usize = 64;

/// Asks for all of `value`. Nothing changes, and no answer depends on it: a hint, which other
/// processors than x86-64 are not given.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    let first = std::ptr::from_ref(value).cast::<i8>();
    for offset in (0..size_of::<T>()).step_by(LINE) {
        prefetch_line(first.wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code)]
fn prefetch_line(line: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: PREFETCHT0 is part of every x86-64 processor (SSE). It neither faults nor reads or
    // writes anything that a program can see, whatever the address; and this one lies in a value
    // that is borrowed.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefetch_line(_line: *const i8) {}

#[cfg(test)]
mod tests {
    use super::prefetch;

    #[test]
    fn values_of_all_sizes_stay_as_they_are() {
        let large = [7_u64; 100];
        prefetch(&large);
        prefetch(&());
        prefetch(&large[99]);
        assert_eq!(large, [7; 100]);
    }
}
