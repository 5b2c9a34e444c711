//! Asks the real Linux kernel: namespaces, probes, answers per packet.
