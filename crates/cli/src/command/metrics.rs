//! `kinwall metrics`: what a running gateway has counted, for Prometheus.

use crate::control::{Request, SOCKET, client};
use crate::failure::Failure;
use clap::Args;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tiny_http::{Header, Method, Response, Server};

/// Print what a running gateway has counted, for Prometheus
///
/// It is a process of its own that asks the gateway's socket: no HTTP is read where packets are.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  kinwall metrics > /var/lib/prometheus/node-exporter/kinwall.prom\n  \
    kinwall metrics --listen 127.0.0.1:9469"
)]
pub(crate) struct MetricsArgs {
    /// The gateway's socket
    #[arg(long, value_name = "FILE", default_value = SOCKET)]
    socket: PathBuf,
    /// Answer over HTTP at this address, instead of printing once
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// The kind of the text that is written.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names and values of labels.
type Labels = Vec<(&'static str, String)>;

/// Runs the command.
pub(crate) fn run(args: MetricsArgs) -> Result<(), Failure> {
    let Some(address) = args.listen else {
        let text = gather(&args.socket)?;
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    };
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("{address}: {error}"));
    let server = Server::http(address).map_err(|error| failed(&error))?;
    let kind = Header::from_bytes("Content-Type", CONTENT_TYPE).map_err(|()| failed(&"header"))?;
    for request in server.incoming_requests() {
        let answer = match (request.method(), request.url()) {
            (Method::Get, "/metrics") => {
                // A gateway that does not answer is what the reader is to learn.
                let text = gather(&args.socket).unwrap_or_else(|_| text(&[]));
                Response::from_string(text).with_header(kind.clone())
            }
            _ => Response::from_string("metrics are at /metrics\n").with_status_code(404),
        };
        // Whoever asked may have gone away.
        let _ = request.respond(answer);
    }
    Ok(())
}

/// Asks the gateway.
fn gather(socket: &Path) -> Result<String, Failure> {
    let mut answers = Vec::new();
    for request in [Request::Stats, Request::Helpers, Request::Rules] {
        client::ask(socket, &request, |value| {
            answers.push(value);
            Ok(())
        })?;
    }
    Ok(text(&answers))
}

/// The text; without answers the gateway is down.
fn text(answers: &[Value]) -> String {
    let mut metrics = Metrics::default();
    metrics.gauge(
        "kinwall_up",
        "Whether the gateway answers",
        vec![],
        u64::from(!answers.is_empty()),
    );
    for answer in answers {
        match answer["type"].as_str() {
            Some("stats") => metrics.stats(answer),
            Some("helper") => metrics.helper(answer),
            Some("rule") => metrics.rule(answer),
            _ => {}
        }
    }
    metrics.text()
}

#[derive(Default)]
struct Metrics {
    registry: Registry,
    counters: Vec<(&'static str, Family<Labels, Counter>)>,
    gauges: Vec<(&'static str, Family<Labels, Gauge>)>,
}

impl Metrics {
    fn counter(&mut self, name: &'static str, help: &str, labels: Labels, value: u64) {
        if labels.is_empty() {
            let counter: Counter = Counter::default();
            counter.inc_by(value);
            return self.registry.register(name, help, counter);
        }
        let known = self.counters.iter().find(|(known, _)| *known == name);
        let family = known.map(|(_, family)| family.clone()).unwrap_or_else(|| {
            let family = Family::default();
            self.registry.register(name, help, Family::clone(&family));
            self.counters.push((name, Family::clone(&family)));
            family
        });
        family.get_or_create(&labels).inc_by(value);
    }

    fn gauge(&mut self, name: &'static str, help: &str, labels: Labels, value: u64) {
        if labels.is_empty() {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            return self.registry.register(name, help, gauge);
        }
        let known = self.gauges.iter().find(|(known, _)| *known == name);
        let family = known.map(|(_, family)| family.clone()).unwrap_or_else(|| {
            let family = Family::default();
            self.registry.register(name, help, Family::clone(&family));
            self.gauges.push((name, Family::clone(&family)));
            family
        });
        family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn stats(&mut self, stats: &Value) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        for (name, help, key) in [
            ("kinwall_connections", "Connections in the table", "connections"),
            ("kinwall_connections_max", "How many it holds", "connections_max"),
            ("kinwall_expectations", "Expectations in the table", "expectations"),
            ("kinwall_table_bytes", "Memory of the tables", "table_bytes"),
            ("kinwall_uptime_seconds", "Since the gateway began", "seconds"),
        ] {
            self.gauge(name, help, vec![], number(&stats[key]));
        }
        self.counter(
            "kinwall_connections_confirmed",
            "Connections that entered the table",
            vec![],
            number(&stats["confirmed"]),
        );
        for (name, help, key, label) in [
            ("kinwall_packets", "Packets by what became of them", "packets", "outcome"),
            ("kinwall_connections_ended", "Connections that left the table", "ended", "reason"),
            ("kinwall_invalid", "Packets that belong to no connection", "invalid", "reason"),
            ("kinwall_dropped", "Packets that tracking dropped", "dropped", "reason"),
            ("kinwall_doubts", "Payloads that were not believed", "doubts", "reason"),
        ] {
            for (value, count) in stats[key].as_object().into_iter().flatten() {
                self.counter(name, help, vec![(label, value.clone())], number(count));
            }
        }
        for outcome in ["created", "refused", "matched"] {
            self.counter(
                "kinwall_expectation_events",
                "Expectations by what became of them",
                vec![("outcome", outcome.to_owned())],
                number(&stats[format!("expectations_{outcome}")]),
            );
        }
    }

    fn helper(&mut self, helper: &Value) {
        let name = helper["name"].as_str().unwrap_or_default();
        for (metric, help, key) in [
            ("kinwall_helper_connections", "Connections with a helper", "connections"),
            ("kinwall_helper_expectations", "Expectations of a helper", "expectations"),
        ] {
            let labels = vec![("helper", name.to_owned())];
            self.gauge(metric, help, labels, helper[key].as_u64().unwrap_or(0));
        }
    }

    fn rule(&mut self, rule: &Value) {
        let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let labels = || {
            let mut labels: Labels =
                ["family", "table", "chain"].map(|key| (key, text(key))).into();
            labels.push(("number", rule["number"].to_string()));
            labels
        };
        let number = |key: &str| rule[key].as_u64().unwrap_or(0);
        self.counter("kinwall_rule_packets", "Packets of a rule", labels(), number("packets"));
        self.counter("kinwall_rule_bytes", "Bytes of a rule", labels(), number("bytes"));
    }

    fn text(self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_counted_is_said_in_the_words_of_prometheus() {
        let answers = [
            json!({ "type": "stats", "seconds": 7, "connections": 3, "packets": { "passed": 5 },
                "expectations_created": 2, "doubts": { "guard-address": 1 } }),
            json!({ "type": "helper", "name": "ftp", "connections": 1, "expectations": 0 }),
            json!({ "type": "rule", "family": "ipv4", "table": "filter", "chain": "FORWARD",
                "number": 1, "packets": 9, "bytes": 540 }),
        ];
        let text = text(&answers);
        for line in [
            "kinwall_up 1",
            "kinwall_connections 3",
            "kinwall_packets_total{outcome=\"passed\"} 5",
            "kinwall_expectation_events_total{outcome=\"created\"} 2",
            "kinwall_doubts_total{reason=\"guard-address\"} 1",
            "kinwall_helper_connections{helper=\"ftp\"} 1",
            "kinwall_rule_packets_total{family=\"ipv4\",table=\"filter\",chain=\"FORWARD\",number=\"1\"} 9",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(super::text(&[]).contains("kinwall_up 0\n"));
    }
}
