//! What is known about connections: trackers, tables, expectations.
