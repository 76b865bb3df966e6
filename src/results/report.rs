//! A report: one HTML file that says what an experiment gave and how it came to be.
//!
//! The page loads nothing (its own policy forbids it), works without scripts, and holds the data of every figure behind
//! a link. Scripts add sorting, tabs and the map that can be zoomed.

mod evidence;
mod figures;
mod files;
mod html;
mod map;
mod provenance;
mod tables;

use crate::error::ResultsError;
use crate::figure;
use crate::stored::Stored;
use crate::survey::Standing;
use crate::table::Table;
use html::{Section, page};
use maud::{Markup, html};
use moelab_engine::plan::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// The program that writes the report.
pub struct Program<'a> {
    pub version: &'a str,
    /// `--set` options the experiment was loaded with.
    pub overrides: &'a [String],
}

/// Reasons that are told one by one.
const TOLD: usize = 30;

/// The page.
///
/// # Errors
/// If what the store holds cannot be read.
pub fn report(stored: &Stored<'_>, program: &Program<'_>) -> Result<String, ResultsError> {
    let actions: BTreeSet<NodeId> = stored
        .from
        .plan
        .cells
        .iter()
        .flat_map(|cell| cell.actions.values().copied())
        .collect();
    let gaps = Gaps::of(stored, &actions);
    let mut sections = vec![Section::new(
        "status",
        "Status",
        status(stored, program, &actions, &gaps),
    )];
    if !stored.from.experiment.metrics.is_empty() && !stored.from.experiment.table.columns.is_empty() {
        sections.push(Section::new(
            "results",
            "Results",
            tables::results(&Table::build(&[stored.input()?])?)?,
        ));
    }
    sections.extend(tables::clusters(stored)?.map(|body| Section::new("clusters", "Clusters found per seed", body)));
    sections.extend(evidence::section(stored)?.map(|body| Section::new("evidence", "What K rests on", body)));
    sections.extend(map::section(stored)?.map(|body| Section::new("map", "Map of the embedding", body)));
    sections.extend(figures::sections(stored)?);
    let dag = figures::inline(&figure::pipeline(stored), "pipeline-drawing");
    sections.push(Section::new(
        "pipeline",
        "Pipeline and time",
        html! { (dag) (tables::times(stored)) },
    ));
    sections.push(Section::new(
        "provenance",
        "Provenance",
        provenance::section(stored, program, &actions),
    ));
    Ok(page(stored, program, &sections).into_string())
}

/// What is not there.
struct Gaps {
    /// Reason → actions.
    failed: BTreeMap<String, Vec<String>>,
    missing: BTreeMap<String, Vec<String>>,
}

impl Gaps {
    fn of(stored: &Stored<'_>, actions: &BTreeSet<NodeId>) -> Self {
        let mut gaps = Self {
            failed: BTreeMap::new(),
            missing: BTreeMap::new(),
        };
        for node in actions {
            let action = stored.describe(*node);
            match stored.standing(*node) {
                Standing::Done(_) => {}
                Standing::Failed(why) => gaps.failed.entry(why.clone()).or_default().push(action),
                Standing::Missing(why) => {
                    let why = why.clone().unwrap_or_else(|| "not run yet".to_owned());
                    gaps.missing.entry(why).or_default().push(action);
                }
            }
        }
        gaps
    }
}

fn count(reasons: &BTreeMap<String, Vec<String>>) -> usize {
    reasons.values().map(Vec::len).sum()
}

fn status(stored: &Stored<'_>, program: &Program<'_>, actions: &BTreeSet<NodeId>, gaps: &Gaps) -> Markup {
    let (failed, missing) = (count(&gaps.failed), count(&gaps.missing));
    let done = actions.len() - failed - missing;
    let seeds: Vec<String> = stored.from.experiment.seeds.iter().map(u64::to_string).collect();
    html! {
        @if let Some(description) = &stored.from.experiment.description { p { (description) } }
        p {
            (done) " of " (actions.len()) " actions are done"
            @if failed > 0 { ", " strong { (failed) " failed" } }
            @if missing > 0 { ", " strong { (missing) " missing" } }
            ". " (stored.from.experiment.rows.len())
            (if stored.from.experiment.rows.len() == 1 { " setting" } else { " settings" })
            ", seeds " (seeds.join(", ")) "."
        }
        @if failed > 0 { (reasons("Failed", &gaps.failed)) }
        @if missing > 0 {
            (reasons("Missing", &gaps.missing))
            p { "What is missing is made by " code { (provenance::command(stored, program)) } "." }
        }
    }
}

fn reasons(title: &str, reasons: &BTreeMap<String, Vec<String>>) -> Markup {
    html! {
        h3 { (title) }
        ul class="gaps" {
            @for (why, actions) in reasons.iter().take(TOLD) {
                li { span class="why" { (why) } ": " (shortened(actions)) }
            }
            @if reasons.len() > TOLD { li { "… and " (reasons.len() - TOLD) " other reasons" } }
        }
    }
}

fn shortened(actions: &[String]) -> String {
    let told = actions.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    match actions.len() {
        0..=TOLD => told,
        n => format!("{told}; … and {} more", n - TOLD),
    }
}
