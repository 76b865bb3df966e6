//! A small chart of curves over epochs: one quantity, several groups of runs.

use super::{COLOURS, SMALL, Sheet, colour, failed, strokes, tick};
use crate::error::ResultsError;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::collections::BTreeMap;

/// Groups that can be told apart as lines and bands; yellow on white cannot.
pub(crate) const MOST_GROUPS: usize = COLOURS.len() - 1;
/// Height of a line of the legend.
const LEGEND: u32 = 18;
/// Room between the names of two lines, and for the names beside the plot.
const GAP: i32 = 13;
const NAMES: u32 = 40;

/// The plot of a panel.
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One line: epochs and values.
pub(super) type Line = Vec<(f64, f64)>;

/// One quantity.
pub(super) struct Panel {
    pub(super) title: String,
    /// Per group: its runs, one line per seed or, where the lines of a run are several, all of them.
    pub(super) groups: Vec<Vec<Line>>,
    /// Whether the lines of a group repeat one measurement, so that a mean says something.
    pub(super) averaged: bool,
    /// The name of each line of the only run, told where it ends; empty where lines have none.
    pub(super) ends: Vec<String>,
}

/// Mean and sample standard deviation at each epoch that any line has; no deviation from one line alone.
pub(super) fn spread(lines: &[Line]) -> Vec<(f64, f64, Option<f64>)> {
    let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (epoch, value) in lines.iter().flatten() {
        // Epochs are whole and not negative: their order is that of their bits.
        at.entry(epoch.to_bits()).or_default().push(*value);
    }
    let row = |(epoch, values): (u64, Vec<f64>)| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (f64::from_bits(epoch), mean, deviation)
    };
    at.into_iter().map(row).collect()
}

impl Panel {
    pub(super) fn draw(&self, area: &Sheet<'_>, names: &[String]) -> Result<(), ResultsError> {
        let (heading, rest) = area.split_vertically(28 + Self::height(names.len(), 0));
        let ink = SMALL.into_font().color(&BLACK);
        let bold = ("sans-serif", 16).into_font().style(FontStyle::Bold).color(&BLACK);
        heading
            .draw(&Text::new(self.title.clone(), (12, 8), bold))
            .map_err(failed)?;
        if names.len() > 1 {
            let drawn = (0..names.len()).filter(|&i| !self.groups[i].iter().all(Vec::is_empty));
            for (place, i) in drawn.enumerate() {
                let y = 28 + place as i32 * LEGEND as i32;
                let line = PathElement::new([(14, y + 7), (38, y + 7)], COLOURS[i].stroke_width(3));
                heading.draw(&line).map_err(failed)?;
                heading
                    .draw(&Text::new(names[i].clone(), (44, y), ink.clone()))
                    .map_err(failed)?;
            }
        }
        let points = || self.groups.iter().flatten().flatten();
        let (first, last) = range(points().map(|point| point.0));
        let (low, high) = range(points().map(|point| point.1));
        let margin = if high > low {
            0.06 * (high - low)
        } else {
            high.abs().max(1.0) * 0.05
        };
        let mut chart = ChartBuilder::on(&rest)
            .margin_right(if self.ends.is_empty() { 16 } else { NAMES })
            .margin_bottom(6)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(first..last.max(first + 1.0), low - margin..high + margin)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .x_labels(5)
            .y_labels(5)
            .x_desc("epoch")
            .x_label_formatter(&|x| if x.fract() == 0.0 { tick(*x) } else { String::new() })
            .y_label_formatter(&|y| tick(*y))
            .label_style(SMALL)
            .axis_desc_style(SMALL)
            .draw()
            .map_err(failed)?;
        if !self.ends.is_empty() {
            return self.draw_named(&mut chart);
        }
        for (lines, colour) in self.groups.iter().zip(COLOURS) {
            let alone = lines.len() == 1;
            if self.averaged && !alone {
                let rows = spread(lines);
                let banded = rows
                    .iter()
                    .filter_map(|(epoch, mean, deviation)| Some((*epoch, *mean, (*deviation)?)));
                let upper = banded.clone().map(|(epoch, mean, deviation)| (epoch, mean + deviation));
                let lower = banded.rev().map(|(epoch, mean, deviation)| (epoch, mean - deviation));
                let band: Line = upper.chain(lower).collect();
                if band.len() > 2 {
                    let clipped = band.into_iter().map(|(x, y)| (x, y.clamp(low - margin, high + margin)));
                    let shape = Polygon::new(clipped.collect::<Line>(), colour.mix(0.18));
                    chart.draw_series([shape]).map_err(failed)?;
                }
                let mean: Line = rows.iter().map(|(epoch, mean, _)| (*epoch, *mean)).collect();
                for line in lines {
                    trace(&mut chart, line, colour.mix(0.4).stroke_width(1))?;
                }
                trace(&mut chart, &mean, colour.stroke_width(3))?;
            } else {
                let style = if alone {
                    colour.stroke_width(2)
                } else {
                    colour.mix(0.6).stroke_width(1)
                };
                for line in lines {
                    trace(&mut chart, line, style)?;
                }
            }
        }
        Ok(())
    }

    /// Lines in colours of their own, each with its name where it ends.
    fn draw_named(&self, chart: &mut Chart<'_, '_>) -> Result<(), ResultsError> {
        let lines: Vec<&Line> = self.groups.iter().flatten().collect();
        for (i, line) in lines.iter().enumerate() {
            for stroke in strokes(i, 2) {
                trace(chart, line, stroke)?;
            }
        }
        let mut ends: Vec<(i32, usize, (f64, f64))> = (lines.iter().enumerate())
            .filter_map(|(i, line)| line.last().map(|last| (chart.backend_coord(last).1, i, *last)))
            .collect();
        ends.sort_by_key(|(y, i, _)| (*y, *i));
        let range = chart.y_range();
        let [top, foot] = [range.end, range.start].map(|y| chart.backend_coord(&(chart.x_range().end, y)).1);
        // Where not all names have room, the ends of the order are told.
        if ends.len() as i32 * GAP > foot - top + GAP {
            ends = [ends[0], ends[ends.len() - 1]].into();
        }
        let wanted: Vec<i32> = ends.iter().map(|(y, ..)| *y).collect();
        let ink = SMALL.into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        for ((y, i, last), put) in ends.into_iter().zip(spaced(&wanted, GAP, foot)) {
            let lead = PathElement::new([(2, 0), (12, put - y)], colour(i).stroke_width(1));
            let name = Text::new(self.ends[i].clone(), (15, put - y), ink.clone());
            chart
                .draw_series([EmptyElement::at(last) + lead + name])
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The height of a panel with so many groups, for a plot of `plot` units.
    pub(super) fn height(groups: usize, plot: u32) -> u32 {
        plot + if groups > 1 { groups as u32 * LEGEND } else { 0 }
    }
}

/// A line; of a single epoch a point, and nothing where the run has no such column.
fn trace(chart: &mut Chart<'_, '_>, line: &Line, style: ShapeStyle) -> Result<(), ResultsError> {
    let drawn = match &line[..] {
        [] => return Ok(()),
        [point] => chart.draw_series([Circle::new(*point, 2, style.filled())]).map(drop),
        _ => chart.draw_series([PathElement::new(line.clone(), style)]).map(drop),
    };
    drawn.map_err(failed)
}

/// Ascending places with at least this gap, moved down and, where that passes the foot, up.
fn spaced(wanted: &[i32], gap: i32, foot: i32) -> Vec<i32> {
    let mut put: Vec<i32> = Vec::new();
    for &y in wanted {
        put.push(put.last().map_or(y, |last| y.max(last + gap)));
    }
    let mut most = foot;
    for y in put.iter_mut().rev() {
        *y = (*y).min(most);
        most = *y - gap;
    }
    put
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_the_sample_deviation_where_two_runs_have_the_epoch() {
        let lines = [vec![(1.0, 1.0), (2.0, 5.0)], vec![(1.0, 3.0)]];
        let two = 2.0_f64;
        assert_eq!(spread(&lines), [(1.0, 2.0, Some(two.sqrt())), (2.0, 5.0, None)]);
    }

    #[test]
    fn names_that_would_hide_each_other_are_moved() {
        assert_eq!(spaced(&[10, 12, 60], 13, 100), [10, 23, 60]);
        assert_eq!(spaced(&[90, 95, 100], 13, 100), [74, 87, 100]);
    }

    #[test]
    fn a_group_without_a_curve_is_not_in_the_legend() {
        let panel = Panel {
            title: "kl".into(),
            groups: vec![vec![vec![(1.0, 2.0), (2.0, 1.0)]], vec![vec![]]],
            averaged: true,
            ends: vec![],
        };
        let names = ["variant=vae".to_owned(), "variant=wae".to_owned()];
        let svg = super::super::sheet((380, 300), |area| panel.draw(area, &names)).unwrap();
        assert!(svg.contains("variant=vae") && !svg.contains("variant=wae"), "{svg}");
        assert!(!svg.contains("points=\"\""), "{svg}");
    }

    #[test]
    fn a_single_epoch_is_a_point() {
        let panel = Panel {
            title: "loss".into(),
            groups: vec![vec![vec![(1.0, 2.0)]]],
            averaged: true,
            ends: vec![],
        };
        let svg = super::super::sheet((380, 300), |area| panel.draw(area, &["".to_owned()])).unwrap();
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
    }

    #[test]
    fn a_constant_curve_still_has_a_range() {
        assert_eq!(range([2.0, 2.0].into_iter()), (2.0, 2.0));
        assert_eq!(range(std::iter::empty()), (0.0, 1.0));
    }
}
