//! Captures through the engine; the clock is the capture's.
