//! The pipeline as a drawing: stages with how many actions are done, and what they took.

use super::{Figure, field, width_of};
use crate::stored::Stored;
use crate::survey::Standing;
use layers::{Layout, lay_out};
use maud::{Markup, html};
use moelab_engine::plan::NodeId;
use moelab_engine::plan::draw::Picture;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

mod layers;

const BOX_HEIGHT: f64 = 66.0;
const LAYER: f64 = 106.0;
const SPACE: f64 = 22.0;
const MARGIN: f64 = 14.0;

/// One stage over all its actions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) missing: usize,
    pub(crate) failed: usize,
    /// Measured, over the actions that are done.
    pub(crate) seconds: f64,
}

/// Counts and times of every stage.
pub(crate) fn tallies(stored: &Stored<'_>) -> BTreeMap<String, Tally> {
    let mut nodes: BTreeMap<&str, BTreeSet<NodeId>> = BTreeMap::new();
    for (stage, node) in stored.from.plan.cells.iter().flat_map(|cell| &cell.actions) {
        nodes.entry(stage).or_default().insert(*node);
    }
    let tally = |nodes: BTreeSet<NodeId>| {
        let mut tally = Tally::default();
        for node in nodes {
            match stored.standing(node) {
                Standing::Done(manifest) => {
                    tally.done += 1;
                    tally.seconds += manifest.provenance.seconds;
                }
                Standing::Missing(_) => tally.missing += 1,
                Standing::Failed(_) => tally.failed += 1,
            }
        }
        tally
    };
    nodes
        .into_iter()
        .map(|(stage, nodes)| (stage.to_owned(), tally(nodes)))
        .collect()
}

/// Draws the pipeline of an experiment from top to bottom.
pub fn pipeline(stored: &Stored<'_>) -> Figure {
    let picture = Picture::of(stored.from.experiment, stored.from.plan);
    figure(&picture, &tallies(stored), stored.name())
}

fn figure(picture: &Picture, tallies: &BTreeMap<String, Tally>, name: &str) -> Figure {
    let title = format!("Pipeline of {name}");
    let nothing = Tally::default();
    let lines: Vec<[String; 3]> = picture
        .stages
        .iter()
        .map(|stage| {
            let tally = tallies.get(&stage.name).unwrap_or(&nothing);
            let kind = format!("{} ×{}", stage.kind, stage.actions);
            [stage.name.clone(), kind, tally.words()]
        })
        .collect();
    let wide = |lines: &[String; 3]| lines.iter().map(|line| width_of(line)).fold(90.0, f64::max) + 18.0;
    let widths: Vec<f64> = lines.iter().map(wide).collect();
    let index: BTreeMap<&str, usize> = picture
        .stages
        .iter()
        .enumerate()
        .map(|(i, s)| (s.name.as_str(), i))
        .collect();
    let arrows = picture.arrows.iter();
    let edges: BTreeSet<(usize, usize)> = arrows
        .filter_map(|arrow| Some((*index.get(arrow.from.as_str())?, *index.get(arrow.to.as_str())?)))
        .collect();
    let layout = lay_out(&widths, &edges, SPACE);
    let svg = drawing(&title, &lines, &widths, &layout, |i| {
        tallies
            .get(&picture.stages[i].name)
            .is_some_and(|tally| tally.missing + tally.failed > 0)
    });
    let total: f64 = tallies.values().map(|tally| tally.seconds).sum();
    let (done, left) = tallies.values().fold((0, 0), |(done, left), tally| {
        (done + tally.done, left + tally.missing + tally.failed)
    });
    let mut csv = "stage,kind,actions,done,to_run,failed,seconds\n".to_owned();
    for stage in &picture.stages {
        let tally = tallies.get(&stage.name).unwrap_or(&nothing);
        writeln!(
            csv,
            "{},{},{},{},{},{},{:.3}",
            field(&stage.name),
            stage.kind,
            stage.actions,
            tally.done,
            tally.missing,
            tally.failed,
            tally.seconds
        )
        .expect("text takes all");
    }
    Figure {
        alt: format!(
            "{title}: {} stages, {done} actions done in {}, {left} to run.",
            picture.stages.len(),
            duration(total)
        ),
        title,
        svg: svg.into_string(),
        csv,
    }
}

impl Tally {
    fn words(&self) -> String {
        let mut parts = Vec::new();
        if self.done > 0 {
            parts.push(format!("{} done, {}", self.done, duration(self.seconds)));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        if self.missing > 0 {
            parts.push(format!("{} to run", self.missing));
        }
        parts.join("; ")
    }
}

fn drawing(
    title: &str,
    lines: &[[String; 3]],
    widths: &[f64],
    layout: &Layout,
    open: impl Fn(usize) -> bool,
) -> Markup {
    let head = 30.0;
    let (left, top) = (MARGIN, MARGIN + head);
    let width = (layout.width + 2.0 * MARGIN).max(width_of(title) * 1.2 + 2.0 * MARGIN);
    let height = top + (layout.layers.max(1) - 1) as f64 * LAYER + BOX_HEIGHT + MARGIN;
    let y = |layer: usize| top + layer as f64 * LAYER;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(round(width)) height=(round(height))
            viewBox=(format!("0 0 {} {}", round(width), round(height))) {
            rect x="0" y="0" width=(round(width)) height=(round(height)) fill="#FFFFFF" stroke="none" {}
            text x=(MARGIN) y="24" font-family="sans-serif" font-size="15" fill="#000000" { (title) }
            g fill="none" stroke="#000000" stroke-opacity="0.45" stroke-width="1.5" {
                @for path in &layout.paths {
                    path d=(curve(path, left, &y)) {}
                }
            }
            g font-family="sans-serif" font-size="13" text-anchor="middle" {
                @for (i, words) in lines.iter().enumerate() {
                    @let (x, y) = (left + layout.x[i], y(layout.layer[i]));
                    rect x=(round(x - widths[i] / 2.0)) y=(round(y)) width=(round(widths[i])) height=(BOX_HEIGHT) rx="7"
                        fill="#FFFFFF" stroke=(if open(i) { "#D55E00" } else { "#0072B2" }) stroke-width="2"
                        stroke-dasharray=[open(i).then_some("6 4")] {}
                    text x=(round(x)) y=(round(y + 20.0)) fill="#000000" font-weight="bold" { (words[0]) }
                    text x=(round(x)) y=(round(y + 38.0)) fill="#000000" { (words[1]) }
                    text x=(round(x)) y=(round(y + 56.0)) fill="#000000" { (words[2]) }
                }
            }
        }
    }
}

/// A path through these places, straight down through layers it only passes.
fn curve(path: &[(f64, usize)], left: f64, y: &impl Fn(usize) -> f64) -> String {
    let mut out = String::new();
    for (i, &(x, layer)) in path.iter().enumerate() {
        let x = round(left + x);
        let (top, bottom) = (y(layer), y(layer) + BOX_HEIGHT);
        if i == 0 {
            write!(out, "M{x} {bottom}").expect("text takes all");
            continue;
        }
        let (before, above) = (round(left + path[i - 1].0), y(path[i - 1].1) + BOX_HEIGHT);
        let middle = f64::midpoint(above, top);
        write!(out, "C{before} {middle} {x} {middle} {x} {top}").expect("text takes all");
        if i + 1 < path.len() {
            write!(out, "L{x} {bottom}").expect("text takes all");
        }
    }
    out
}

fn round(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

/// `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moelab_engine::plan::draw::{Arrow, Drawn};

    fn picture() -> Picture {
        let stage = |name: &str| Drawn {
            name: name.into(),
            kind: "train".into(),
            actions: 5,
            axes: vec![],
        };
        let arrow = |(from, to): (&str, &str)| Arrow {
            from: from.into(),
            to: to.into(),
            input: "x".into(),
            over: vec![],
        };
        Picture {
            stages: ["images", "vae", "scores"].map(stage).to_vec(),
            arrows: [("images", "vae"), ("vae", "scores"), ("images", "scores")]
                .map(arrow)
                .to_vec(),
        }
    }

    #[test]
    fn every_stage_says_its_actions_and_its_time() {
        let done = Tally {
            done: 3,
            missing: 1,
            failed: 1,
            seconds: 75.4,
        };
        let figure = figure(&picture(), &[("vae".to_owned(), done)].into(), "e");
        assert!(
            figure.svg.contains("3 done, 1 min 15 s; 1 failed; 1 to run"),
            "{}",
            figure.svg
        );
        assert!(figure.svg.contains("train ×5"));
        assert_eq!(
            figure.svg.matches("stroke-dasharray").count(),
            1,
            "what is open is dashed"
        );
        assert_eq!(figure.svg.matches("<path").count(), 3);
        assert!(figure.csv.contains("vae,train,5,3,1,1,75.400\n"));
    }

    #[test]
    fn durations_are_said_as_people_do() {
        assert_eq!(
            [0.42, 12.4, 75.4, 7500.0].map(duration),
            ["0.4 s", "12 s", "1 min 15 s", "2 h 5 min"]
        );
    }
}
