//! The topology file: what is read, what is refused and where, and that printing goes round.

use kinwall_terms::InterfaceName;
use kinwall_topology::{Parts, Topology, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;

const GATEWAY: &str = r#"
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]   # the gateway's own
networks = ["10.1.0.0/24", "10.7.0.0/16", "fd00:1::/64"]
rp_filter = 1
mtu = 1500
mac = "52:54:00:12:34:56"

[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24", "fe80::1/64"]
default = true

[[route]]
destination = "10.7.9.0/24"
kind = "blackhole"

[[route]]
destination = "203.0.113.0/24"
interface = ["eth0", "eth1"]

[sysctl]
"net.netfilter.nf_conntrack_helper" = 0
"net.ipv4.conf.all.rp_filter" = 0
net.ipv4.tcp_rmem = "4096 87380 6291456"

[modules.nf_conntrack_ftp]
ports = [21, 2121]
loose = false
"#;

fn name(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

#[test]
fn everything_is_read() {
    let topology = Topology::from_toml(GATEWAY, "gateway.toml").unwrap();
    let eth1 = topology.interface(name("eth1")).unwrap();
    assert_eq!(eth1.addresses.len(), 2);
    assert_eq!(eth1.networks.len(), 3);
    assert_eq!((eth1.rp_filter, eth1.mtu), (Some(1), Some(1500)));
    assert_eq!(eth1.mac.unwrap().to_string(), "52:54:00:12:34:56");
    assert_eq!(topology.interfaces().len(), 2);
    let rmem = Value::Text("4096 87380 6291456".into());
    assert_eq!(topology.sysctl().get("net.ipv4.tcp_rmem"), Some(&rmem));
    let ftp = &topology.modules()["nf_conntrack_ftp"];
    assert_eq!(ftp["ports"].to_string(), "21,2121");
    assert_eq!(ftp["loose"].to_string(), "0");
}

#[test]
fn the_printed_file_reads_the_same() {
    for text in [GATEWAY, "", "[[interface]]\nname = \"p\\\"\\\\\u{e9}\"\n"] {
        let topology = Topology::from_toml(text, "a.toml").unwrap();
        let printed = topology.to_toml();
        assert_eq!(Topology::from_toml(&printed, "b.toml").unwrap(), topology, "{printed}");
        assert_eq!(Topology::from_toml(&printed, "b.toml").unwrap().to_toml(), printed);
    }
}

/// One mistake a row: the file, and where and how it is reported.
#[test]
fn every_mistake_has_a_place_and_a_remedy() {
    let e = "[[interface]]\nname = \"a\"\n";
    let two = "[[interface]]\nname = \"a\"\n[[interface]]\nname = \"b\"\n";
    let rows: &[(String, &str)] = &[
        ("x".into(), "1:2: key with no value, expected `=`"),
        ("[[interfaces]]\n".into(), "1:3: unknown key `interfaces` (did you mean `interface`?)"),
        (format!("{e}adresses = []"), "3:1: unknown key `adresses` (did you mean `addresses`?)"),
        (format!("{e}speed = 1"), "3:1: unknown key `speed` (known here: name, addresses"),
        ("interface = 3".into(), "1:13: expected an array of tables, found a number"),
        ("[[interface]]\nmtu = 1500".into(), "1:1: the interface has no name"),
        ("[[interface]]\nname = \"a b\"".into(), "2:8: `a b` cannot name an interface (1 to 15"),
        (format!("{e}{e}"), "4:8: a second interface is called `a`, on line 2"),
        (format!("{e}addresses = \"10.0.0.1/8\""), "3:13: expected an array, found a string"),
        (format!("{e}addresses = [1]"), "3:14: expected an address with its prefix length, found"),
        (format!("{e}addresses = [\"10.0.0.1\"]"), "3:14: 10.0.0.1 has no prefix length (write 10"),
        (format!("{e}addresses = [\"10.0.0.1/33\"]"), "3:14: `10.0.0.1/33` has a prefix length th"),
        (format!("{e}addresses = [\"ten/8\"]"), "3:14: `ten/8` is no address with a prefix length"),
        (format!("{e}addresses = [\"224.0.0.1/8\"]"), "3:14: 224.0.0.1 cannot be an interface's"),
        (format!("{e}addresses = [\"10.0.0.255/24\"]"), "3:14: 10.0.0.255 cannot be an interface"),
        (format!("{e}addresses = [\"127.0.0.1/8\"]"), "3:14: 127.0.0.1 cannot be an interface's"),
        (format!("{e}addresses = [\"10.0.0.1/8\", \"10.0.0.1/9\"]"), "3:28: 10.0.0.1 is listed a"),
        (format!("{e}networks = [\"10.1.0.0/8\"]"), "3:13: 10.1.0.0/8 has bits set beyond its pre"),
        (format!("{e}networks = [\"0.0.0.0/0\"]"), "3:13: 0.0.0.0/0 is the default route (write"),
        (format!("{e}networks = [\"ff00::/8\"]"), "3:13: ff00::/8 holds multicast groups"),
        (format!("{e}networks = [\"10.0.0.0/8\", \"10.0.0.0/8\"]"), "3:27: 10.0.0.0/8 is listed a"),
        (format!("{e}default = \"both\""), "3:11: this says nothing about the default route (`tr"),
        (
            format!(
                "{}default = true",
                two.replace(
                    "[[interface]]\nname = \"b\"",
                    "default = \"ipv6\"\n[[interface]]\nname = \"b\""
                )
            ),
            "6:11: a second default route for ipv6; `a` has it, on line 3 (say which family",
        ),
        (
            format!(
                "{}networks = [\"10.0.0.0/8\"]",
                two.replace(
                    "\n[[interface]]\nname = \"b\"",
                    "\naddresses = [\"10.0.0.1/8\"]\n[[interface]]\nname = \"b\""
                )
            ),
            "6:13: 10.0.0.0/8 is behind `a` already, on line 3 (a network is behind one",
        ),
        (format!("{e}mtu = 20"), "3:7: the MTU is 20 bytes (an MTU is between 68 and 65536 bytes)"),
        (format!("{e}mtu = -1"), "3:7: the MTU is 0 bytes"),
        (format!("{e}addresses = [\"fd00::1/64\"]\nmtu = 1000"), "4:7: the MTU is 1000 bytes, and"),
        (format!("{e}mtu = 99999999999999999999"), "3:7: the number does not fit into 64 bits"),
        (format!("{e}mtu = 1.5"), "3:7: expected a whole number, found a fraction (such as `mtu"),
        (format!("{e}rp_filter = 3"), "3:13: rp_filter is 3 (0 is off, 1 strict, 2 loose)"),
        (format!("{e}mac = \"52:54\""), "3:7: this is no link-layer address (such as"),
        (format!("{e}mac = \"01:00:5e:00:00:01\""), "3:7: 01:00:5e:00:00:01 is the address of no"),
        ("[[route]]\nkind = \"throw\"".into(), "1:1: the route has no destination (add"),
        (
            "[[route]]\ndestination = \"10.0.0.0/8\"".into(),
            "2:15: the route to 10.0.0.0/8 names no",
        ),
        (
            "[[route]]\ndestination = \"10.0.0.0/8\"\ninterface = \"z\"".into(),
            "3:13: no interface is called `z` (add an [[interface]]",
        ),
        (
            format!(
                "{e}[[route]]\ndestination = \"10.0.0.0/8\"\ninterface = \"a\"\nkind = \"throw\""
            ),
            "5:13: a throw route leads nowhere and has no interface",
        ),
        (
            format!("{e}default = true\n[[route]]\ndestination = \"::/0\"\ninterface = \"a\""),
            "5:15: ::/0 has a route already, by `a`, on line 3 (one route a destination",
        ),
        ("[[route]]\ndestination = \"default\"".into(), "2:15: `default` has no family (write"),
        (
            "[[route]]\ndestination = \"::/0\"\nkind = \"hole\"".into(),
            "3:8: this is no kind of rou",
        ),
        ("[sysctl]\nrp_filter = 1".into(), "2:1: `rp_filter` is no sysctl name (such as"),
        ("[sysctl]\nnet.ipv4.conf.all.rp_filter = 7".into(), "2:19: rp_filter is 0 (off), 1"),
        ("[sysctl]\nnet.ipv4.conf.z.rp_filter = 1".into(), "2:17: no interface is called `z`"),
        (
            "[sysctl]\n\"net/ipv4/ip_forward\" = 1\n\"net.ipv4.ip_forward\" = 0".into(),
            "2:1: `net/ipv4/ip_forward` is `net.ipv4.ip_forward` in another spelling, on line 3",
        ),
        (
            format!("{e}rp_filter = 1\n[sysctl]\n\"net.ipv4.conf.a.rp_filter\" = 2"),
            "5:1: `a` has another rp_filter in its own table, on line 3 (keep one of them)",
        ),
        ("[modules]\nx = 1".into(), "2:5: expected a table, found a number (such as `[modules."),
        ("[modules.a-b]\nx = 1\n[modules.a_b]\nx = 2".into(), "4:1: `x` is set already, on line 2"),
        ("[modules.x]\ny = 1.5".into(), "2:5: expected a number, a boolean, a string or an array"),
    ];
    for (text, expected) in rows {
        let problems = Topology::from_toml(text, "t").unwrap_err();
        let [only] = problems.as_slice() else { panic!("{text}\n{problems:#?}") };
        let expected = format!("t:{expected}");
        assert!(only.to_string().starts_with(&expected), "{text}\n{only}\n{expected}");
        assert!(only.help.is_some() || text == "x", "{only}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_and_in_order() {
    let text = "[[interface]]\nname = \"a\"\nmtu = 1\nmac = 3\nspeed = 4\n[sysctl]\nx = 1\n= 3\n";
    let problems = Topology::from_toml(text, "t").unwrap_err();
    let lines: Vec<u32> = problems.iter().map(|problem| problem.line).collect();
    assert!(lines.is_sorted(), "{problems:#?}");
    assert!(lines.contains(&4) && lines.contains(&5) && lines.contains(&8), "{problems:#?}");
}

#[test]
fn what_is_no_contradiction_is_accepted() {
    let rows = [
        // A longer prefix inside a shorter one behind another interface.
        "[[interface]]\nname=\"a\"\nnetworks=[\"10.0.0.0/8\"]\n[[interface]]\nname=\"b\"\n\
         networks=[\"10.1.0.0/16\"]",
        // Link-local networks are everywhere.
        "[[interface]]\nname=\"a\"\naddresses=[\"fe80::1/64\"]\n[[interface]]\nname=\"b\"\n\
         addresses=[\"fe80::1/64\"]\nnetworks=[\"fe80::/64\"]",
        // One default route a family.
        "[[interface]]\nname=\"a\"\ndefault=\"ipv4\"\n[[interface]]\nname=\"b\"\ndefault=\"ipv6\"",
        // The same host address on several unnumbered links.
        "[[interface]]\nname=\"a\"\naddresses=[\"10.0.0.1/32\"]\n[[interface]]\nname=\"b\"\n\
         addresses=[\"10.0.0.1/32\"]",
        // An interface with a dot, named with a slash.
        "[[interface]]\nname=\"a.5\"\n[sysctl]\n\"net.ipv4.conf.a/5.rp_filter\" = 1",
        "[[interface]]\nname=\"lo\"\naddresses=[\"127.0.0.2/8\", \"192.0.2.1/32\"]\nmtu=65536",
    ];
    for text in rows {
        Topology::from_toml(text, "t").unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    }
}

#[test]
fn settings_replace_each_other_across_spellings() {
    let mut topology = Topology::from_toml(GATEWAY, "t").unwrap();
    topology.set_sysctl("net/ipv4/conf/all/rp_filter", Value::Integer(2)).unwrap();
    topology.set_sysctl("net.ipv4.conf.eth1.rp_filter", Value::Integer(0)).unwrap();
    assert_eq!(topology.sysctl().get("net.ipv4.conf.all.rp_filter"), None);
    assert_eq!(topology.interfaces()[0].rp_filter, None);
    assert!(topology.set_sysctl("net.ipv4.conf.eth9.rp_filter", Value::Integer(0)).is_err());
    assert!(topology.set_sysctl("net.ipv4.conf.eth1.rp_filter", Value::Integer(3)).is_err());
    assert!(topology.set_sysctl("rp_filter", Value::Integer(1)).is_err());
    topology.set_module_option("nf-conntrack-ftp", "loose", Value::Integer(1));
    assert_eq!(topology.modules()["nf_conntrack_ftp"]["loose"], Value::Integer(1));
    assert_eq!(Topology::from_toml(&topology.to_toml(), "u").unwrap(), topology);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::List))
}

proptest! {
    #[test]
    fn any_setting_goes_round(
        sysctl in prop::collection::btree_map("[a-z]{1,4}\\.[a-z\"\\\\]{1,4}", value(), 0..4),
        modules in prop::collection::btree_map(
            "[^-\u{0}]{0,6}",
            prop::collection::btree_map(any::<String>(), value(), 0..3),
            0..3,
        ),
    ) {
        let modules: BTreeMap<_, _> = modules;
        let parts = Parts { sysctl, modules, ..Parts::default() };
        let topology = Topology::new(parts).unwrap();
        let printed = topology.to_toml();
        prop_assert_eq!(Topology::from_toml(&printed, "t").map_err(|p| format!("{p:?}\n{printed}")), Ok(topology));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Topology::from_toml(&text, "t");
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..GATEWAY.len(), to in any::<char>(), cut in 0..40usize) {
        let mut text: Vec<char> = GATEWAY.chars().collect();
        let at = at.min(text.len() - 1);
        text.splice(at..(at + cut).min(text.len()), [to]);
        let text: String = text.into_iter().collect();
        if let Ok(topology) = Topology::from_toml(&text, "t") {
            prop_assert_eq!(Topology::from_toml(&topology.to_toml(), "u"), Ok(topology));
        }
    }
}
