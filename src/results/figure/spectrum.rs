//! How many latent dimensions the data need: explained variance over components, with the dimension that was chosen.

use super::{COLOURS, FONT, Figure, SMALL, colour, failed, field, sheet};
use crate::error::ResultsError;
use crate::stored::Stored;
use moelab_engine::plan::NodeId;
use moelab_stages::frame::{read_parquet, whole};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use polars::prelude::*;
use std::fmt::Write;
use std::path::Path;

const SIZE: (u32, u32) = (640, 420);
/// Names told of those that chose alike.
const MOST_NAMES: usize = 10;

/// Spectra of the latent finder: of all rows, or one per cluster.
pub(crate) struct ExplainedVariance {
    /// The share that was to be kept.
    wanted: f64,
    curves: Vec<Curve>,
}

struct Curve {
    name: String,
    /// Cumulative share of the variance from the first component on.
    cumulative: Vec<f64>,
    chosen: usize,
}

impl ExplainedVariance {
    /// Reads the spectra of these actions, each with its name; those that have not run are left out, if one has.
    pub(crate) fn read(stored: &Stored<'_>, nodes: &[(String, NodeId)], output: &str) -> Result<Self, ResultsError> {
        let mut read = Self {
            wanted: 0.0,
            curves: Vec::new(),
        };
        for (name, node) in nodes {
            let Some(manifest) = stored.manifest(*node) else {
                continue;
            };
            let path = stored.path(*node, output)?;
            let spectra = spectra(&path).map_err(|source| ResultsError::Unreadable {
                path,
                source: Box::new(source),
            })?;
            let chosen = manifest.values.get("latent_dim");
            let chosen = |i: usize| {
                let value = chosen.and_then(|value| value.get(i).unwrap_or(value).as_u64());
                value.map_or(0, |value| value as usize)
            };
            read.wanted = manifest.action.config["variance"].as_f64().unwrap_or(0.0);
            for (i, (cluster, cumulative)) in spectra.into_iter().enumerate() {
                let own = if cluster < 0 {
                    String::new()
                } else {
                    format!("cluster {cluster}")
                };
                let name = [name.as_str(), own.as_str()]
                    .iter()
                    .filter(|part| !part.is_empty())
                    .copied()
                    .collect::<Vec<_>>();
                read.curves.push(Curve {
                    name: name.join(", "),
                    cumulative,
                    chosen: chosen(i),
                });
            }
        }
        if read.curves.is_empty() {
            stored.finished(nodes.first().expect("a stage has an action").1)?;
        }
        Ok(read)
    }

    pub(crate) fn figure(&self, title: &str) -> Result<Figure, ResultsError> {
        let most = self
            .curves
            .iter()
            .map(|curve| curve.cumulative.len())
            .max()
            .unwrap_or(1)
            .max(2);
        let least = self
            .curves
            .iter()
            .filter_map(|curve| curve.cumulative.first())
            .fold(1.0_f64, |a, b| a.min(*b));
        let svg = sheet(SIZE, |area| {
            let mut chart = ChartBuilder::on(area)
                .caption(title, FONT)
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(64)
                .build_cartesian_2d(0.5..most as f64 + 0.5, (least - 0.08).max(0.0)..1.02)
                .map_err(failed)?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.12))
                .x_desc("principal components of the posterior means")
                .y_desc("explained variance")
                .x_label_formatter(&|x| format!("{x:.0}"))
                .y_label_formatter(&|y| format!("{:.0} %", 100.0 * y))
                .label_style(SMALL)
                .axis_desc_style(SMALL)
                .draw()
                .map_err(failed)?;
            let line = [(0.5, self.wanted), (most as f64 + 0.5, self.wanted)];
            chart
                .draw_series([PathElement::new(line, BLACK.mix(0.5).stroke_width(1))])
                .map_err(failed)?;
            let one = self.curves.len() == 1;
            for (i, curve) in self.curves.iter().enumerate() {
                let colour = if one { COLOURS[0] } else { colour(i) };
                let points = curve
                    .cumulative
                    .iter()
                    .enumerate()
                    .map(|(c, share)| (c as f64 + 1.0, *share));
                chart
                    .draw_series([PathElement::new(points.collect::<Vec<_>>(), colour.stroke_width(2))])
                    .map_err(failed)?;
            }
            // Above all lines, so that none hides a mark.
            for (i, curve) in self.curves.iter().enumerate() {
                let Some(at) = curve.at_chosen() else { continue };
                let colour = if one { COLOURS[3] } else { colour(i) };
                chart
                    .draw_series([Circle::new(at, 6, colour.filled())])
                    .map_err(failed)?;
                chart
                    .draw_series([Circle::new(at, 6, BLACK.stroke_width(1))])
                    .map_err(failed)?;
            }
            let style = SMALL.into_text_style(area).color(&BLACK);
            let words = self.words();
            for (i, text) in words.iter().enumerate() {
                let (right, y) = (
                    SIZE.0 as i32 - 30,
                    SIZE.1 as i32 - 70 - 19 * (words.len() - 1 - i) as i32,
                );
                let style = style.clone().pos(Pos::new(HPos::Right, VPos::Bottom));
                area.draw(&Text::new(text.clone(), (right, y), style)).map_err(failed)?;
            }
            Ok(())
        })?;
        Ok(Figure {
            title: title.to_owned(),
            svg,
            alt: format!(
                "Cumulative explained variance over components. {}.",
                self.words().join("; ")
            ),
            csv: self.csv(),
        })
    }

    /// What was chosen, in a few lines: curves that chose alike share one.
    fn words(&self) -> Vec<String> {
        let mut by_size: std::collections::BTreeMap<usize, Vec<&str>> = std::collections::BTreeMap::new();
        for curve in &self.curves {
            by_size.entry(curve.chosen).or_default().push(&curve.name);
        }
        let line = |(size, names): (usize, Vec<&str>)| match self.curves.len() {
            1 => format!("chosen: {size} components, for {:.0} %", 100.0 * self.wanted),
            _ => format!("{size} components: {}", listed(&names)),
        };
        let mut words: Vec<String> = by_size.into_iter().map(line).collect();
        if self.curves.len() > 1 {
            words.insert(0, format!("chosen for {:.0} % of the variance", 100.0 * self.wanted));
        }
        words
    }

    fn csv(&self) -> String {
        let mut out = "curve,component,cumulative,chosen\n".to_owned();
        for curve in &self.curves {
            for (c, share) in curve.cumulative.iter().enumerate() {
                let chosen = c + 1 == curve.chosen;
                writeln!(out, "{},{},{share},{chosen}", field(&curve.name), c + 1).expect("text takes all");
            }
        }
        out
    }
}

impl Curve {
    fn at_chosen(&self) -> Option<(f64, f64)> {
        let share = self.cumulative.get(self.chosen.checked_sub(1)?)?;
        Some((self.chosen as f64, *share))
    }
}

/// `cluster 2, 3, 5`: what names have in common is said once.
fn listed(names: &[&str]) -> String {
    let split = |name: &&str| name.rsplit_once([' ', '=']).map(|(front, _)| front.len() + 1);
    let front = names.first().and_then(split).map_or("", |end| &names[0][..end]);
    let (told, left) = names.split_at(names.len().min(MOST_NAMES));
    let rest = told.iter().skip(1).map(|name| name.strip_prefix(front).unwrap_or(name));
    let mut text: Vec<&str> = told.first().copied().into_iter().chain(rest).collect();
    let more = format!("… ({} more)", left.len());
    if !left.is_empty() {
        text.push(&more);
    }
    text.join(", ")
}

/// Cluster (−1: all rows) and cumulative shares, in order of the file.
fn spectra(path: &Path) -> PolarsResult<Vec<(i32, Vec<f64>)>> {
    let frame = read_parquet(path)?;
    let cluster = whole(&frame, "cluster")?.i32()?.clone();
    let cumulative = whole(&frame, "cumulative")?.f64()?.clone();
    let mut spectra: Vec<(i32, Vec<f64>)> = Vec::new();
    for (cluster, share) in cluster.into_no_null_iter().zip(cumulative.into_no_null_iter()) {
        match spectra.last_mut() {
            Some((last, shares)) if *last == cluster => shares.push(share),
            _ => spectra.push((cluster, vec![share])),
        }
    }
    Ok(spectra)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variance(chosen: &[usize]) -> ExplainedVariance {
        let curve = |(i, chosen): (usize, &usize)| Curve {
            name: format!("cluster {i}"),
            cumulative: vec![0.5, 0.8, 1.0],
            chosen: *chosen,
        };
        ExplainedVariance {
            wanted: 0.75,
            curves: chosen.iter().enumerate().map(curve).collect(),
        }
    }

    #[test]
    fn the_chosen_dimension_is_marked_and_said() {
        let figure = variance(&[2]).figure("latent_size").unwrap();
        assert_eq!(figure.svg.matches("<circle").count(), 2, "a disc and its edge");
        assert!(figure.alt.contains("chosen: 2 components, for 75 %"), "{}", figure.alt);
        assert!(figure.csv.contains("cluster 0,2,0.8,true\ncluster 0,3,1,false\n"));
    }

    #[test]
    fn curves_that_chose_alike_share_a_line_of_text() {
        let words = variance(&[2, 3, 2]).words();
        assert_eq!(
            words,
            [
                "chosen for 75 % of the variance",
                "2 components: cluster 0, 2",
                "3 components: cluster 1"
            ]
        );
    }

    #[test]
    fn many_names_are_cut_and_different_ones_told_whole() {
        let names: Vec<String> = (0..12).map(|seed| format!("seed={seed}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(listed(&names), "seed=0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (2 more)");
        assert_eq!(
            listed(&["alpha=1 seed=0", "alpha=2 seed=0"]),
            "alpha=1 seed=0, alpha=2 seed=0"
        );
    }

    #[test]
    fn a_spectrum_reads_back_by_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mut frame = df!("cluster" => [0, 0, 1], "component" => [1_u32, 2, 1], "ratio" => [0.5, 0.5, 1.0], "cumulative" => [0.5, 1.0, 1.0]).unwrap();
        moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
        assert_eq!(spectra(&path).unwrap(), [(0, vec![0.5, 1.0]), (1, vec![1.0])]);
    }
}
