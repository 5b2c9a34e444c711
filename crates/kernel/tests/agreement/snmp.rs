//! SNMP of translated connections: messages whole, written in other ways, and damaged byte by byte,
//! through the kernel's decoder and ours. Packets must leave alike, byte by byte.

use super::line::Compared;
use super::rewrite::{BOTH, MASQUERADE, PUBLISHED};
use kinwall_kernel::{Ingress, tier};
use kinwall_sim::Random;
use kinwall_terms::InterfaceName;
use kinwall_wire::emit::{self, Packet};
use kinwall_wire::{Headers, L4};
use std::net::IpAddr;

const RAW: &[&str] = &[
    "-A PREROUTING -p udp --dport 161 -j CT --helper snmp",
    "-A PREROUTING -p udp --dport 162 -j CT --helper snmp_trap",
    "-A PREROUTING -p udp --dport 1162 -j CT --helper snmp_trap",
];

/// Messages that are damaged, each time otherwise, unless `KINWALL_CASES` says how often.
const ROUNDS: usize = 40;

/// A value with its tag and length; a length of `form` bytes, or as short as can be, or open.
fn ber(tag: u8, parts: &[Vec<u8>], form: Form) -> Vec<u8> {
    let inner = parts.concat();
    let mut bytes = vec![tag];
    match form {
        Form::Open => return [bytes, vec![0x80], inner, vec![0, 0]].concat(),
        Form::Long(digits) => {
            bytes.push(0x80 + digits);
            let length = (inner.len() as u32).to_be_bytes();
            bytes.extend(&length[4 - usize::from(digits)..]);
        }
        Form::Short if inner.len() < 128 => bytes.push(inner.len() as u8),
        Form::Short => {
            bytes.push(0x82);
            bytes.extend((inner.len() as u16).to_be_bytes());
        }
    }
    [bytes, inner].concat()
}

#[derive(Clone, Copy)]
enum Form {
    Short,
    Long(u8),
    Open,
}

fn value(tag: u8, bytes: &[u8]) -> Vec<u8> {
    ber(tag, &[bytes.to_vec()], Form::Short)
}

fn variable(tag: u8, bytes: &[u8], form: Form) -> Vec<u8> {
    ber(0x30, &[value(6, &[0x2b, 6, 1, 2, 1, 4, 20]), value(tag, bytes)], form)
}

/// A message of this version and kind.
fn message(version: &[u8], kind: u8, variables: &[Vec<u8>], form: Form) -> Vec<u8> {
    formed([form; 3], version, kind, variables)
}

/// A message whose whole, PDU and list are written in these forms.
fn formed(forms: [Form; 3], version: &[u8], kind: u8, variables: &[Vec<u8>]) -> Vec<u8> {
    let list = ber(0x30, variables, forms[2]);
    let numbers = [value(2, &[1, 7]), value(2, &[0]), value(2, &[0])];
    let pdu = ber(kind, &[numbers.concat(), list], forms[1]);
    ber(0x30, &[value(2, version), value(4, b"public"), pdu], forms[0])
}

/// Messages that name these addresses.
fn messages(named: &[[u8; 4]]) -> Vec<Vec<u8>> {
    let of = |address: &[u8; 4], form| variable(0x40, address, form);
    let addresses = |form| named.iter().map(|address| of(address, form)).collect::<Vec<_>>();
    let mut all = Vec::new();
    for kind in 0x9f..=0xaa {
        all.push(message(&[1], kind, &addresses(Form::Short), Form::Short));
    }
    for version in [&[0][..], &[2], &[3], &[0, 1], &[]] {
        all.push(message(version, 0xa7, &addresses(Form::Short), Form::Short));
    }
    for form in [Form::Long(1), Form::Long(2), Form::Long(3), Form::Open] {
        all.push(message(&[1], 0xa7, &addresses(form), form));
    }
    for open in 0_u8..16 {
        let form = |bit: u8| if open >> bit & 1 == 1 { Form::Open } else { Form::Short };
        let forms = [form(0), form(1), form(2)];
        for count in 1..=named.len() {
            all.push(formed(forms, &[1], 0xa7, &addresses(form(3))[..count]));
            all.push(formed(forms, &[1], 0xa8, &addresses(form(3))[..count]));
            let both = [value(6, &[1]), value(0x40, &named[0]), value(0x42, &[9])].concat();
            all.push(formed(forms, &[1], 0xa8, &[ber(0x30, &[both], form(3))]));
            let without = ber(0x30, &[value(6, &[1])], form(3));
            all.push(formed(forms, &[1], 0xa7, &vec![without; count]));
        }
    }
    // More than one value, more than one PDU.
    let tags = [2, 4, 5, 6, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x80, 0x81, 0x82];
    for pair in tags.iter().flat_map(|first| tags.map(|second| [*first, second])) {
        let values = pair.map(|tag| value(tag, &named[0]));
        let list = [ber(0x30, &[value(6, &[1]), values.concat()], Form::Short)];
        all.push(message(&[1], 0xa2, &list, Form::Short));
    }
    for pair in (0xa0..0xa9).flat_map(|first| (0xa0..0xa9).map(move |second| [first, second])) {
        let numbers = [value(2, &[1, 7]), value(2, &[0]), value(2, &[0])].concat();
        let list = ber(0x30, &addresses(Form::Short), Form::Short);
        let pdus = pair.map(|kind| ber(kind, &[numbers.clone(), list.clone()], Form::Short));
        all.push(ber(0x30, &[value(2, &[1]), value(4, b"x"), pdus.concat()], Form::Short));
    }
    // Every kind of value before an address; odd places too.
    for tag in (0..=0xff).filter(|tag| tag & 0x1f < 12) {
        for length in [0, 1, 4] {
            let other = variable(tag, &[9; 4][..length], Form::Short);
            let list = [vec![other], addresses(Form::Short)].concat();
            all.push(message(&[1], 0xa2, &list, Form::Short));
        }
    }
    let whole = message(&[1], 0xa7, &addresses(Form::Short), Form::Short);
    all.push([&whole[..], b"more"].concat());
    all.push(message(&[1], 0xa7, &[], Form::Short));
    all.push(message(&[1], 0xa7, &[], Form::Open));
    all.push(message(&[1], 0xa7, &[ber(0x30, &[value(6, &[1])], Form::Short)], Form::Short));
    all.push(message(&[1], 0xa7, &[value(0x30, &[])], Form::Short));
    let agent = [value(6, &[0x2b, 6]), value(0x40, &named[0]), value(2, &[3]), value(2, &[0])];
    let trap = [agent.concat(), value(0x43, &[7]), ber(0x30, &addresses(Form::Short), Form::Short)];
    let trap = ber(0xa4, &[trap.concat()], Form::Short);
    all.push(ber(0x30, &[value(2, &[0]), value(4, b"public"), trap], Form::Short));
    all.extend([Vec::new(), vec![0x30], vec![0x30, 0], whole[..whole.len() - 1].to_vec()]);
    all
}

#[test]
fn snmp_of_translated() {
    if !tier::is_wanted() {
        return;
    }
    let rounds = std::env::var("KINWALL_CASES").ok().and_then(|text| text.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut compared = Compared::default();
    let scenes: [(&[&str], _, _); 4] = [
        (MASQUERADE, ("eth1", "10.1.0.5"), "203.0.113.9"),
        (PUBLISHED, ("eth0", "203.0.113.9"), "192.0.2.2"),
        (BOTH, ("eth0", "203.0.113.9"), "192.0.2.2"),
        (&[], ("eth1", "10.1.0.5"), "203.0.113.9"),
    ];
    for (at, (nat, (by, opener), to)) in scenes.into_iter().enumerate() {
        let [opener, to]: [IpAddr; 2] = [opener, to].map(|text| text.parse().expect("an address"));
        let mut random = Random::new(at as u64 + 1);
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(_) => [0; 4],
        };
        let mut texts = messages(&[octets(opener), octets(to), [10, 1, 0, 1], octets(opener)]);
        let count = texts.len();
        for _ in 0..rounds {
            let mut text = texts[random.below(count)].clone();
            for _ in 0..=random.below(2) {
                if !text.is_empty() {
                    let place = random.below(text.len());
                    text[place] = random.byte();
                }
            }
            texts.push(text);
        }
        for ports in [(4000, 161), (161, 4000), (4001, 162), (161, 162), (4002, 1162)] {
            compared.play("snmp", [RAW, nat], |both| {
                for text in &texts {
                    let said = text.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                    let udp = emit::Udp::new(ports.0, ports.1);
                    let packet = Packet::new(opener, to, udp).id(7).payload(text.clone());
                    let from = Ingress::Interface(InterfaceName::new(by).expect("a name"));
                    let Some((out, seen)) = both.send(&said, from, &packet.build()) else {
                        continue;
                    };
                    let seen = Headers::parse(&seen).expect("a packet");
                    let L4::Udp(udp) = seen.l4 else { continue };
                    let answer = emit::Udp::new(udp.dport, udp.sport);
                    let answer =
                        Packet::new(seen.dst, seen.src, answer).id(8).payload(text.clone());
                    both.send(&said, Ingress::Interface(out), &answer.build());
                }
            });
        }
    }
    println!(
        "{} packets were compared, {} of them rewritten, {} differ",
        compared.compared,
        compared.rewritten,
        compared.wrong.len()
    );
    assert!(compared.wrong.is_empty(), "{}", compared.wrong.join("\n"));
    assert!(compared.rewritten > 100, "only {} were rewritten", compared.rewritten);
}
