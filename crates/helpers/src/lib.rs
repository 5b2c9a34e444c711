//! Payload in, proposed expectations out: one file per helper.
