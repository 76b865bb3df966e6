//! Learning curves over the seeds.

use super::panel::{Line, MOST_GROUPS, Panel};
use super::settings::Settings;
use super::{Figure, field, sheet};
use crate::error::ResultsError;
use crate::stored::Stored;
use moelab_engine::plan::SEED_AXIS;
use moelab_stages::frame::read_parquet;
use polars::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Columns of a history that are positions, not quantities.
const POSITIONS: [&str; 2] = ["epoch", "step"];
/// Columns `share_0`, `share_1`, …: one panel for all experts, whose numbers mean nothing across seeds.
const SHARES: &str = "share_";
/// A panel of its own, and its plot.
const SIZE: (u32, u32) = (380, 280);
const COLUMNS: u32 = 3;

/// Histories of one stage: groups of runs that differ in the seed alone.
pub(crate) struct LearningCurves {
    /// Axes that all runs have alike.
    shared: String,
    groups: Vec<Group>,
    /// Settings that have no result.
    without: usize,
    /// Quantities in the order of the histories.
    quantities: Vec<String>,
}

struct Group {
    /// What tells the setting from the others, and all its axes.
    name: String,
    axes: String,
    /// Runs that were asked for.
    expected: usize,
    runs: Vec<Run>,
}

struct Run {
    seed: String,
    columns: BTreeMap<String, Line>,
}

impl LearningCurves {
    /// Reads the histories of these settings; runs that are missing are counted and left out.
    pub(crate) fn read(stored: &Stored<'_>, settings: Settings, output: &str) -> Result<Self, ResultsError> {
        if settings.groups.len() > MOST_GROUPS {
            return Err(ResultsError::NotDrawn(format!(
                "{} settings are too many curves for one drawing (at most {MOST_GROUPS}); choose with --where",
                settings.groups.len()
            )));
        }
        let mut read = Vec::new();
        let mut quantities: Vec<String> = Vec::new();
        for setting in &settings.groups {
            let mut runs = Vec::new();
            for node in setting.nodes.iter().filter(|node| stored.manifest(**node).is_some()) {
                let path = stored.path(*node, output)?;
                let columns = columns(&path).map_err(|source| ResultsError::Unreadable {
                    path,
                    source: Box::new(source),
                })?;
                for (quantity, _) in &columns {
                    if !quantities.contains(quantity) {
                        quantities.push(quantity.clone());
                    }
                }
                let seed = stored.from.plan.graph[*node].axes.get(SEED_AXIS);
                runs.push(Run {
                    seed: seed.map(ToString::to_string).unwrap_or_default(),
                    columns: columns.into_iter().collect(),
                });
            }
            read.push(Group {
                name: setting.name.clone(),
                axes: setting.axes.clone(),
                expected: setting.nodes.len(),
                runs,
            });
        }
        if read.iter().all(|group| group.runs.is_empty()) {
            let first = settings.groups.iter().find_map(|setting| setting.nodes.first());
            stored.finished(*first.expect("a stage has an action"))?;
        }
        Ok(Self {
            shared: settings.shared,
            groups: read,
            without: settings.without,
            quantities,
        })
    }

    /// One quantity alone.
    pub(crate) fn only(mut self, wanted: &str, stage: &str) -> Result<Self, ResultsError> {
        if !self.quantities.iter().any(|quantity| quantity == wanted) {
            let there = self.quantities.join(", ");
            return Err(ResultsError::NotDrawn(format!(
                "the history of `{stage}` has no `{wanted}`; it has {there}"
            )));
        }
        self.quantities.retain(|quantity| quantity == wanted);
        Ok(self)
    }

    fn panels(&self) -> Vec<Panel> {
        let single = self.quantities.iter().filter(|quantity| !quantity.starts_with(SHARES));
        let lines = |wanted: &dyn Fn(&str) -> bool| {
            let of = |group: &Group| {
                let columns = group.runs.iter().flat_map(|run| &run.columns);
                columns
                    .filter(|(name, _)| wanted(name))
                    .map(|(_, line)| line.clone())
                    .collect()
            };
            self.groups.iter().map(of).collect::<Vec<Vec<Line>>>()
        };
        let mut panels: Vec<Panel> = single
            .map(|quantity| Panel {
                title: title(quantity),
                groups: lines(&|name| name == quantity),
                averaged: true,
                ends: Vec::new(),
            })
            .collect();
        if self.has_shares() {
            panels.push(self.shares());
        }
        panels
    }

    fn has_shares(&self) -> bool {
        self.quantities.iter().any(|quantity| quantity.starts_with(SHARES))
    }

    fn runs(&self) -> usize {
        self.groups.iter().map(|group| group.runs.len()).sum()
    }

    /// The share of each expert: by number in one run; in several a number means nothing.
    fn shares(&self) -> Panel {
        let of = |run: &Run| {
            let number = |name: &str| name.strip_prefix(SHARES)?.parse::<usize>().ok();
            let columns = run.columns.iter();
            let experts: BTreeMap<usize, Line> = columns
                .filter_map(|(name, line)| Some((number(name)?, line.clone())))
                .collect();
            experts
        };
        let of_group = |group: &Group| group.runs.iter().flat_map(|run| of(run).into_values()).collect();
        let only = self.groups.iter().flat_map(|group| &group.runs).next();
        let only = only.filter(|_| self.runs() == 1);
        Panel {
            title: match only {
                Some(_) => "share of each expert".to_owned(),
                None => "share of each expert, every run".to_owned(),
            },
            groups: self.groups.iter().map(of_group).collect(),
            averaged: false,
            ends: only.map_or_else(Vec::new, |run| of(run).keys().map(usize::to_string).collect()),
        }
    }

    fn names(&self) -> Vec<String> {
        let name = |group: &Group| match group.runs.len() == group.expected {
            true => group.name.clone(),
            false => format!("{} ({}/{})", group.name, group.runs.len(), group.expected),
        };
        self.groups.iter().map(name).collect()
    }

    /// What a reader should know of the lines.
    fn legend(&self) -> String {
        let (runs, expected) = self.groups.iter().fold((0, 0), |(runs, expected), group| {
            (runs + group.runs.len(), expected + group.expected)
        });
        let gap = if runs < expected {
            format!(" of {expected}")
        } else {
            String::new()
        };
        let mut text = match (runs, self.groups.iter().any(|group| group.runs.len() > 1)) {
            (1, _) => format!("1 run{gap}"),
            (_, false) => format!("{runs} runs{gap}, one per setting"),
            _ => format!("mean and ± 1 std over seeds, single seeds faint; {runs} runs{gap}"),
        };
        if runs > 1 && self.has_shares() {
            text += "; shares: a line per expert, numbered anew in each run";
        }
        if self.without > 0 {
            write!(text, "; settings without a result: {}", self.without).expect("text takes all");
        }
        text
    }

    /// Which runs of a stage are drawn.
    fn subject(&self, stage: &str) -> String {
        format!("{stage} {}", self.shared).trim_end().to_owned()
    }

    /// Which they are, and what a reader should know of the lines.
    pub(crate) fn caption(&self, stage: &str) -> String {
        format!("{}: {}", self.subject(stage), self.legend())
    }

    /// Every panel as a figure of its own.
    pub(crate) fn figures(&self, stage: &str) -> Result<Vec<Figure>, ResultsError> {
        let size = (SIZE.0, Panel::height(self.groups.len(), SIZE.1));
        let names = self.names();
        self.panels()
            .iter()
            .map(|panel| {
                Ok(Figure {
                    title: panel.title.clone(),
                    svg: sheet(size, |area| panel.draw(area, &names))?,
                    alt: format!(
                        "{} of {} over epochs: {}.",
                        panel.title,
                        self.subject(stage),
                        summary(panel, &names)
                    ),
                    csv: self.csv(),
                })
            })
            .collect()
    }

    /// All panels side by side.
    pub(crate) fn figure(&self, stage: &str) -> Result<Figure, ResultsError> {
        let (panels, names) = (self.panels(), self.names());
        let columns = (panels.len() as u32).clamp(1, COLUMNS);
        let rows = (panels.len() as u32).div_ceil(columns);
        let height = Panel::height(self.groups.len(), SIZE.1);
        let caption = self.caption(stage);
        let wide = (super::width_of(&caption) * 1.2) as u32 + 24;
        let svg = sheet(((SIZE.0 * columns).max(wide), height * rows + 34), |area| {
            let area = area.titled(&caption, super::FONT).map_err(super::failed)?;
            let cells = area.split_evenly((rows as usize, columns as usize));
            cells
                .iter()
                .zip(&panels)
                .try_for_each(|(cell, panel)| panel.draw(cell, &names))
        })?;
        let said: Vec<String> = panels
            .iter()
            .map(|panel| format!("{}: {}", panel.title, summary(panel, &names)))
            .collect();
        Ok(Figure {
            title: self.subject(stage),
            svg,
            alt: format!("Learning curves of {caption}. {}.", said.join("; ")),
            csv: self.csv(),
        })
    }

    /// One line per setting, seed, quantity and epoch.
    pub(crate) fn csv(&self) -> String {
        let mut out = "setting,seed,epoch,quantity,value\n".to_owned();
        for group in &self.groups {
            for run in &group.runs {
                for quantity in &self.quantities {
                    for (epoch, value) in run.columns.get(quantity).into_iter().flatten() {
                        let setting = field(&group.axes);
                        writeln!(out, "{setting},{},{epoch},{quantity},{value}", run.seed).expect("text takes all");
                    }
                }
            }
        }
        out
    }
}

/// The quantity in words.
fn title(quantity: &str) -> String {
    match quantity {
        "sample_entropy" => "assignment entropy of a row (nats)".to_owned(),
        // Stored as it enters the loss: Σ p ln p.
        "batch_entropy" => "negative entropy of the mean assignment".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Where the curves of a panel begin and end.
fn summary(panel: &Panel, names: &[String]) -> String {
    if !panel.ends.is_empty() {
        let last = panel.groups.iter().flatten().map(|line| line.last());
        let said = panel.ends.iter().zip(last);
        let said = said.filter_map(|(name, last)| Some(format!("expert {name} {} at the end", super::tick(last?.1))));
        return said.collect::<Vec<_>>().join(", ");
    }
    let said = panel.groups.iter().zip(names).filter_map(|(lines, name)| {
        let rows = super::panel::spread(lines);
        let (first, last) = (rows.first()?, rows.last()?);
        let from = |epoch: f64| format!("epoch {epoch}");
        let name = if names.len() > 1 {
            format!("{name} ")
        } else {
            String::new()
        };
        let (a, b) = (super::tick(first.1), super::tick(last.1));
        Some(format!("{name}{a} at {} to {b} at {}", from(first.0), from(last.0)))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// Quantities in order with their lines; records without a finite value are left out, the last record of an epoch counts.
fn columns(path: &std::path::Path) -> PolarsResult<Vec<(String, Line)>> {
    let frame = read_parquet(path)?;
    let epochs = frame.column("epoch")?.cast(&DataType::Float64)?;
    let epochs = epochs.f64()?;
    let mut columns = Vec::new();
    for column in frame.columns() {
        let name = column.name().as_str();
        if POSITIONS.contains(&name) {
            continue;
        }
        let values = column.cast(&DataType::Float64)?;
        let mut line: Line = Vec::new();
        for (epoch, value) in epochs.iter().zip(values.f64()?.iter()) {
            let (Some(epoch), Some(value)) = (epoch, value.filter(|value| value.is_finite())) else {
                continue;
            };
            line.pop_if(|last| last.0 == epoch);
            line.push((epoch, value));
        }
        columns.push((name.to_owned(), line));
    }
    Ok(columns)
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
