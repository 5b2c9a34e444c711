//! Messages of H.323: what endpoints and gatekeepers say, in the encoding of the standards.
//!
//! Everything is written out from H.225.0, H.245 and X.691, apart from the reader that it tests:
//! [`bits`] is the packed encoding, [`channels`] H.245, [`calls`] H.225.0's call signalling within
//! Q.931, [`ras`] registration and admission. What a test does not choose is chosen at random among
//! what real programs say: versions, names, capabilities, additions that nobody needs.

pub mod bits;
pub mod calls;
pub mod channels;
pub mod parts;
pub mod ras;
