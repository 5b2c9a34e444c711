//! Zones separate tables, in one direction or both.

use crate::support::{Wall, expect, expected, udp, zone};
use kinwall_terms::ZoneScope::{Both, Original, Reply};
use kinwall_terms::{L4Proto, ZoneScope};

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:53";

#[test]
fn which_zone_sees_which_connection() {
    type Row<'a> = ((u16, ZoneScope), &'a [(bool, u16, ZoneScope, &'a str)]);
    // The zone of the first packet; then packets in it or against it, with their zones.
    let rows: &[Row<'_>] = &[
        (
            (5, Both),
            &[
                (true, 5, Both, "NEW 1 >"),
                (true, 0, Both, "NEW 2 >"),
                (false, 6, Both, "NEW 3 >"),
                (false, 5, Both, "ESTABLISHED 1 <"),
            ],
        ),
        (
            (5, Original),
            &[
                (false, 0, Both, "ESTABLISHED 1 <"),
                (true, 5, Original, "ESTABLISHED 1 >"),
                (true, 5, Both, "ESTABLISHED 1 >"),
                (true, 0, Both, "NEW 2 >"),
            ],
        ),
        (
            (5, Reply),
            &[
                (false, 5, Both, "ESTABLISHED 1 <"),
                (true, 0, Both, "ESTABLISHED 1 >"),
                (false, 0, Both, "NEW 2 >"),
            ],
        ),
        ((5, Reply), &[(false, 5, Reply, "ESTABLISHED 1 <"), (true, 5, Reply, "ESTABLISHED 1 >")]),
    ];
    for ((id, scope), packets) in rows {
        let mut wall = Wall::new();
        wall.template = zone(*id, *scope);
        assert_eq!(wall.pass(&udp(A, B)), "NEW 1 >");
        let view = wall.ct.connection(wall.id(1)).expect("there");
        assert_eq!((view.zone.id, view.zone.scope), (*id, *scope));
        for (forth, id, packet_scope, wanted) in *packets {
            wall.template = zone(*id, *packet_scope);
            let packet = if *forth { udp(A, B) } else { udp(B, A) };
            assert_eq!(wall.drop(&packet), *wanted, "{scope:?}: {forth} {id} {packet_scope:?}");
        }
    }
}

#[test]
fn expectations_stay_in_their_zone() {
    let mut wall = Wall::new();
    wall.template = zone(5, Both);
    let master = wall.master(&udp(A, B));
    let child = expected("*", "10.0.0.1:2000", L4Proto::UDP);
    wall.ct.expect(wall.now, master, expect(child)).expect("expected");
    let packet = udp("10.0.0.9:9", "10.0.0.1:2000");
    wall.template = zone(0, Both);
    assert_eq!(wall.drop(&packet), "NEW 2 >");
    // Another zone's master may expect the same.
    let other = wall.master(&udp(A, B));
    wall.ct.expect(wall.now, other, expect(child)).expect("expected");
    wall.template = zone(5, Both);
    assert_eq!(wall.drop(&packet), "RELATED 4 >");
}
