//! The iptables language, both ways, and what it means.
