//! Calls of PPTP and their data: what the keymap joins, and what ends with what.

use crate::script::{CASE, Case, check};
use kinwall_terms::Profile;

/// A control connection that is there.
macro_rules! start {
    () => {
        "open c:4000 s:1723
         c:4000 > s:1723 \"\\1\\0\" pptp=1 = accept own:pptp
         s:1723 > c:4000 \"\\1\\0\\1\" pptp=2 = accept
         "
    };
}

/// An outgoing call: the originator's id is 5, the responder's 7.
macro_rules! call {
    () => {
        concat!(
            start!(),
            "c:4000 > s:1723 \"\\0\\5\" pptp=7 = accept
             s:1723 > c:4000 \"\\0\\7\\0\\5\\1\" pptp=8 = accept expect:gre:192.0.2.9:7 \
                 expect:gre:10.1.0.2:5
             expectations 2
             "
        )
    };
}

const LINUX: Case = Case { profiles: &[Profile::Linux], ..CASE };
const STRICT: Case = Case { profiles: &[Profile::Strict], ..CASE };

#[test]
fn data() {
    check(&[
        Case {
            name: "from the originator first",
            script: concat!(
                call!(),
                "gre c > s call=7 = accept RELATED by:pptp EXPECTED #2
                 expectations 0
                 gre s > c call=5 = accept ESTABLISHED by:pptp reply #2
                 gre c > s call=7 = accept ESTABLISHED ASSURED #2"
            ),
            ..CASE
        },
        Case {
            name: "from the responder first",
            script: concat!(
                call!(),
                "gre s > c call=5 = accept RELATED by:pptp original #2
                 expectations 0
                 gre c > s call=7 = accept ESTABLISHED reply #2"
            ),
            ..CASE
        },
        Case {
            name: "an incoming call",
            script: concat!(
                start!(),
                "s:1723 > c:4000 \"\\0\\7\" pptp=9 = accept
                 c:4000 > s:1723 \"\\0\\5\\0\\7\\1\" pptp=10 = accept
                 s:1723 > c:4000 \"\\0\\5\" pptp=11 = accept expect:gre:192.0.2.9:7
                 gre s > c call=5 = accept RELATED
                 gre c > s call=7 = accept ESTABLISHED reply"
            ),
            ..CASE
        },
        Case {
            name: "other ids, other hosts, other GRE",
            script: concat!(
                call!(),
                "gre s > c call=6 = drop NEW
                 gre x > c call=5 = drop NEW
                 gre s > d call=5 = drop NEW
                 gre s > c = drop NEW
                 expectations 2
                 gre s > c call=5 = accept RELATED"
            ),
            ..CASE
        },
        Case {
            name: "too late",
            script: concat!(
                call!(),
                "wait 61
                 expectations 2
                 gre s > c call=5 = accept RELATED"
            ),
            ..LINUX
        },
        Case {
            name: "sooner too late",
            script: concat!(
                call!(),
                "wait 61
                 expectations 0
                 gre s > c call=5 = drop NEW"
            ),
            ..STRICT
        },
    ]);
}

#[test]
fn ends() {
    check(&[
        Case {
            name: "the call is cleared",
            script: concat!(
                call!(),
                "gre c > s call=7 = accept RELATED
                 gre s > c call=5 = accept ESTABLISHED
                 c:4000 > s:1723 \"\\0\\5\" pptp=12 = accept
                 gre s > c call=5 = accept ESTABLISHED
                 s:1723 > c:4000 \"\\0\\7\" pptp=13 = accept
                 connections 1
                 gre s > c call=5 = drop NEW"
            ),
            ..CASE
        },
        Case {
            name: "the call is cleared before any data",
            script: concat!(
                call!(),
                "s:1723 > c:4000 \"\\0\\7\" pptp=13 = accept
                 expectations 0
                 gre s > c call=5 = drop NEW"
            ),
            ..CASE
        },
        Case {
            name: "the control connection ends",
            script: concat!(
                call!(),
                "gre c > s call=7 = accept RELATED
                 gre s > c call=5 = accept ESTABLISHED
                 c:4000 > s:1723 R = accept
                 wait 12
                 gre s > c call=5 = drop NEW
                 connections 0"
            ),
            ..CASE
        },
        Case {
            name: "Linux ends what has the tuple: a call of another control connection",
            script: concat!(
                call!(),
                "gre c > s call=7 = accept RELATED
                 gre s > c call=5 = accept ESTABLISHED
                 open c:4001 s:1723
                 c:4001 > s:1723 \"\\1\\0\" pptp=1 = accept
                 s:1723 > c:4001 \"\\1\\0\\1\" pptp=2 = accept
                 c:4001 > s:1723 \"\\0\\5\" pptp=7 = accept
                 s:1723 > c:4001 \"\\0\\7\\0\\5\\1\" pptp=8 = accept
                 s:1723 > c:4001 \"\\0\\7\" pptp=13 = accept
                 gre s > c call=5 = linux= drop NEW strict= accept ESTABLISHED"
            ),
            ..CASE
        },
        Case {
            name: "Linux ends a tunnel that has nothing to do with it",
            script: "gre c > s = accept NEW
                 gre s > c = accept ESTABLISHED
                 open c:4000 s:1723
                 c:4000 > s:1723 R = accept
                 wait 12
                 gre s > c = linux= drop NEW strict= accept ESTABLISHED",
            ..CASE
        },
    ]);
}

#[test]
fn several_calls() {
    check(&[
        Case {
            name: "Linux makes room for the second, and then takes it back",
            script: concat!(
                call!(),
                "c:4000 > s:1723 \"\\0\\6\" pptp=7 = accept
                 s:1723 > c:4000 \"\\0\\8\\0\\6\\1\" pptp=8 = accept \
                     linux= refused:expectation-clash strict= expect:gre:192.0.2.9:8
                 gre s > c call=5 = linux= drop NEW strict= accept RELATED
                 gre s > c call=6 = linux= drop NEW strict= accept RELATED
                 expectations 0"
            ),
            ..CASE
        },
        Case {
            name: "each ends alone",
            script: concat!(
                call!(),
                "c:4000 > s:1723 \"\\0\\6\" pptp=7 = accept
                 s:1723 > c:4000 \"\\0\\8\\0\\6\\1\" pptp=8 = accept expect:gre:192.0.2.9:8
                 gre s > c call=5 = accept RELATED
                 gre s > c call=6 = accept RELATED
                 s:1723 > c:4000 \"\\0\\7\" pptp=13 = accept
                 gre s > c call=5 = drop NEW
                 gre c > s call=8 = accept ESTABLISHED
                 c:4000 > s:1723 \"\\1\" pptp=3 = accept
                 gre s > c call=6 = drop NEW"
            ),
            ..STRICT
        },
        Case {
            name: "the second shares one id: Linux forgets both",
            script: concat!(
                call!(),
                "gre c > s call=7 = accept RELATED
                 c:4000 > s:1723 \"\\0\\6\" pptp=7 = accept
                 s:1723 > c:4000 \"\\0\\7\\0\\6\\1\" pptp=8 = accept \
                     linux= refused:expectation-clash strict= note:helper-order
                 gre s > c call=5 = linux= drop NEW strict= accept ESTABLISHED"
            ),
            ..CASE
        },
    ]);
}
