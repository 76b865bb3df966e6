//! The condensed tree of HDBSCAN: the clusters that appear, shrink and split as density grows.

use super::{FONT, Figure, GREY, ResultsError, colour, failed, text_on};
use moelab_stages::frame::{read_parquet, whole};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use polars::prelude::PolarsResult;
use std::fmt::Write;
use std::path::Path;

const SIZE: (u32, u32) = (1000, 640);
/// Pixels of one character, about.
const CHARACTER: f64 = 10.0;
/// A bar gets a new corner when it has lost this share of all rows: finer steps are not seen.
const STEP: f64 = 0.001;
/// The drawing ends where so few of the rows in clusters are left: the last ones may be a thousand times as dense.
const LEFT_OUT: f64 = 0.01;

/// A line of the tree: parent, child, λ, rows in the child, and whether the child was chosen.
type Row = (u32, u32, f64, u32, bool);

/// A condensed tree, as the stage `hdbscan` leaves it.
#[derive(Clone, Debug, PartialEq)]
pub struct CondensedTree {
    clusters: Vec<Cluster>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Cluster {
    parent: Option<usize>,
    children: Vec<usize>,
    /// λ = 1 / distance at which it appears.
    birth: f64,
    /// Rows at birth.
    size: f64,
    /// λ and number of rows, whenever some leave.
    losses: Vec<(f64, f64)>,
    /// Its number among the clusters that were chosen.
    label: Option<usize>,
}

impl Cluster {
    fn death(&self) -> f64 {
        self.losses.last().map_or(self.birth, |loss| loss.0)
    }

    /// λ and the number of rows from there on, with few steps; ends at its death.
    fn widths(&self, step: f64) -> Vec<(f64, f64)> {
        let mut widths = vec![(self.birth, self.size)];
        let (mut left, mut drawn) = (self.size, self.size);
        for (lambda, lost) in &self.losses {
            left -= lost;
            if drawn - left >= step {
                widths.push((*lambda, left));
                drawn = left;
            }
        }
        widths.push((self.death(), drawn));
        widths
    }
}

impl CondensedTree {
    /// Reads a `tree` artifact.
    ///
    /// # Errors
    /// If the file is no Parquet, lacks a column, or holds no tree.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let unreadable = |source| ResultsError::Unreadable {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let rows = rows(path).map_err(unreadable)?;
        Self::new(&rows).ok_or_else(|| ResultsError::Figure(format!("{} holds no condensed tree", path.display())))
    }

    /// Clusters are numbered upwards from the root.
    fn new(rows: &[Row]) -> Option<Self> {
        let root = rows.iter().map(|row| row.0).min()?;
        let last = rows.iter().map(|row| row.0.max(row.1)).max()?;
        let mut clusters = vec![Cluster::default(); (last - root) as usize + 1];
        for &(parent, child, lambda, size, _) in rows {
            let parent = (parent - root) as usize;
            clusters[parent].losses.push((lambda, f64::from(size)));
            if let Some(child) = child.checked_sub(root).map(|index| index as usize) {
                if child <= parent {
                    return None;
                }
                clusters[parent].children.push(child);
                clusters[child].parent = Some(parent);
                clusters[child].birth = lambda;
            }
        }
        for cluster in &mut clusters {
            cluster.losses.sort_by(|a, b| a.0.total_cmp(&b.0));
            cluster.size = cluster.losses.iter().map(|loss| loss.1).sum();
        }
        // Labels go by the number of the cluster.
        let mut chosen: Vec<u32> = rows
            .iter()
            .filter(|row| row.4 && row.1 >= root)
            .map(|row| row.1)
            .collect();
        chosen.sort_unstable();
        // A line tells of its child, and the root is nobody's. `hdbscan` leaves no tree without a cluster, so where no other is
        // chosen, it is the root.
        if chosen.is_empty() {
            chosen.push(root);
        }
        for (label, cluster) in chosen.into_iter().enumerate() {
            clusters[(cluster - root) as usize].label = Some(label);
        }
        Some(Self { clusters })
    }

    /// The middle of each cluster's bar on an axis of rows: children stand side by side below the middle of their parent,
    /// so no two bars overlap.
    fn middles(&self) -> Vec<f64> {
        let mut middles = vec![self.clusters[0].size / 2.0; self.clusters.len()];
        // Parents come before their children.
        for (index, cluster) in self.clusters.iter().enumerate() {
            let all: f64 = cluster.children.iter().map(|&child| self.clusters[child].size).sum();
            let mut left = middles[index] - all / 2.0;
            for &child in &cluster.children {
                middles[child] = left + self.clusters[child].size / 2.0;
                left += self.clusters[child].size;
            }
        }
        middles
    }

    /// The λ at which the drawing ends.
    fn top(&self) -> f64 {
        let mut leaving: Vec<(f64, f64)> = self
            .clusters
            .iter()
            .filter(|cluster| cluster.children.is_empty())
            .flat_map(|cluster| cluster.losses.iter().copied())
            .collect();
        leaving.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut rows = leaving.iter().map(|loss| loss.1).sum::<f64>() * (1.0 - LEFT_OUT);
        let last = leaving.iter().find(|loss| {
            rows -= loss.1;
            rows <= 0.0
        });
        let splits = self.clusters.iter().map(|cluster| cluster.birth).fold(0.0, f64::max);
        last.map_or(splits, |loss| loss.0).max(splits * 1.05)
    }

    /// Draws it as SVG: bars as wide as a cluster has rows, which grow upwards with density; chosen clusters in colour, with
    /// their label and, where there is room, their size.
    ///
    /// # Errors
    /// If the drawing library gives up.
    pub fn draw(&self, title: &str) -> Result<String, ResultsError> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            let (rows, top) = (self.clusters[0].size, self.top());
            let mut chart = ChartBuilder::on(&area)
                .caption(title, FONT)
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(70)
                .build_cartesian_2d(0.0..rows, 0.0..top)
                .map_err(failed)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .x_desc("rows")
                .x_label_formatter(&|rows| format!("{rows:.0}"))
                .y_desc("density λ (1 / distance)")
                .label_style(FONT)
                .axis_desc_style(FONT)
                .draw()
                .map_err(failed)?;
            let middles = self.middles();
            for (cluster, middle) in self.clusters.iter().zip(&middles) {
                let fill = cluster.label.or_else(|| self.within(cluster)).map_or(GREY, colour);
                let style = if cluster.label.is_some() {
                    fill.filled()
                } else {
                    fill.mix(0.45).filled()
                };
                let outline = outline(&cluster.widths(rows * STEP), *middle, top);
                chart.draw_series([Polygon::new(outline, style)]).map_err(failed)?;
            }
            let wide = |text: &str| text.len() as f64 * CHARACTER / f64::from(SIZE.0) * rows;
            for (cluster, middle) in self.clusters.iter().zip(&middles) {
                let Some(label) = cluster.label else { continue };
                let full = format!("{label} ({})", cluster.size);
                let text = if wide(&full) < cluster.size {
                    full
                } else {
                    label.to_string()
                };
                let ink = text_on(colour(label));
                let style = FONT
                    .into_text_style(&area)
                    .color(&ink)
                    .pos(Pos::new(HPos::Center, VPos::Bottom));
                let at = (*middle, cluster.birth.min(top) + 0.01 * top);
                chart.draw_series([Text::new(text, at, style)]).map_err(failed)?;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }

    /// The drawing with its numbers: a line per cluster of the tree.
    ///
    /// # Errors
    /// If the drawing library gives up.
    pub fn figure(&self, title: &str) -> Result<Figure, ResultsError> {
        let chosen = self.clusters.iter().filter(|cluster| cluster.label.is_some());
        let sizes: Vec<String> = chosen.map(|cluster| cluster.size.to_string()).collect();
        let mut csv = "cluster,parent,birth,death,rows,label\n".to_owned();
        for (index, cluster) in self.clusters.iter().enumerate() {
            let parent = cluster.parent.map_or(String::new(), |parent| parent.to_string());
            let label = cluster.label.map_or(String::new(), |label| label.to_string());
            let (birth, death, rows) = (cluster.birth, cluster.death(), cluster.size);
            writeln!(csv, "{index},{parent},{birth},{death},{rows},{label}").expect("text takes all");
        }
        Ok(Figure {
            title: title.to_owned(),
            svg: self.draw(title)?,
            alt: format!(
                "Condensed tree of {} rows; {} clusters were chosen, of {} rows.",
                self.clusters[0].size,
                sizes.len(),
                sizes.join(", ")
            ),
            csv,
        })
    }

    /// The label of the chosen cluster that holds this one.
    fn within(&self, cluster: &Cluster) -> Option<usize> {
        let mut above = cluster.parent;
        while let Some(index) = above {
            if let Some(label) = self.clusters[index].label {
                return Some(label);
            }
            above = self.clusters[index].parent;
        }
        None
    }
}

/// A bar that gets thinner in steps, symmetric about its middle and cut off at `top`.
fn outline(widths: &[(f64, f64)], middle: f64, top: f64) -> Vec<(f64, f64)> {
    let mut right = vec![];
    for pair in widths.windows(2) {
        let ((from, width), (to, _)) = (pair[0], pair[1]);
        right.push((width / 2.0, from.min(top)));
        right.push((width / 2.0, to.min(top)));
    }
    let left = right.iter().rev().map(|(half, lambda)| (middle - half, *lambda));
    right
        .iter()
        .map(|(half, lambda)| (middle + half, *lambda))
        .chain(left)
        .collect()
}

fn rows(path: &Path) -> PolarsResult<Vec<Row>> {
    let frame = read_parquet(path)?;
    let whole_numbers = |name| whole(&frame, name)?.u32().cloned();
    let (parent, child, size) = (
        whole_numbers("parent")?,
        whole_numbers("child")?,
        whole_numbers("size")?,
    );
    let lambda = whole(&frame, "lambda")?.f64()?.clone();
    let chosen = whole(&frame, "selected")?.bool()?.clone();
    let pairs = parent.into_no_null_iter().zip(child.into_no_null_iter());
    let rest = lambda
        .into_no_null_iter()
        .zip(size.into_no_null_iter())
        .zip(chosen.iter().map(|chosen| chosen == Some(true)));
    Ok(pairs
        .zip(rest)
        .map(|((parent, child), ((lambda, size), chosen))| (parent, child, lambda, size, chosen))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten rows: six and four part at λ = 1; the six part at λ = 3, the four fade by λ = 2.
    fn tree() -> CondensedTree {
        let mut rows = vec![(10, 11, 1.0, 6, false), (10, 12, 1.0, 4, true)];
        rows.extend([(11, 13, 3.0, 3, true), (11, 14, 3.0, 3, true)]);
        rows.extend((0..3).map(|row| (13, row, 4.0, 1, false)));
        rows.extend((3..6).map(|row| (14, row, 5.0, 1, false)));
        rows.extend([(12, 6, 1.5, 1, false), (12, 7, 1.5, 1, false)]);
        rows.extend([(12, 8, 2.0, 1, false), (12, 9, 2.0, 1, false)]);
        CondensedTree::new(&rows).unwrap()
    }

    #[test]
    fn children_stand_side_by_side_within_their_parent() {
        assert_eq!(tree().middles(), [5.0, 3.0, 8.0, 1.5, 4.5]);
    }

    #[test]
    fn a_bar_is_as_wide_as_it_has_rows_and_ends_with_the_last() {
        let four = &tree().clusters[2];
        assert_eq!(
            four.widths(0.01),
            [(1.0, 4.0), (1.5, 3.0), (1.5, 2.0), (2.0, 1.0), (2.0, 0.0), (2.0, 0.0)]
        );
        assert_eq!(four.widths(2.0), [(1.0, 4.0), (1.5, 2.0), (2.0, 0.0), (2.0, 0.0)]);
        let corners = outline(&[(0.0, 4.0), (2.0, 0.0)], 5.0, 1.0);
        assert_eq!(
            corners,
            [(7.0, 0.0), (7.0, 1.0), (3.0, 1.0), (3.0, 0.0)],
            "cut off at the top"
        );
    }

    #[test]
    fn labels_go_by_the_number_of_the_cluster() {
        let labels: Vec<_> = tree().clusters.iter().map(|cluster| cluster.label).collect();
        assert_eq!(labels, [None, None, Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn the_root_is_the_cluster_where_no_other_is() {
        let rows: Vec<Row> = (0..4).map(|row| (4, row, 1.0 + f64::from(row), 1, false)).collect();
        let tree = CondensedTree::new(&rows).unwrap();
        assert_eq!(tree.clusters[0].label, Some(0));
        assert!(tree.draw("one").unwrap().contains("0 (4)"));
    }

    #[test]
    fn the_drawing_names_every_chosen_cluster_and_its_size() {
        let svg = tree().draw("digits").unwrap();
        for text in ["digits", "0 (4)", "1 (3)", "2 (3)", "density"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<polygon").count(), 5);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert_eq!(CondensedTree::new(&[]), None);
        assert_eq!(
            CondensedTree::new(&[(5, 6, 1.0, 2, false), (6, 6, 2.0, 1, false)]),
            None
        );
    }
}
