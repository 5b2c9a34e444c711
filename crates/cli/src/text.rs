//! Small pieces of text that several commands print.

use kinwall_terms::expectation::Expected;
use std::net::SocketAddr;

/// `tcp 10.2.0.2:any -> 10.1.0.2:56955`.
pub(crate) fn expected(expected: &Expected) -> String {
    let tuple = &expected.tuple;
    let address = match expected.mask.address {
        mask if mask.is_unspecified() => "any".to_owned(),
        mask if is_host(mask) => match tuple.src {
            std::net::IpAddr::V6(src) => format!("[{src}]"),
            src => src.to_string(),
        },
        mask => format!("{}/{mask}", tuple.src),
    };
    let port = if expected.mask.port == 0 { "any".to_owned() } else { tuple.sport.to_string() };
    let dst = SocketAddr::new(tuple.dst, tuple.dport);
    format!("{} {address}:{port} -> {dst}", tuple.proto)
}

fn is_host(mask: std::net::IpAddr) -> bool {
    match mask {
        std::net::IpAddr::V4(mask) => mask.is_broadcast(),
        std::net::IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
    }
}
