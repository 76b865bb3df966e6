//! How many latent dimensions the data need: explained variance over components, with the dimension that was chosen.

use super::settings::Settings;
use super::{COLOURS, FONT, Figure, SMALL, Sheet, colour, failed, field, sheet, strokes, width_of};
use crate::error::ResultsError;
use crate::stored::Stored;
use moelab_engine::plan::select::describe;
use moelab_engine::plan::{NodeId, SEED_AXIS};
use moelab_stages::frame::{read_parquet, whole};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use polars::prelude::*;
use std::fmt::Write;
use std::path::Path;

const SIZE: (u32, u32) = (640, 420);
/// A line of the legend below the plot, what stands before its text, and what stands about it.
const LINE: u32 = 20;
const SWATCH: u32 = 40;
const MARGIN: u32 = 14;

/// Spectra of the latent finder: of all rows, or one per cluster.
pub(crate) struct ExplainedVariance {
    /// Axes that all actions have alike.
    shared: String,
    /// The shares that were to be kept, ascending.
    wanted: Vec<f64>,
    /// What has a colour of its own: settings; of one setting, seeds; of one action, clusters.
    groups: Vec<String>,
    curves: Vec<Curve>,
}

struct Curve {
    name: String,
    /// Which of the groups.
    group: usize,
    /// Cumulative share of the variance from the first component on.
    cumulative: Vec<f64>,
    chosen: usize,
}

impl ExplainedVariance {
    /// Reads the spectra of these actions; those that have not run are left out, if one has.
    pub(crate) fn read(stored: &Stored<'_>, nodes: &[NodeId], output: &str) -> Result<Self, ResultsError> {
        let settings = Settings::of(stored, nodes);
        let mut read = Self {
            shared: settings.shared,
            wanted: Vec::new(),
            groups: Vec::new(),
            curves: Vec::new(),
        };
        let done = nodes.iter().filter(|node| stored.manifest(**node).is_some()).count();
        let runs = (settings.groups.iter()).flat_map(|setting| setting.nodes.iter().map(move |node| (setting, *node)));
        for (setting, node) in runs {
            let Some(manifest) = stored.manifest(node) else {
                continue;
            };
            let path = stored.path(node, output)?;
            let spectra = spectra(&path).map_err(|source| ResultsError::Unreadable {
                path,
                source: Box::new(source),
            })?;
            let chosen = manifest.values.get("latent_dim");
            let chosen = |i: usize| {
                let value = chosen.and_then(|value| value.get(i).unwrap_or(value).as_u64());
                value.map_or(0, |value| value as usize)
            };
            read.want(manifest.action.config["variance"].as_f64().unwrap_or(0.0));
            let axes = &stored.from.plan.graph[node].axes;
            for (i, (cluster, cumulative)) in spectra.into_iter().enumerate() {
                let own = (cluster >= 0).then(|| format!("cluster {cluster}"));
                let group = match (settings.groups.len(), done) {
                    (1, 1) => own.clone().unwrap_or_default(),
                    (1, _) => axes
                        .get(SEED_AXIS)
                        .map_or_else(String::new, |seed| format!("seed={seed}")),
                    _ => setting.name.clone(),
                };
                let action = (done > 1).then(|| describe(axes));
                let curve = Curve {
                    name: action.into_iter().chain(own).collect::<Vec<_>>().join(", "),
                    group: read.group(group),
                    cumulative,
                    chosen: chosen(i),
                };
                read.curves.push(curve);
            }
        }
        if read.curves.is_empty() {
            stored.finished(*nodes.first().expect("a stage has an action"))?;
        }
        Ok(read)
    }

    fn want(&mut self, share: f64) {
        if !self.wanted.contains(&share) {
            self.wanted.push(share);
            self.wanted.sort_by(f64::total_cmp);
        }
    }

    /// The number of a group, which may be new.
    fn group(&mut self, name: String) -> usize {
        let known = self.groups.iter().position(|group| *group == name);
        known.unwrap_or_else(|| {
            self.groups.push(name);
            self.groups.len() - 1
        })
    }

    pub(crate) fn figure(&self, stage: &str) -> Result<Figure, ResultsError> {
        let title = format!("{stage} {}", self.shared).trim_end().to_owned();
        let (heading, entries) = (self.heading(), self.entries());
        let width = |text: &String| width_of(text) as u32;
        let cell = entries.iter().map(width).max().unwrap_or(0) + SWATCH + 2 * MARGIN;
        let wide = [
            SIZE.0,
            cell,
            width(&heading) + 2 * MARGIN,
            (width_of(&title) * 1.2) as u32,
        ];
        let wide = wide.into_iter().max().unwrap_or(SIZE.0);
        let lines = (entries.len() as u32).div_ceil(wide / cell);
        let svg = sheet((wide, SIZE.1 + LINE * (1 + lines) + MARGIN), |area| {
            let (plot, legend) = area.split_vertically(SIZE.1);
            self.plot(&plot, &title)?;
            let ink = SMALL.into_text_style(area).color(&BLACK);
            let put = |text: &str, at: (i32, i32)| legend.draw(&Text::new(text.to_owned(), at, ink.clone()));
            put(&heading, (MARGIN as i32, 0)).map_err(failed)?;
            for (i, entry) in entries.iter().enumerate() {
                let (column, place) = (i as u32 / lines, i as u32 % lines);
                let (x, y) = ((column * cell + MARGIN) as i32, (LINE * (1 + place)) as i32);
                for part in line(&[(x, y + 7), (x + 28, y + 7)], i, 3) {
                    legend.draw(&part).map_err(failed)?;
                }
                put(entry, (x + SWATCH as i32, y)).map_err(failed)?;
            }
            Ok(())
        })?;
        let said: Vec<String> = std::iter::once(heading).chain(entries).collect();
        Ok(Figure {
            alt: format!("Cumulative explained variance over components. {}.", said.join("; ")),
            title,
            svg,
            csv: self.csv(),
        })
    }

    fn plot(&self, area: &Sheet<'_>, title: &str) -> Result<(), ResultsError> {
        let lengths = self.curves.iter().map(|curve| curve.cumulative.len());
        let most = lengths.max().unwrap_or(1).max(2);
        let firsts = self.curves.iter().filter_map(|curve| curve.cumulative.first());
        let least = firsts.fold(1.0_f64, |a, b| a.min(*b));
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
        for wanted in &self.wanted {
            let across = [(0.5, *wanted), (most as f64 + 0.5, *wanted)];
            chart
                .draw_series([PathElement::new(across, BLACK.mix(0.5).stroke_width(1))])
                .map_err(failed)?;
        }
        for curve in &self.curves {
            let shares = curve.cumulative.iter().enumerate();
            let points: Vec<(f64, f64)> = shares.map(|(c, share)| (c as f64 + 1.0, *share)).collect();
            chart.draw_series(line(&points, curve.group, 2)).map_err(failed)?;
        }
        // Above all lines, so that none hides a mark.
        for curve in &self.curves {
            let Some(at) = curve.at_chosen() else { continue };
            let colour = if self.curves.len() == 1 {
                COLOURS[3]
            } else {
                colour(curve.group)
            };
            chart
                .draw_series([Circle::new(at, 6, colour.filled())])
                .map_err(failed)?;
            chart
                .draw_series([Circle::new(at, 6, BLACK.stroke_width(1))])
                .map_err(failed)?;
        }
        Ok(())
    }

    /// What decided, and of one curve what was chosen.
    fn heading(&self) -> String {
        let wanted: Vec<String> = self
            .wanted
            .iter()
            .map(|share| format!("{:.0} %", 100.0 * share))
            .collect();
        let wanted = wanted.join(" or ");
        match &self.curves[..] {
            [only] => format!("chosen: {}, for {wanted}", components(&[only])),
            _ => format!("chosen for {wanted} of the variance"),
        }
    }

    /// What was chosen in each group; one curve alone needs no legend.
    fn entries(&self) -> Vec<String> {
        if self.curves.len() == 1 {
            return Vec::new();
        }
        let entry = |(group, name): (usize, &String)| {
            let own: Vec<&Curve> = self.curves.iter().filter(|curve| curve.group == group).collect();
            format!("{name}: {}", components(&own))
        };
        self.groups.iter().enumerate().map(entry).collect()
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

/// `14 components`, or from the least to the greatest.
fn components(curves: &[&Curve]) -> String {
    let sizes = || curves.iter().map(|curve| curve.chosen);
    match (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0)) {
        (1, 1) => "1 component".to_owned(),
        (least, most) if least == most => format!("{most} components"),
        (least, most) => format!("{least} to {most} components"),
    }
}

/// A line of a group, dashed where the colours begin again.
fn line<'b, C: Clone + 'static>(points: &[C], group: usize, width: u32) -> Vec<DynElement<'static, SVGBackend<'b>, C>> {
    let dashed = group / COLOURS.len() % 2 == 1;
    let part = |stroke: ShapeStyle| match dashed {
        true => DashedPathElement::new(points.to_vec(), 6, 4, stroke).into_dyn(),
        false => PathElement::new(points.to_vec(), stroke).into_dyn(),
    };
    strokes(group, width).into_iter().map(part).collect()
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

    fn variance(chosen: &[usize], groups: usize) -> ExplainedVariance {
        let curve = |(i, chosen): (usize, &usize)| Curve {
            name: format!("cluster {i}"),
            group: i % groups,
            cumulative: vec![0.5, 0.8, 1.0],
            chosen: *chosen,
        };
        ExplainedVariance {
            shared: "seed=0".into(),
            wanted: vec![0.75],
            groups: (0..groups).map(|i| format!("cluster {i}")).collect(),
            curves: chosen.iter().enumerate().map(curve).collect(),
        }
    }

    #[test]
    fn the_chosen_dimension_is_marked_and_said() {
        let figure = variance(&[2], 1).figure("latent_size").unwrap();
        assert_eq!(figure.title, "latent_size seed=0");
        assert_eq!(figure.svg.matches("<circle").count(), 2, "a disc and its edge");
        assert!(figure.alt.contains("chosen: 2 components, for 75 %"), "{}", figure.alt);
        assert!(figure.csv.contains("cluster 0,2,0.8,true\ncluster 0,3,1,false\n"));
    }

    #[test]
    fn a_legend_names_each_group_once() {
        let all = variance(&[2, 1, 3, 1], 2);
        assert_eq!(all.heading(), "chosen for 75 % of the variance");
        assert_eq!(
            all.entries(),
            ["cluster 0: 2 to 3 components", "cluster 1: 1 component"]
        );
        let svg = all.figure("sizes").unwrap().svg;
        assert_eq!(svg.matches("cluster 0: 2 to 3 components").count(), 1, "{svg}");
    }

    #[test]
    fn groups_beyond_the_colours_are_dashed_and_long_names_widen_the_sheet() {
        let many = |groups: usize| variance(&vec![2; groups], groups).figure("sizes").unwrap().svg;
        let blue = |svg: &str| svg.matches("stroke=\"#0072B2\"").count();
        assert!(blue(&many(11)) > blue(&many(10)) + 2, "a dash is a line of its own");
        let mut long = variance(&[2, 2], 2);
        long.groups[0] = "a".repeat(100);
        let svg = long.figure("sizes").unwrap().svg;
        assert!(svg.starts_with("<svg width=\"9"), "{}", &svg[..60]);
    }

    #[test]
    fn every_share_that_was_wanted_is_said_once() {
        let mut two = variance(&[2, 2], 2);
        two.want(0.95);
        two.want(0.75);
        assert_eq!(two.heading(), "chosen for 75 % or 95 % of the variance");
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
