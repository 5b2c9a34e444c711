//! The types of H.225.0 and H.245, as far as their encodings must be known.
//!
//! Transcribed from the standards' own notation (ITU-T H.225.0 and H.245, editions of 2000; H.235
//! for tokens): a field that is always there is [`is`](super::per::is), an OPTIONAL one
//! [`may`](super::per::may); what stands behind `...` and is not looked into is
//! [`passed`](super::per::passed) by its length, and [`end`](super::per::end) says that nothing
//! behind it matters here. Additions of later editions are passed as unknown ones.

mod channels;
mod parts;
mod ras;
mod signalling;
mod tokens;

pub(super) use channels::CONTROL_MESSAGE;
pub(super) use ras::RAS_MESSAGE;
pub(super) use signalling::USER_INFORMATION;
