//! Interfaces, addresses, networks and routes: what a rule may ask of the FIB.
