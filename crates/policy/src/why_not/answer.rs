//! The answer: what the first packet meets, and what a RELATED one would.

use super::{Question, packets};
use kinwall_conntrack::HelperId;
use kinwall_engine::{AssignedBy, Engine, Ingress, Outcome, Presumed, RuleAt, Step, Trace};
use kinwall_helpers::Instance;
use kinwall_rules::eval::{self, RuleRef};
use kinwall_rules::print;
use kinwall_rules::program::Program;
use kinwall_rules::targets::Target;
use kinwall_terms::{CtState, Direction, Family, InterfaceName, L4Proto, Table, Time, Verdict};
use kinwall_wire::emit::Packet as Built;
use std::net::IpAddr;

/// What becomes of the helper of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The packet that stood for the connection.
    pub packet: String,
    /// Whether the connection gets the helper, and what it announces may pass.
    pub has: bool,
    /// What happens, in a sentence.
    pub reason: String,
    /// The rules that decide it, each with its text.
    pub rules: Vec<(RuleRef, String)>,
    /// What to write instead.
    pub fix: Option<String>,
}

/// Asks `engine`, whose tables are empty. The text says what is wrong with the question.
pub fn ask(engine: &mut Engine, question: &Question) -> Result<Answer, String> {
    let asked = Asked::new(engine, question)?;
    let (outcome, trace) = asked.first_packet(engine);
    let answer = asked.assignment(engine, &outcome, &trace);
    Ok(match answer {
        Ok((by, helper)) => asked.related(engine, by, helper),
        Err(answer) => answer,
    })
}

/// The question with everything it leaves open filled in.
pub(super) struct Asked {
    name: String,
    instance: Instance,
    family: Family,
    pub(super) proto: L4Proto,
    ingress: Ingress,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) dport: u16,
    /// Whether the rules were written for nftables.
    is_of_nft: bool,
}

impl Asked {
    fn new(engine: &Engine, question: &Question) -> Result<Asked, String> {
        let list = engine.instances().list();
        let named = |instance: &&Instance| instance.name == question.helper;
        let like = |instance: &&Instance| instance.helper.name == question.helper;
        let Some(instance) = list.iter().find(named).or(list.iter().find(like)) else {
            let names: Vec<&str> = list.iter().map(|instance| instance.name.as_str()).collect();
            return Err(format!(
                "no helper is called `{}`; there are {}",
                question.helper,
                names.join(", ")
            ));
        };
        let Some(dport) = question.port.or(instance.port) else {
            return Err(format!("{} has no port of its own: write ADDRESS:PORT", instance.name));
        };
        let family = Family::of(question.to);
        let (ingress, src) = packets::opener(engine, question, family)?;
        Ok(Asked {
            name: instance.name.clone(),
            instance: instance.clone(),
            family,
            proto: instance.helper.l4.first().copied().unwrap_or(L4Proto::TCP),
            ingress,
            src,
            dst: question.to,
            dport,
            is_of_nft: engine.program(family).is_some_and(is_of_nft),
        })
    }

    fn first_packet(&self, engine: &mut Engine) -> (Outcome, Trace) {
        let opening = packets::opening(self.proto, packets::CLIENT_PORT, self.dport);
        let bytes = Built::new(self.src, self.dst, opening).build();
        let mut trace = Trace::default();
        let mut packet = packets::packet(self.ingress, &bytes);
        (engine.handle_traced(Time(0), &mut packet, &mut trace), trace)
    }

    /// What gave the connection its helper, or why it has none.
    fn assignment(
        &self,
        engine: &Engine,
        outcome: &Outcome,
        trace: &Trace,
    ) -> Result<(AssignedBy, HelperId), Answer> {
        let assigned = trace.steps.iter().find_map(|step| match step {
            Step::Assigned { helper, by } => Some((*by, *helper)),
            _ => None,
        });
        if outcome.ct_state == Some(CtState::Untracked) {
            let rules = self.deciding(engine, trace, |target| match target {
                Target::Ct(ct) => ct.notrack,
                target => matches!(target, Target::Notrack(_)),
            });
            let reason = String::from("the connection is not tracked");
            let fix = String::from("let the rule that ends tracking leave this connection alone");
            return Err(self.without(reason, rules, Some(fix)));
        }
        let is_it = |helper: HelperId| {
            let got = engine.instances().get(helper.0);
            got.is_some_and(|got| got.helper.kind == self.instance.helper.kind)
        };
        match assigned {
            Some((by, helper)) if is_it(helper) && outcome.verdict == Verdict::Accept => {
                Ok((by, helper))
            }
            Some((_, helper)) if is_it(helper) => {
                let how = match (outcome.verdict, outcome.rule) {
                    (Verdict::Unknown, _) => "a rule that cannot be evaluated decides it",
                    (_, Some(_)) => "a rule refuses the connection itself",
                    (_, None) => "the chain's policy refuses the connection itself",
                };
                let rules = outcome.rule.into_iter().filter_map(|at| told(engine, at)).collect();
                let fix = format!("accept it: {}", self.accepting());
                Err(self.without(how.to_owned(), rules, Some(fix)))
            }
            Some((_, helper)) => {
                let other = engine.helper_name(helper);
                let reason = format!("the connection gets another helper, {other}");
                let rules = self.deciding(engine, trace, |target| match target {
                    Target::Ct(ct) => ct.helper.is_some(),
                    _ => false,
                });
                Err(self.without(reason, rules, Some(self.assigning())))
            }
            None => Err(self.unassigned(engine, trace)),
        }
    }

    /// Why no rule gave the helper.
    fn unassigned(&self, engine: &Engine, trace: &Trace) -> Answer {
        let Some(program) = engine.program(self.family) else {
            let reason = format!("no {} rules were given", self.family);
            return self.without(reason, Vec::new(), Some(self.assigning()));
        };
        let wanted = |target: &Target| match target {
            Target::Ct(ct) => ct.helper.as_deref().is_some_and(|name| self.is_named(engine, name)),
            _ => false,
        };
        let gives = |id: eval::RuleId| {
            program.rule(id).and_then(|rule| rule.target.as_ref()).is_some_and(wanted)
        };
        let steps = || raw_steps(trace);
        let missed = steps().find_map(|step| match step {
            eval::Step::Missed(id, part) if gives(*id) => Some((*id, *part)),
            _ => None,
        });
        let in_raw = |id: &eval::RuleId| {
            let place = program.reference(*id);
            place.is_some_and(|place| place.table == Table::Raw)
        };
        let reached = |id: &eval::RuleId| {
            steps().any(|step| matches!(step, eval::Step::Missed(at, _) if at == id))
        };
        let behind = program.rule_ids().filter(in_raw).find(|id| gives(*id) && !reached(id));
        let ended = steps().rev().find_map(|step| match step {
            eval::Step::Matched(id) => Some(*id),
            _ => None,
        });
        let ends = ended.filter(|id| {
            let target = program.rule(*id).and_then(|rule| rule.target.as_ref());
            matches!(target, Some(Target::Accept | Target::Drop | Target::Return | Target::Ct(_)))
        });
        let at = |rule| told(engine, RuleAt { family: self.family, rule });
        let hook = self.hook();
        if let (Some(ended), Some(behind)) = (ends, behind) {
            let reason = format!("a rule of raw {hook} ends the table before the CT rule");
            let rules: Vec<_> = [ended, behind].into_iter().filter_map(at).collect();
            let fix = rules.first().map(|(place, _)| match self.is_of_nft {
                true => String::from("move the rule that gives out the helper before the other"),
                false => format!(
                    "move the CT rule before line {}, or let that rule only drop",
                    place.line
                ),
            });
            return self.without(reason, rules, fix);
        }
        if let Some((id, part)) = missed {
            let part = program.rule(id).map_or(String::new(), |rule| print::part(rule, part));
            let reason = format!("the CT rule of {} does not match: {part}", self.name);
            return self.without(reason, at(id).into_iter().collect(), Some(self.assigning()));
        }
        let automatic = match engine.settings().automatic_assignment() {
            true => format!(", and port {} is not the helper's", self.dport),
            false => String::from(", and helpers are not assigned by port"),
        };
        let reason = match behind.and_then(at) {
            Some((place, _)) => format!(
                "raw {hook} does not come to a CT rule of {} (one stands in {})",
                self.name, place.chain
            ),
            None => format!("no CT rule of raw {hook} gives {}{automatic}", self.name),
        };
        self.without(reason, behind.and_then(at).into_iter().collect(), Some(self.assigning()))
    }

    /// Whether what the helper announces may pass.
    fn related(&self, engine: &mut Engine, by: AssignedBy, helper: HelperId) -> Answer {
        let by = match by {
            AssignedBy::Rule => "a CT rule",
            AssignedBy::Port => "its port (nf_conntrack_helper=1)",
            AssignedBy::Expectation => "an expectation",
        };
        let name = engine.helper_name(helper).to_owned();
        let rows = self.instance.helper.rows(
            engine.settings().profile,
            self.family,
            &self.instance.options,
        );
        let mut refused = None;
        for row in rows.collect::<Vec<_>>() {
            let Some((ingress, bytes)) = self.child(engine, row) else { continue };
            let presumed = Presumed {
                state: CtState::Related,
                direction: Direction::Original,
                master_helper: Some(helper),
            };
            let mut trace = Trace::default();
            let mut packet = packets::packet(ingress, &bytes);
            let outcome = engine.suppose(Time(0), &mut packet, &presumed, &mut trace);
            if outcome.verdict == Verdict::Accept {
                let reason = format!("{by} gives the connection {name}, and RELATED is accepted");
                let rules = outcome.rule.into_iter().filter_map(|at| told(engine, at)).collect();
                return Answer { has: true, ..self.without(reason, rules, None) };
            }
            refused.get_or_insert((outcome, row.announcement));
        }
        let Some((outcome, announcement)) = refused else {
            let reason = format!("{by} gives the connection {name}");
            return Answer { has: true, ..self.without(reason, Vec::new(), None) };
        };
        let how = match outcome.rule {
            Some(_) => "a rule refuses",
            None => "the chain's policy refuses",
        };
        let reason = format!(
            "{by} gives the connection {name}, in vain: {how} what it announces ({announcement})"
        );
        let rules = outcome.rule.into_iter().filter_map(|at| told(engine, at)).collect();
        let fix = match self.is_of_nft {
            true => format!(
                "at hook {}: ct state related ct helper \"{name}\" {} daddr ADDRESS PROTO dport \
                 1024-65535 accept",
                self.filter_chain().to_lowercase(),
                self.header()
            ),
            false => format!(
                "{} -A {} -m conntrack --ctstate RELATED -m helper --helper {name} -d ADDRESS -p \
                 PROTO --dport 1024: -j ACCEPT",
                self.command(),
                self.filter_chain()
            ),
        };
        self.without(reason, rules, Some(fix))
    }

    fn is_named(&self, engine: &Engine, name: &str) -> bool {
        let list = engine.instances().list();
        let named = list.iter().find(|instance| instance.name == name);
        named.is_some_and(|named| named.helper.kind == self.instance.helper.kind)
    }

    /// The rules of the raw table that matched and whose target is `wanted`.
    fn deciding(
        &self,
        engine: &Engine,
        trace: &Trace,
        wanted: impl Fn(&Target) -> bool,
    ) -> Vec<(RuleRef, String)> {
        let Some(program) = engine.program(self.family) else { return Vec::new() };
        let matched = raw_steps(trace).filter_map(|step| match step {
            eval::Step::Matched(id) => Some(*id),
            _ => None,
        });
        let decide = matched.filter(|id| {
            program.rule(*id).and_then(|rule| rule.target.as_ref()).is_some_and(&wanted)
        });
        decide.filter_map(|rule| told(engine, RuleAt { family: self.family, rule })).collect()
    }

    fn without(
        &self,
        reason: String,
        rules: Vec<(RuleRef, String)>,
        fix: Option<String>,
    ) -> Answer {
        let end = |address: IpAddr, port| std::net::SocketAddr::new(address, port);
        let way = match self.ingress {
            Ingress::Local { .. } => String::from("from the gateway"),
            Ingress::Interface(Some(name)) => format!("in by {name}"),
            Ingress::Interface(None) => String::from("in by an unknown interface"),
        };
        let (src, dst) = (end(self.src, packets::CLIENT_PORT), end(self.dst, self.dport));
        let packet = format!("{} {src} -> {dst}, {way}", self.proto);
        Answer { packet, has: false, reason, rules, fix }
    }

    fn hook(&self) -> &'static str {
        match self.ingress {
            Ingress::Local { .. } => "OUTPUT",
            Ingress::Interface(_) => "PREROUTING",
        }
    }

    fn filter_chain(&self) -> &'static str {
        match self.ingress {
            Ingress::Local { .. } => "INPUT",
            Ingress::Interface(_) => "FORWARD",
        }
    }

    fn command(&self) -> &'static str {
        match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        }
    }

    /// The rule that gives the helper.
    fn assigning(&self) -> String {
        let Asked { name, proto, dst, dport, .. } = self;
        if self.is_of_nft {
            return format!(
                "in a chain of type filter hook {} priority mangle: {}{} daddr {dst} {proto} dport \
                 {dport} ct helper set for {name}",
                self.hook().to_lowercase(),
                self.iifname(),
                self.header()
            );
        }
        let from = self.interface().map(|name| format!(" -i {name}")).unwrap_or_default();
        format!(
            "{} -t raw -I {}{from} -p {proto} -d {dst} --dport {dport} -j CT --helper {name}",
            self.command(),
            self.hook()
        )
    }

    /// The rule that lets the connection itself pass.
    fn accepting(&self) -> String {
        let Asked { proto, dst, dport, .. } = self;
        let chain = match self.ingress {
            Ingress::Local { .. } => "OUTPUT",
            Ingress::Interface(_) => "FORWARD",
        };
        if self.is_of_nft {
            return format!(
                "at hook {}: {}{} daddr {dst} {proto} dport {dport} ct state new accept",
                chain.to_lowercase(),
                self.iifname(),
                self.header()
            );
        }
        let from = self.interface().map(|name| format!(" -i {name}")).unwrap_or_default();
        format!(
            "{} -A {chain}{from} -p {proto} -d {dst} --dport {dport} -m conntrack --ctstate NEW \
             -j ACCEPT",
            self.command()
        )
    }

    /// Addresses of the family in the words of nft.
    fn header(&self) -> &'static str {
        match self.family {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ip6",
        }
    }

    fn iifname(&self) -> String {
        self.interface().map(|name| format!("iifname \"{name}\" ")).unwrap_or_default()
    }

    fn interface(&self) -> Option<InterfaceName> {
        match self.ingress {
            Ingress::Interface(name) => name,
            Ingress::Local { .. } => None,
        }
    }
}

fn is_of_nft(program: &Program) -> bool {
    let native = |id| program.rule(id).is_some_and(|rule| rule.native.is_some());
    program.rule_ids().any(native)
}

fn raw_steps(trace: &Trace) -> impl DoubleEndedIterator<Item = &eval::Step> {
    trace.steps.iter().flat_map(|step| match step {
        Step::Chain { table: Table::Raw, steps, .. } => steps.steps.as_slice(),
        _ => &[],
    })
}

fn told(engine: &Engine, at: RuleAt) -> Option<(RuleRef, String)> {
    let program = engine.program(at.family)?;
    let place = program.reference(at.rule)?;
    let text = print::rule(&place.chain, program.rule(at.rule)?);
    Some((place, text))
}
