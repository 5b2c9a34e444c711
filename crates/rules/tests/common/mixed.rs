//! Random rules made of the rows of `tests/rules/*.t`.

use crate::common::Row;
use crate::random::address;
use kinwall_terms::Family;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

/// A family, a table and one of its chains.
type Place = (Family, String, String);

/// What the rows of each place say that both accept; without what rules of
/// one name must agree on.
pub(crate) fn inputs(rows: &[Row]) -> BTreeMap<Place, Vec<String>> {
    let mut inputs: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.expected.is_some() && !row.untried) {
        if ["RATEEST", "rate-match"].iter().any(|shared| row.input.contains(shared)) {
            continue;
        }
        let place = (row.family, row.table.clone(), row.chain.clone());
        inputs.entry(place).or_default().push(row.input.clone());
    }
    inputs
}

/// A rule of one to three of `inputs`, with something about addresses and interfaces between.
pub(crate) fn mixed(family: Family, inputs: Vec<String>) -> impl Strategy<Value = String> {
    let network = (address(family), 8..32_u8).prop_map(|(a, length)| format!("{a}/{length}"));
    let base = prop_oneof![
        6 => Just(String::new()),
        2 => (select(vec!["-s", "! -s", "-d", "! --destination"]), network)
            .prop_map(|(option, network)| format!("{option} {network}")),
        1 => select(vec!["-i eth0", "! -o eth+", "--in-interface tun1", "-p tcp", "! -p udp",
            "-m comment --comment \"two words\"", "-p udp", "-p all"]).prop_map(str::to_owned),
    ];
    prop::collection::vec((base, select(inputs)), 1..4).prop_map(|parts| {
        let words = parts.iter().flat_map(|(base, input)| [base.as_str(), input.as_str()]);
        words.filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
    })
}
