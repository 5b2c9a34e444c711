//! Packets through the whole path: tables of scenarios, each a few lines of `script.rs`.

mod attacks;
mod courses;
mod helpers;
mod hooks;
mod interfaces;
mod nat;
mod pptp;
mod prefix;
mod rewrite;
mod script;
mod sip;
mod snmp;
mod strict;
mod tracking;
