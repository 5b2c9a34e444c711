//! `cargo xtask bench --curves`: how the cost of a packet grows, drawn to `docs/growth.svg`.

use crate::Outcome;
use crate::command::{cargo, output};
use crate::workspace;
use serde_json::Value;
use svg::Document;
use svg::node::element::{Circle, Group, Line, Polyline, Rectangle, Text};

/// The curves that the benchmark `growth` measures, with what grows and what is taken.
const CURVES: [(&str, &str); 4] = [
    ("connections", "established packets, by connections in the table"),
    ("rules", "first packets, by rules"),
    ("expectations", "established packets, by expectations that wait"),
    ("payload", "established packets, by bytes of payload"),
];

/// Size of one picture, and of the space within it for words.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 34.0;

/// What grows, and nanoseconds a packet.
type Point = (f64, f64);

/// Measures, and draws.
pub(super) fn run(arguments: &[String]) -> Outcome {
    if let Some(other) = arguments.first() {
        return Err(format!("unknown option {other}: --curves takes none"));
    }
    let bench = ["bench", "-p", "kinwall-engine", "--bench", "growth"];
    let said = output(cargo(&bench))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let size = (2.0 * WIDTH, 2.0 * HEIGHT);
    let mut picture = Document::new()
        .set("viewBox", (0, 0, size.0 as i64, size.1 as i64))
        .set("font-family", "sans-serif")
        .set("font-size", 11)
        .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white"));
    for (place, (curve, title)) in CURVES.iter().enumerate() {
        let points = points(&said, curve);
        if points.len() < 2 {
            return Err(format!("the benchmark said nothing of {curve}:\n{said}"));
        }
        let (x, y) = ((place % 2) as f64 * WIDTH, (place / 2) as f64 * HEIGHT);
        picture =
            picture.add(panel(title, &points).set("transform", format!("translate({x} {y})")));
    }
    let path = workspace::root().join("docs/growth.svg");
    svg::save(&path, &picture).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{said}drawn: {}", path.display());
    Ok(())
}

/// The points of a curve among lines of JSON.
fn points(said: &str, curve: &str) -> Vec<Point> {
    let values = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_curve = values.filter(|value| value["curve"] == curve);
    of_curve.filter_map(|v| Some((v["at"].as_f64()?, v["ns_per_packet"].as_f64()?))).collect()
}

/// One curve: what grows by powers of ten to the right, the cost from zero upwards.
fn panel(title: &str, points: &[Point]) -> Group {
    let most_x = points.iter().fold(10.0_f64, |most, (at, _)| most.max(*at)).log10();
    let most_y = ceiling(points.iter().fold(0.0, |most, (_, ns)| most.max(*ns)));
    let x = |at: f64| LEFT + at.max(1.0).log10() / most_x * (WIDTH - LEFT - RIGHT);
    let y = |ns: f64| HEIGHT - BOTTOM - ns / most_y * (HEIGHT - TOP - BOTTOM);
    let text = |content: String, x: f64, y: f64, anchor: &str| {
        Text::new(content).set("x", x).set("y", y).set("text-anchor", anchor)
    };
    let mut group = Group::new().add(text(title.to_owned(), WIDTH / 2.0, 20.0, "middle"));
    for step in 0..=4 {
        let ns = most_y * f64::from(step) / 4.0;
        let line = Line::new().set("x1", LEFT).set("x2", WIDTH - RIGHT);
        group = group.add(line.set("y1", y(ns)).set("y2", y(ns)).set("stroke", "#ddd")).add(text(
            format!("{ns} ns"),
            LEFT - 6.0,
            y(ns) + 4.0,
            "end",
        ));
    }
    for power in 0..=most_x.floor() as i32 {
        let at = 10.0_f64.powi(power);
        group = group.add(text(round(at), x(at), HEIGHT - BOTTOM + 18.0, "middle"));
    }
    let places: Vec<String> =
        points.iter().map(|(at, ns)| format!("{:.1},{:.1}", x(*at), y(*ns))).collect();
    let line = Polyline::new().set("points", places.join(" ")).set("fill", "none");
    group = group.add(line.set("stroke", "#0a58ca").set("stroke-width", 2));
    for (at, ns) in points {
        group = group.add(
            Circle::new().set("cx", x(*at)).set("cy", y(*ns)).set("r", 3).set("fill", "#0a58ca"),
        );
    }
    group
}

/// The next round number, of which a quarter is one too.
fn ceiling(most: f64) -> f64 {
    let unit = 10.0_f64.powf(most.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    steps.map(|step| step * unit).into_iter().find(|round| *round >= most).unwrap_or(most)
}

/// A power of ten in few signs.
fn round(at: f64) -> String {
    match at {
        _ if at >= 1e6 => format!("{} M", at / 1e6),
        _ if at >= 1e3 => format!("{} k", at / 1e3),
        _ => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_round_numbers() {
        let said = "x\n{\"curve\":\"a\",\"at\":10,\"ns_per_packet\":7.5}\n{\"curve\":\"b\"}";
        assert_eq!(points(said, "a"), [(10.0, 7.5)]);
        assert!(points(said, "b").is_empty());
        assert_eq!([7.0, 135.9, 1279.0, 10.0].map(ceiling), [8.0, 200.0, 2000.0, 10.0]);
        assert_eq!([1.0, 1e4, 1e7].map(round), ["1", "10 k", "10 M"]);
    }
}
