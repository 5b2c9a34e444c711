//! Where connection tracking, helpers and rules meet: the path of a packet.
