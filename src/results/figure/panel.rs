//! A small chart of curves over epochs: one quantity, several groups of runs.

use super::{COLOURS, SMALL, Sheet, failed, tick};
use crate::error::ResultsError;
use plotters::prelude::*;
use std::collections::BTreeMap;

/// Groups that can be told apart as lines; yellow on white cannot.
pub(super) const MOST_GROUPS: usize = 6;
/// Height of a line of the legend.
const LEGEND: u32 = 18;

/// One line: epochs and values.
pub(super) type Line = Vec<(f64, f64)>;

/// One quantity.
pub(super) struct Panel {
    pub(super) title: String,
    /// Per group: its runs, one line per seed or, where the lines of a run are several, all of them.
    pub(super) groups: Vec<Vec<Line>>,
    /// Whether the lines of a group repeat one measurement, so that a mean says something.
    pub(super) averaged: bool,
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
        let legend = if names.len() > 1 {
            names.len() as u32 * LEGEND
        } else {
            0
        };
        let (heading, rest) = area.split_vertically(28 + legend);
        let ink = SMALL.into_font().color(&BLACK);
        let bold = ("sans-serif", 16).into_font().style(FontStyle::Bold).color(&BLACK);
        heading
            .draw(&Text::new(self.title.clone(), (12, 8), bold))
            .map_err(failed)?;
        if names.len() > 1 {
            for (i, name) in names.iter().enumerate() {
                let y = 28 + i as i32 * LEGEND as i32;
                let line = PathElement::new([(14, y + 7), (38, y + 7)], COLOURS[i].stroke_width(3));
                heading.draw(&line).map_err(failed)?;
                heading
                    .draw(&Text::new(name.clone(), (44, y), ink.clone()))
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
            .margin_right(16)
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
                    chart
                        .draw_series([PathElement::new(line.clone(), colour.mix(0.4).stroke_width(1))])
                        .map_err(failed)?;
                }
                chart
                    .draw_series([PathElement::new(mean, colour.stroke_width(3))])
                    .map_err(failed)?;
            } else {
                let style = if alone {
                    colour.stroke_width(2)
                } else {
                    colour.mix(0.6).stroke_width(1)
                };
                for line in lines {
                    chart
                        .draw_series([PathElement::new(line.clone(), style)])
                        .map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// The height of a panel with so many groups, for a plot of `plot` units.
    pub(super) fn height(groups: usize, plot: u32) -> u32 {
        plot + if groups > 1 { groups as u32 * LEGEND } else { 0 }
    }
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
    fn a_constant_curve_still_has_a_range() {
        assert_eq!(range([2.0, 2.0].into_iter()), (2.0, 2.0));
        assert_eq!(range(std::iter::empty()), (0.0, 1.0));
    }
}
