//! A picture of who reaches whom: segments on a circle, an arrow for what passes between two.

use crate::failure::Failure;
use kinwall_prove::matrix::{Between, Cell};
use kinwall_terms::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::path::Path;
use svg::Document;
use svg::node::element::{Definitions, Group, Line, Marker, Path as Curve, Rectangle, Text, Title};

/// What is drawn, one service and family below the other.
#[derive(Default)]
pub(super) struct Picture {
    parts: Vec<(String, Vec<(Between, Kinds)>)>,
}

/// What passes between two segments.
#[derive(Clone, Copy)]
struct Kinds {
    new: bool,
    translated: bool,
    related: bool,
}

/// What an arrow says, and its colour.
const KINDS: [(&str, &str); 3] =
    [("new", "#1a7f37"), ("translated", "#0550ae"), ("announced by a helper", "#bc4c00")];

const SIZE: f64 = 520.0;
const TITLE: f64 = 60.0;
const RADIUS: f64 = 190.0;
const BOX: (f64, f64) = (110.0, 34.0);

impl Picture {
    /// Adds what was found of a service.
    pub(super) fn add(&mut self, title: String, cells: &BTreeMap<Between, Cell>) {
        let kinds = |cell: &Cell| Kinds {
            new: !cell.new.is_empty(),
            translated: !cell.translated.is_empty(),
            related: !cell.related.is_empty(),
        };
        let cells = cells.iter().map(|(between, cell)| (*between, kinds(cell))).collect();
        self.parts.push((title, cells));
    }

    /// Writes it.
    pub(super) fn write(&self, path: &Path, names: &[InterfaceName]) -> Result<(), Failure> {
        let height = (SIZE + TITLE) * self.parts.len() as f64;
        let mut document = Document::new()
            .set("viewBox", (0, 0, SIZE, height))
            .set("font-family", "sans-serif")
            .set("font-size", 14)
            .add(Rectangle::new().set("width", SIZE).set("height", height).set("fill", "white"))
            .add(heads());
        for (at, (title, cells)) in self.parts.iter().enumerate() {
            let down = (SIZE + TITLE) * at as f64;
            let part = part(title, cells, names).set("transform", format!("translate(0 {down})"));
            document = document.add(part);
        }
        svg::save(path, &document).map_err(|error| Failure::file(path, error))
    }
}

/// The heads of arrows, one a colour.
fn heads() -> Definitions {
    KINDS.iter().enumerate().fold(Definitions::new(), |all, (at, (_, colour))| {
        let head = Curve::new().set("d", "M0 0 L8 4 L0 8 z").set("fill", *colour);
        let marker = Marker::new()
            .set("id", format!("head{at}"))
            .set("viewBox", "0 0 8 8")
            .set("refX", 8)
            .set("refY", 4)
            .set("markerWidth", 7)
            .set("markerHeight", 7)
            .set("orient", "auto");
        all.add(marker.add(head))
    })
}

fn part(title: &str, cells: &[(Between, Kinds)], names: &[InterfaceName]) -> Group {
    let used: BTreeSet<Option<InterfaceName>> =
        cells.iter().flat_map(|((from, to), _)| [*from, *to]).collect();
    let known = names.iter().map(|name| Some(*name)).chain([None]);
    let segments: Vec<_> = known
        .filter(|name| name.is_some_and(|n| n.as_str() != "lo") || used.contains(name))
        .collect();
    let place = |segment: &Option<InterfaceName>| {
        let at = segments.iter().position(|known| known == segment).unwrap_or_default();
        let angle = TAU * at as f64 / segments.len().max(1) as f64 - TAU / 4.0;
        (SIZE / 2.0 + RADIUS * angle.cos(), SIZE / 2.0 + TITLE + RADIUS * angle.sin())
    };
    let heading = Text::new(title).set("x", 16).set("y", 28).set("font-weight", "bold");
    let mut group = Group::new().add(heading);
    for (at, (what, colour)) in KINDS.iter().enumerate() {
        let x = 16.0 + 130.0 * at as f64;
        let stroke = Line::new().set("x1", x).set("x2", x + 22.0).set("y1", 48).set("y2", 48);
        group = group
            .add(stroke.set("stroke", *colour).set("stroke-width", 2))
            .add(Text::new(*what).set("x", x + 28.0).set("y", 52).set("font-size", 12));
    }
    for ((from, to), kinds) in cells {
        let passes = [kinds.new, kinds.translated, kinds.related];
        for (at, _) in passes.iter().enumerate().filter(|(_, passes)| **passes) {
            group = group.add(arrow(
                place(from),
                place(to),
                at,
                &format!("{} > {}", name(*from), name(*to)),
            ));
        }
    }
    for segment in &segments {
        let (x, y) = place(segment);
        let frame = Rectangle::new()
            .set("x", x - BOX.0 / 2.0)
            .set("y", y - BOX.1 / 2.0)
            .set("width", BOX.0)
            .set("height", BOX.1)
            .set("rx", 8)
            .set("fill", "#f6f8fa")
            .set("stroke", "#57606a");
        let label = Text::new(name(*segment)).set("x", x).set("y", y + 5.0);
        group = group.add(frame).add(label.set("text-anchor", "middle"));
    }
    group
}

/// A curve from one segment to another, or back to itself; each kind bends more than the last.
fn arrow(from: (f64, f64), to: (f64, f64), kind: usize, what: &str) -> Curve {
    let bend = 18.0 + 22.0 * kind as f64;
    let path = match from == to {
        true => {
            let (x, y) = (from.0 + BOX.0 / 2.0, from.1);
            format!("M{x:.1} {:.1} c{1:.1} -40 {1:.1} 40 0 16", y - 8.0, 30.0 + bend)
        }
        false => {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let length = dx.hypot(dy);
            let side = (-dy / length * bend, dx / length * bend);
            let middle = ((from.0 + to.0) / 2.0 + side.0, (from.1 + to.1) / 2.0 + side.1);
            let (start, end) = (edge(from, middle), edge(to, middle));
            format!(
                "M{:.1} {:.1} Q{:.1} {:.1} {:.1} {:.1}",
                start.0, start.1, middle.0, middle.1, end.0, end.1
            )
        }
    };
    let (said, colour) = KINDS[kind];
    Curve::new()
        .set("d", path)
        .set("fill", "none")
        .set("stroke", colour)
        .set("stroke-width", 2)
        .set("marker-end", format!("url(#head{kind})"))
        .add(Title::new(format!("{what}: {said}")))
}

/// Where the line from the middle of a box towards a point leaves the box.
fn edge(centre: (f64, f64), towards: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (towards.0 - centre.0, towards.1 - centre.1);
    let reach = |half: f64, way: f64| if way == 0.0 { f64::INFINITY } else { half / way.abs() };
    let part = reach(BOX.0 / 2.0, dx).min(reach(BOX.1 / 2.0, dy)).min(1.0);
    (centre.0 + dx * part, centre.1 + dy * part)
}

fn name(segment: Option<InterfaceName>) -> String {
    segment.map_or("gateway".to_owned(), |name| name.to_string())
}
