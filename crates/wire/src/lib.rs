//! Bytes to headers: checked views, one pass, and back.
