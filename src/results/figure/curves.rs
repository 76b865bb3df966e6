//! Learning curves over the seeds.

use super::panel::{Line, MOST_GROUPS, Panel};
use super::{Figure, field, sheet};
use crate::error::ResultsError;
use crate::stored::Stored;
use moelab_engine::plan::NodeId;
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
    groups: Vec<Group>,
    /// Quantities in the order of the histories.
    quantities: Vec<String>,
}

struct Group {
    name: String,
    /// Runs that were asked for.
    expected: usize,
    runs: Vec<Run>,
}

struct Run {
    seed: String,
    columns: BTreeMap<String, Line>,
}

impl LearningCurves {
    /// Reads the histories of these groups of actions; runs that are missing are counted and left out.
    pub(crate) fn read(
        stored: &Stored<'_>,
        groups: &[(String, Vec<NodeId>)],
        output: &str,
    ) -> Result<Self, ResultsError> {
        if groups.len() > MOST_GROUPS {
            return Err(ResultsError::NotDrawn(format!(
                "{} settings are too many curves for one drawing (at most {MOST_GROUPS}); choose with --where",
                groups.len()
            )));
        }
        let mut read = Vec::new();
        let mut quantities: Vec<String> = Vec::new();
        for (name, nodes) in groups {
            let mut runs = Vec::new();
            for node in nodes.iter().filter(|node| stored.manifest(**node).is_some()) {
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
                let seed = stored.from.plan.graph[*node].axes.get(moelab_engine::plan::SEED_AXIS);
                runs.push(Run {
                    seed: seed.map(ToString::to_string).unwrap_or_default(),
                    columns: columns.into_iter().collect(),
                });
            }
            read.push(Group {
                name: name.clone(),
                expected: nodes.len(),
                runs,
            });
        }
        if read.iter().all(|group| group.runs.is_empty()) {
            let first = groups.iter().find_map(|(_, nodes)| nodes.first());
            stored.finished(*first.expect("a stage has an action"))?;
        }
        Ok(Self {
            groups: read,
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
            })
            .collect();
        if self.quantities.iter().any(|quantity| quantity.starts_with(SHARES)) {
            panels.push(Panel {
                title: "share of each expert, every run".to_owned(),
                groups: lines(&|name| name.starts_with(SHARES)),
                averaged: false,
            });
        }
        panels
    }

    fn names(&self) -> Vec<String> {
        let name = |group: &Group| match group.runs.len() == group.expected {
            true => group.name.clone(),
            false => format!("{} ({}/{})", group.name, group.runs.len(), group.expected),
        };
        self.groups.iter().map(name).collect()
    }

    /// What a reader should know of the lines.
    pub(crate) fn legend(&self) -> String {
        let (runs, expected) = self.groups.iter().fold((0, 0), |(runs, expected), group| {
            (runs + group.runs.len(), expected + group.expected)
        });
        let gap = if runs < expected {
            format!(" of {expected}")
        } else {
            String::new()
        };
        match (runs, self.groups.iter().any(|group| group.runs.len() > 1)) {
            (1, _) => format!("1 run{gap}"),
            (_, false) => format!("{runs} runs{gap}, one per setting"),
            _ => format!("mean and ± 1 std over seeds, single seeds faint; {runs} runs{gap}"),
        }
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
                    alt: format!("{} of {stage} over epochs: {}.", panel.title, summary(panel, &names)),
                    csv: self.csv(),
                })
            })
            .collect()
    }

    /// All panels side by side.
    pub(crate) fn figure(&self, title: &str) -> Result<Figure, ResultsError> {
        let (panels, names) = (self.panels(), self.names());
        let columns = (panels.len() as u32).clamp(1, COLUMNS);
        let rows = (panels.len() as u32).div_ceil(columns);
        let height = Panel::height(self.groups.len(), SIZE.1);
        let caption = format!("{title}: {}", self.legend());
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
            title: title.to_owned(),
            svg,
            alt: format!("Learning curves, {}. {}.", self.legend(), said.join("; ")),
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
                        let setting = field(&group.name);
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
mod tests {
    use super::*;

    fn curves(values: &[&[f64]], expected: usize) -> LearningCurves {
        let run = |(seed, values): (usize, &&[f64])| {
            let line: Line = values.iter().enumerate().map(|(i, y)| (i as f64 + 1.0, *y)).collect();
            Run {
                seed: seed.to_string(),
                columns: [("loss".to_owned(), line.clone()), ("share_0".to_owned(), line)].into(),
            }
        };
        LearningCurves {
            groups: vec![Group {
                name: "alpha=1, beta=2".into(),
                expected,
                runs: values.iter().enumerate().map(run).collect(),
            }],
            quantities: vec!["loss".into(), "share_0".into()],
        }
    }

    #[test]
    fn every_seed_is_a_line_beside_the_mean_and_the_band() {
        let figures = curves(&[&[3.0, 2.0], &[5.0, 2.0]], 2).figures("vae").unwrap();
        let loss = &figures[0].svg;
        let lines = |width: &str| {
            loss.matches(&format!("stroke=\"#0072B2\" stroke-width=\"{width}\""))
                .count()
        };
        assert_eq!((lines("3"), lines("1")), (1, 2), "{loss}");
        assert_eq!(loss.matches("<polygon").count(), 1, "the band");
        assert!(
            figures[0].alt.contains("4 at epoch 1 to 2 at epoch 2"),
            "{}",
            figures[0].alt
        );
    }

    #[test]
    fn shares_of_experts_are_not_averaged_over_seeds() {
        let figures = curves(&[&[3.0, 2.0], &[5.0, 2.0]], 2).figures("moe").unwrap();
        assert!(figures[1].title.contains("share of each expert"));
        assert_eq!(figures[1].svg.matches("<polygon").count(), 0);
    }

    #[test]
    fn one_run_has_neither_mean_nor_band() {
        let one = curves(&[&[3.0, 2.0]], 1);
        assert_eq!(one.figure("vae").unwrap().svg.matches("<polygon").count(), 0);
        assert_eq!(one.legend(), "1 run");
    }

    #[test]
    fn missing_runs_are_said() {
        let gap = curves(&[&[3.0], &[2.0]], 5);
        assert!(gap.legend().contains("2 runs of 5"));
        assert_eq!(gap.names(), ["alpha=1, beta=2 (2/5)"]);
    }

    #[test]
    fn the_numbers_are_those_drawn() {
        let csv = curves(&[&[3.0, 2.5]], 1).only("loss", "vae").unwrap().csv();
        assert_eq!(
            csv,
            "setting,seed,epoch,quantity,value\n\"alpha=1, beta=2\",0,1,loss,3\n\"alpha=1, beta=2\",0,2,loss,2.5\n"
        );
    }

    #[test]
    fn an_unknown_quantity_tells_those_there_are() {
        let Err(error) = curves(&[&[1.0]], 1).only("los", "vae") else {
            panic!("`los` was found");
        };
        assert!(error.to_string().contains("it has loss, share_0"));
    }

    #[test]
    fn the_last_record_of_an_epoch_counts_and_gaps_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h");
        let mut frame = df!("epoch" => [1_u32, 1, 2], "step" => [1_u64, 2, 3], "a" => [1.0, 2.0, f64::NAN]).unwrap();
        moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
        assert_eq!(columns(&path).unwrap(), [("a".to_owned(), vec![(1.0, 2.0)])]);
    }
}
