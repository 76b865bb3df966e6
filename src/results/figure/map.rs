//! An embedding as a map, coloured by cluster, by label or by error.

use super::plane::Plane;
use super::{
    COLOURS, Colouring, DARK_TEXT, FONT, Figure, GREY, Meaning, SMALL, Sheet, colour, failed, field, sheet, width_of,
};
use crate::error::ResultsError;
use crate::tensors::Points;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::collections::BTreeSet;
use std::fmt::Write;

const SIZE: (u32, u32) = (680, 720);
/// More points are no clearer, only a greater file.
const MOST_POINTS: usize = 8000;
/// Pixels from the middle of a marker to its side.
const RADIUS: i32 = 3;
/// Pixels below which a group has its label above it.
const SMALL_GROUP: i32 = 70;

/// Points in a plane, some of them, with what they are coloured by.
pub(crate) struct EmbeddingMap {
    /// Rows that are drawn.
    pub(crate) rows: Vec<usize>,
    pub(crate) total: usize,
    pub(crate) plane: Plane,
    pub(crate) colouring: Option<Colouring>,
}

/// The name of a category, with the medians of its points and, but for a few, their range.
struct Label {
    name: String,
    x: f64,
    middle: f64,
    top: f64,
    foot: f64,
}

/// Evenly spaced row numbers: all of them if they are not too many.
pub(crate) fn sample(total: usize, most: usize) -> Vec<usize> {
    let n = total.min(most);
    (0..n).map(|i| i * total / n).collect()
}

/// Rows for a map of errors: the misassigned first, in at most three quarters of the places as long as others need the rest;
/// both evenly spaced where they are too many.
fn errors_first(of_row: &[Option<usize>], most: usize) -> Vec<usize> {
    let (wrong, others): (Vec<usize>, Vec<usize>) = (0..of_row.len()).partition(|&row| of_row[row] == Some(1));
    let places = (most * 3 / 4).max(most.saturating_sub(others.len()));
    let drawn = |of: &[usize], most: usize| -> Vec<usize> { sample(of.len(), most).iter().map(|&i| of[i]).collect() };
    let mut rows = drawn(&wrong, places);
    rows.extend(drawn(&others, most - rows.len()));
    rows.sort_unstable();
    rows
}

impl EmbeddingMap {
    pub(crate) fn new(points: &Points, colouring: Option<Colouring>) -> Result<Self, ResultsError> {
        let total = points.rows();
        if let Some(colouring) = colouring.as_ref().filter(|colouring| colouring.rows() != total) {
            return Err(ResultsError::NotDrawn(format!(
                "the points are {total} rows and what colours them {}: they are of different images",
                colouring.rows()
            )));
        }
        let rows = match &colouring {
            Some(colouring) if colouring.meaning == Meaning::Error => errors_first(&colouring.of_row, MOST_POINTS),
            _ => sample(total, MOST_POINTS),
        };
        Ok(Self {
            plane: Plane::of(points, &rows),
            rows,
            total,
            colouring,
        })
    }

    pub(crate) fn figure(&self, title: &str) -> Result<Figure, ResultsError> {
        let notes = self.notes();
        let svg = sheet(SIZE, |area| {
            let ink = SMALL.into_text_style(area).color(&BLACK);
            area.draw(&Text::new(
                title.to_owned(),
                (12, 10),
                FONT.into_text_style(area).color(&BLACK),
            ))
            .map_err(failed)?;
            for (i, note) in notes.iter().enumerate() {
                area.draw(&Text::new(note.clone(), (12, 32 + 18 * i as i32), ink.clone()))
                    .map_err(failed)?;
            }
            let ([left, right], [low, high]) = self.frame();
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .margin_top(36 + 18 * notes.len() as u32)
                .x_label_area_size(26)
                .y_label_area_size(26)
                .build_cartesian_2d(left..right, low..high)
                .map_err(failed)?;
            chart
                .configure_mesh()
                .disable_mesh()
                .x_labels(0)
                .y_labels(0)
                .x_desc(self.plane.axes[0].clone())
                .y_desc(self.plane.axes[1].clone())
                .axis_desc_style(SMALL)
                .draw()
                .map_err(failed)?;
            let mut order: Vec<usize> = (0..self.rows.len()).collect();
            if self.meaning() == Some(Meaning::Error) {
                // What is wrong lies on top.
                order.sort_by_key(|&i| self.category(i));
            }
            for i in order {
                let (x, y) = self.plane.points[i];
                let at = chart.backend_coord(&(f64::from(x), f64::from(y)));
                self.mark(area, at, self.category(i)).map_err(failed)?;
            }
            let (names, places): (Vec<String>, Vec<(i32, i32)>) = self
                .labels()
                .into_iter()
                .map(|label| {
                    let (x, middle) = chart.backend_coord(&(label.x, label.middle));
                    let [(_, top), (_, foot)] = [label.top, label.foot].map(|y| chart.backend_coord(&(label.x, y)));
                    // A label must not hide a small group.
                    (
                        label.name,
                        (x, if foot - top < SMALL_GROUP { top - 14 } else { middle }),
                    )
                })
                .unzip();
            for ((x, y), name) in apart(&places, &names).into_iter().zip(&names) {
                let half = (width_of(name) / 2.0) as i32 + 4;
                let plate = Rectangle::new([(x - half, y - 10), (x + half, y + 10)], WHITE.mix(0.8).filled());
                area.draw(&plate).map_err(failed)?;
                let bold = SMALL.into_font().style(FontStyle::Bold).color(&BLACK);
                area.draw(&Text::new(
                    name.clone(),
                    (x, y),
                    bold.pos(Pos::new(HPos::Center, VPos::Center)),
                ))
                .map_err(failed)?;
            }
            Ok(())
        })?;
        Ok(Figure {
            title: title.to_owned(),
            svg,
            alt: format!("Map of an embedding: {}.", notes.join("; ")),
            csv: self.csv(),
        })
    }

    fn meaning(&self) -> Option<Meaning> {
        self.colouring.as_ref().map(|colouring| colouring.meaning)
    }

    fn category(&self, i: usize) -> Option<usize> {
        self.colouring
            .as_ref()
            .and_then(|colouring| colouring.of_row[self.rows[i]])
    }

    /// What is drawn, in a few lines.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(colouring) = &self.colouring {
            let count = |wanted: Option<usize>| colouring.of_row.iter().filter(|row| **row == wanted).count();
            let noise = match count(None) {
                0 => String::new(),
                n => format!(", small and grey: {n} of noise"),
            };
            notes.push(match colouring.meaning {
                Meaning::Cluster => {
                    let clusters: BTreeSet<&usize> = colouring.of_row.iter().flatten().collect();
                    format!("coloured by cluster: {} clusters{noise}", clusters.len())
                }
                Meaning::Label => format!("coloured by label: {} classes", colouring.names.len()),
                Meaning::Error => {
                    let wrong = count(Some(1));
                    let share = 100.0 * wrong as f64 / self.total.max(1) as f64;
                    format!(
                        "grey: in the matched cluster; crosses: {wrong} of {} misassigned ({share:.1} %){noise}",
                        self.total
                    )
                }
            });
        }
        notes.extend(self.plane.note.clone());
        if self.rows.len() < self.total {
            notes.push(match self.meaning() {
                Some(Meaning::Error) => self.drawn_errors(),
                _ => format!("{} of {} rows, evenly spaced", self.rows.len(), self.total),
            });
        }
        notes
    }

    /// How many of the misassigned rows are drawn, and of the others.
    fn drawn_errors(&self) -> String {
        let all = self.colouring.iter().flat_map(|colouring| &colouring.of_row);
        let all = all.filter(|category| **category == Some(1)).count();
        let drawn = (0..self.rows.len()).filter(|&i| self.category(i) == Some(1)).count();
        let crosses = if drawn < all {
            format!("{drawn} of {all}")
        } else {
            format!("all {all}")
        };
        let (others, of) = (self.rows.len() - drawn, self.total - all);
        format!("drawn: {crosses} crosses, and {others} of the {of} other rows, evenly spaced")
    }

    /// A square that holds all points, so that both axes have one scale.
    fn frame(&self) -> ([f64; 2], [f64; 2]) {
        let range = |of: fn(&(f32, f32)) -> f32| {
            let values = self
                .plane
                .points
                .iter()
                .map(|point| f64::from(of(point)))
                .filter(|x| x.is_finite());
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        };
        let (x, y) = (range(|point| point.0), range(|point| point.1));
        let side = (x.1 - x.0).max(y.1 - y.0);
        let half = if side > 0.0 && side.is_finite() {
            0.54 * side
        } else {
            1.0
        };
        let around = |(low, high): (f64, f64)| {
            let middle = if low <= high { f64::midpoint(low, high) } else { 0.0 };
            [middle - half, middle + half]
        };
        (around(x), around(y))
    }

    /// Draws one point: by its colour and, from the eleventh category on, by its shape too.
    fn mark(&self, area: &Sheet<'_>, at: (i32, i32), category: Option<usize>) -> Result<(), DrawingError> {
        let disc = |radius: i32, style: ShapeStyle| area.draw(&Circle::new(at, radius, style));
        let (meaning, category) = match (self.meaning(), category) {
            (None, _) => return disc(RADIUS - 1, COLOURS[0].mix(0.7).filled()),
            (Some(_), None) => return disc(1, GREY.filled()),
            (Some(Meaning::Error), Some(0)) => return disc(RADIUS - 1, GREY.filled()),
            (Some(meaning), Some(category)) => (meaning, category),
        };
        if meaning == Meaning::Error {
            return area.draw(&Cross::new(at, RADIUS + 1, COLOURS[3].stroke_width(2)));
        }
        let fill = colour(category);
        let ((x, y), r) = (at, RADIUS);
        match category / COLOURS.len() % 4 {
            0 => disc(RADIUS, fill.filled())?,
            1 => area.draw(&Rectangle::new([(x - r, y - r), (x + r, y + r)], fill.filled()))?,
            2 => area.draw(&TriangleMarker::new(at, RADIUS + 2, fill.filled()))?,
            _ => disc(RADIUS, fill.stroke_width(2))?,
        }
        // Yellow on white needs an edge.
        if category == COLOURS.len() - 1 {
            disc(RADIUS, DARK_TEXT.mix(0.5).stroke_width(1))?;
        }
        Ok(())
    }

    /// The names of all categories that have a point, and where those are.
    fn labels(&self) -> Vec<Label> {
        let Some(colouring) = self
            .colouring
            .as_ref()
            .filter(|colouring| colouring.meaning != Meaning::Error)
        else {
            return Vec::new();
        };
        let label = |(category, name): (usize, &String)| {
            let own = (0..self.rows.len()).filter(|&i| self.category(i) == Some(category));
            let (mut x, mut y): (Vec<f64>, Vec<f64>) = own
                .map(|i| (f64::from(self.plane.points[i].0), f64::from(self.plane.points[i].1)))
                .unzip();
            x.sort_by(f64::total_cmp);
            y.sort_by(f64::total_cmp);
            Some(Label {
                name: name.clone(),
                x: *x.get(x.len() / 2)?,
                middle: y[y.len() / 2],
                top: y[(y.len() - 1) * 49 / 50],
                foot: y[(y.len() - 1) / 50],
            })
        };
        colouring.names.iter().enumerate().filter_map(label).collect()
    }

    /// One line per drawn point.
    pub(crate) fn csv(&self) -> String {
        let mut out = "row,x,y,category\n".to_owned();
        for (i, (x, y)) in self.plane.points.iter().enumerate() {
            let category = self.category(i);
            let name = match (&self.colouring, category) {
                (Some(colouring), Some(category)) => field(&colouring.names[category]),
                (Some(_), None) => "noise".to_owned(),
                (None, _) => String::new(),
            };
            writeln!(out, "{},{x},{y},{name}", self.rows[i]).expect("text takes all");
        }
        out
    }
}

type DrawingError = plotters::drawing::DrawingAreaErrorKind<std::io::Error>;

/// Moves labels as far as it takes for none to hide another.
fn apart(places: &[(i32, i32)], names: &[String]) -> Vec<(i32, i32)> {
    let half = |i: usize| (width_of(&names[i]) / 2.0) as i32 + 4;
    let mut put: Vec<(i32, i32)> = Vec::new();
    for (i, &(x, y)) in places.iter().enumerate() {
        let free = |&(a, b): &(i32, i32)| {
            let hides =
                |(j, other): (usize, &(i32, i32))| (other.0 - a).abs() < half(i) + half(j) && (other.1 - b).abs() < 20;
            !put.iter().enumerate().any(hides)
        };
        // Ever wider rings about the place.
        let rings = (0..40).flat_map(|ring| {
            let step = ring * 8;
            [
                (0, -step),
                (0, step),
                (step, 0),
                (-step, 0),
                (step, -step),
                (-step, step),
                (step, step),
                (-step, -step),
            ]
        });
        let place = rings.map(|(dx, dy)| (x + dx, y + dy)).find(free);
        put.push(place.unwrap_or((x, y)));
    }
    put
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
