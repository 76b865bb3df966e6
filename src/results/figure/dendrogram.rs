//! The single-linkage tree of HDBSCAN: which groups join at which distance.

use super::{FONT, Figure, ResultsError, failed};
use moelab_stages::frame::{read_parquet, whole};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use polars::prelude::PolarsResult;
use std::fmt::Write;
use std::path::Path;

const SIZE: (u32, u32) = (1000, 560);
/// Groups at the foot: more cannot be told apart.
const LEAVES: usize = 40;

/// A single-linkage tree, as the stage `single_linkage` leaves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dendrogram {
    /// Nearest first; merge i makes node N + i.
    merges: Vec<Merge>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Merge {
    left: usize,
    right: usize,
    distance: f64,
    size: u32,
}

/// Where a node stands: the middle of its group, and the distance at which it came about.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    middle: f64,
    distance: f64,
}

/// What is drawn of a tree.
#[derive(Debug, Default, PartialEq)]
struct Drawn {
    /// Three lines each: up from the left group, across, and down to the right one.
    joints: Vec<[(f64, f64); 4]>,
    /// Rows of the groups at the foot, from left to right.
    leaves: Vec<(f64, u32)>,
}

impl Dendrogram {
    /// Reads a `linkage` artifact.
    ///
    /// # Errors
    /// If the file is no Parquet, lacks a column, or holds no tree.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let merges = merges(path).map_err(|source| ResultsError::Unreadable {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Self::new(merges)
            .ok_or_else(|| ResultsError::Figure(format!("{} holds no single-linkage tree", path.display())))
    }

    fn new(merges: Vec<Merge>) -> Option<Self> {
        let points = merges.len() + 1;
        let sound = |(i, merge): (usize, &Merge)| merge.left < points + i && merge.right < points + i;
        (!merges.is_empty() && merges.iter().enumerate().all(sound)).then_some(Self { merges })
    }

    /// The last merges, at most as many as leave [`LEAVES`] groups at the foot. `floor` stands for distances below it.
    fn drawn(&self, leaves: usize, floor: f64) -> Drawn {
        let points = self.merges.len() + 1;
        let first = points + self.merges.len().saturating_sub(leaves - 1);
        let mut drawn = Drawn::default();
        let mut places: Vec<Place> = vec![];
        // Groups before what joins them: a node comes back once both its sides have a place.
        let mut ahead = vec![(points + self.merges.len() - 1, false)];
        while let Some((node, seen)) = ahead.pop() {
            let merge = node.checked_sub(points).map(|i| self.merges[i]);
            let distance = merge.map_or(floor, |merge| merge.distance.max(floor));
            match merge.filter(|_| node >= first) {
                None => {
                    let middle = drawn.leaves.len() as f64 + 0.5;
                    drawn.leaves.push((middle, merge.map_or(1, |merge| merge.size)));
                    places.push(Place { middle, distance });
                }
                Some(merge) if !seen => ahead.extend([(node, true), (merge.right, false), (merge.left, false)]),
                Some(_) => {
                    let right = places.pop().expect("the right side was placed");
                    let left = places.pop().expect("the left side was placed");
                    drawn.joints.push([
                        (left.middle, left.distance),
                        (left.middle, distance),
                        (right.middle, distance),
                        (right.middle, right.distance),
                    ]);
                    let middle = f64::midpoint(left.middle, right.middle);
                    places.push(Place { middle, distance });
                }
            }
        }
        drawn
    }

    /// Draws the top of the tree as SVG, distances on a logarithmic axis; below it stand the rows of each group.
    ///
    /// # Errors
    /// If the drawing library gives up.
    pub fn draw(&self, title: &str) -> Result<String, ResultsError> {
        let smallest = self.merges.iter().map(|merge| merge.distance).find(|d| *d > 0.0);
        let drawn = self.drawn(LEAVES, smallest.unwrap_or(1.0));
        let heights = || drawn.joints.iter().flatten().map(|corner| corner.1);
        let (low, high) = (
            heights().fold(f64::INFINITY, f64::min) / 1.1,
            heights().fold(0.0, f64::max) * 1.1,
        );
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(title, FONT)
                .margin(12)
                .margin_bottom(56)
                .x_label_area_size(20)
                .y_label_area_size(70)
                .build_cartesian_2d(0.0..drawn.leaves.len() as f64, (low..high).log_scale())
                .map_err(failed)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .disable_x_axis()
                .light_line_style(TRANSPARENT)
                .y_desc("mutual reachability distance")
                .y_label_formatter(&|distance| format!("{distance:.3}"))
                .label_style(FONT)
                .axis_desc_style(FONT)
                .draw()
                .map_err(failed)?;
            let line = |corners: &[(f64, f64); 4]| PathElement::new(corners.to_vec(), BLACK.stroke_width(1));
            chart.draw_series(drawn.joints.iter().map(line)).map_err(failed)?;
            let style = FONT
                .into_text_style(&area)
                .transform(FontTransform::Rotate90)
                .pos(Pos::new(HPos::Left, VPos::Center));
            for (middle, rows) in &drawn.leaves {
                let (x, y) = chart.backend_coord(&(*middle, low));
                area.draw(&Text::new(rows.to_string(), (x, y + 6), style.clone()))
                    .map_err(failed)?;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }

    /// The drawing with its numbers: a line per merge.
    ///
    /// # Errors
    /// If the drawing library gives up.
    pub fn figure(&self, title: &str) -> Result<Figure, ResultsError> {
        let mut csv = "left,right,distance,rows\n".to_owned();
        for Merge {
            left,
            right,
            distance,
            size,
        } in &self.merges
        {
            writeln!(csv, "{left},{right},{distance},{size}").expect("text takes all");
        }
        let last = self.merges.last().map_or(0.0, |merge| merge.distance);
        Ok(Figure {
            title: title.to_owned(),
            svg: self.draw(title)?,
            alt: format!(
                "The top of a single-linkage tree of {} rows, which join into one at the distance {last:.3}.",
                self.merges.len() + 1
            ),
            csv,
        })
    }
}

fn merges(path: &Path) -> PolarsResult<Vec<Merge>> {
    let frame = read_parquet(path)?;
    let numbers = |name| whole(&frame, name)?.u32().cloned();
    let (left, right, size) = (numbers("left")?, numbers("right")?, numbers("size")?);
    let distance = whole(&frame, "distance")?.f64()?.clone();
    let sides = left.into_no_null_iter().zip(right.into_no_null_iter());
    let rest = distance.into_no_null_iter().zip(size.into_no_null_iter());
    Ok(sides
        .zip(rest)
        .map(|((left, right), (distance, size))| Merge {
            left: left as usize,
            right: right as usize,
            distance,
            size,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four rows: 0 and 1 join, then 2 and 3, then both pairs.
    fn tree() -> Dendrogram {
        let merge = |(left, right, distance, size)| Merge {
            left,
            right,
            distance,
            size,
        };
        Dendrogram::new([(0, 1, 1.0, 2), (2, 3, 2.0, 2), (4, 5, 8.0, 4)].map(merge).to_vec()).unwrap()
    }

    #[test]
    fn groups_stand_in_the_order_of_the_tree_and_join_above_their_middles() {
        let drawn = tree().drawn(4, 0.5);
        assert_eq!(drawn.leaves, [(0.5, 1), (1.5, 1), (2.5, 1), (3.5, 1)]);
        assert_eq!(drawn.joints[0], [(0.5, 0.5), (0.5, 1.0), (1.5, 1.0), (1.5, 0.5)]);
        assert_eq!(drawn.joints[2], [(1.0, 1.0), (1.0, 8.0), (3.0, 8.0), (3.0, 2.0)]);
    }

    #[test]
    fn only_the_last_merges_are_drawn_and_groups_say_how_many_rows_they_have() {
        let drawn = tree().drawn(2, 0.5);
        assert_eq!(drawn.leaves, [(0.5, 2), (1.5, 2)]);
        assert_eq!(drawn.joints, [[(0.5, 1.0), (0.5, 8.0), (1.5, 8.0), (1.5, 2.0)]]);
    }

    #[test]
    fn the_drawing_names_the_axis_and_has_one_line_per_merge() {
        let svg = tree().draw("digits").unwrap();
        assert!(svg.contains("mutual reachability distance") && svg.contains("digits"));
        let joints = svg
            .split("<polyline")
            .filter(|line| line.contains("stroke-width=\"1\""))
            .count();
        assert!(joints >= 3, "{svg}");
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert_eq!(Dendrogram::new(vec![]), None);
        let merge = Merge {
            left: 0,
            right: 7,
            distance: 1.0,
            size: 2,
        };
        assert_eq!(Dendrogram::new(vec![merge]), None);
    }
}
