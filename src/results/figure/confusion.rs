//! The confusion matrix in Hungarian order: matched clusters on the diagonal, whatever the number of clusters.

use super::{FONT, Figure, SMALL, failed, field, sheet, text_on};
use crate::error::ResultsError;
use moelab_stages::frame::{read_parquet, whole};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use polars::prelude::PolarsResult;
use std::fmt::Write;
use std::path::Path;

/// A side of a cell, and what stands beside the cells.
const CELL: i32 = 44;
const LEAST_CELL: i32 = 14;
const WIDEST: i32 = 900;
const TOP: i32 = 84;
const LONGEST_NAME: usize = 18;

/// Classes by clusters, as the stage `evaluate` leaves them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfusionMatrix {
    /// Classes with a match first, in the order of their clusters.
    classes: Vec<Class>,
    /// −1 is noise, and last.
    clusters: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq)]
struct Class {
    number: i64,
    name: String,
    /// Rows per cluster.
    counts: Vec<u32>,
    /// Which of the clusters is its own.
    matched: Option<usize>,
}

impl ConfusionMatrix {
    pub(crate) fn read(path: &Path) -> Result<Self, ResultsError> {
        Self::parse(path).map_err(|source| ResultsError::Unreadable {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    fn parse(path: &Path) -> PolarsResult<Self> {
        let frame = read_parquet(path)?;
        let class = whole(&frame, "class")?.cast(&polars::prelude::DataType::Int64)?;
        let (class, name) = (class.i64()?, whole(&frame, "class_name")?.str()?);
        let (cluster, count) = (whole(&frame, "cluster")?.i32()?, whole(&frame, "count")?.u32()?);
        let matched = whole(&frame, "matched")?.bool()?;
        let mut matrix = Self {
            classes: Vec::new(),
            clusters: Vec::new(),
        };
        for row in 0..frame.height() {
            let number = class.get(row).unwrap_or_default();
            let cluster = cluster.get(row).unwrap_or_default();
            if matrix.classes.last().is_none_or(|class| class.number != number) {
                matrix.classes.push(Class {
                    number,
                    name: name.get(row).unwrap_or_default().to_owned(),
                    counts: Vec::new(),
                    matched: None,
                });
            }
            if matrix.classes.len() == 1 {
                matrix.clusters.push(cluster);
            }
            let class = matrix.classes.last_mut().expect("one was just pushed");
            if matched.get(row) == Some(true) {
                class.matched = Some(class.counts.len());
            }
            class.counts.push(count.get(row).unwrap_or_default());
        }
        // Where clusters are fewer than classes, the classes without one come last, so the diagonal is straight.
        matrix.classes.sort_by_key(|class| class.matched.unwrap_or(usize::MAX));
        Ok(matrix)
    }

    /// The class of each matched cluster: cluster → number of the class.
    pub(crate) fn class_of(&self) -> std::collections::BTreeMap<i32, i64> {
        let pair = |class: &Class| Some((self.clusters[class.matched?], class.number));
        self.classes.iter().filter_map(pair).collect()
    }

    fn right(&self) -> (u64, u64) {
        let hit = |class: &Class| class.matched.map_or(0, |at| class.counts[at]);
        let right = self.classes.iter().map(|class| u64::from(hit(class))).sum();
        let all = self
            .classes
            .iter()
            .flat_map(|class| &class.counts)
            .map(|&count| u64::from(count))
            .sum();
        (right, all)
    }

    fn summary(&self) -> String {
        let (right, all) = self.right();
        let found = self.clusters.iter().filter(|cluster| **cluster >= 0).count();
        let unmatched = self.classes.iter().filter(|class| class.matched.is_none()).count();
        let mut text = format!(
            "{} classes, {found} clusters; {right} of {all} rows in matched cells ({:.1} %)",
            self.classes.len(),
            100.0 * right as f64 / all.max(1) as f64
        );
        if unmatched > 0 {
            let classes = if unmatched == 1 { "class" } else { "classes" };
            write!(text, "; {unmatched} {classes} without a cluster").expect("text takes all");
        }
        text
    }

    /// Each row of cells is a class, shaded by its share of the class; matched cells have a frame.
    pub(crate) fn figure(&self, title: &str) -> Result<Figure, ResultsError> {
        let name = |class: &Class| shortened(&class.name);
        let widest = self
            .classes
            .iter()
            .map(|class| super::width_of(&name(class)) as i32)
            .max()
            .unwrap_or(0);
        let left = widest + 40;
        let (rows, columns) = (self.classes.len() as i32, self.clusters.len() as i32);
        let cell = ((WIDEST - left) / columns.max(1)).clamp(LEAST_CELL, CELL);
        let summary = self.summary();
        let wide =
            (super::width_of(&summary).max(super::width_of(title) * 1.2) as i32 + 24).max(left + columns * cell + 16);
        let size = (wide as u32, (TOP + rows * cell + 44) as u32);
        let svg = sheet(size, |area| {
            let ink = SMALL.into_text_style(area).color(&BLACK);
            let put = |text: &str, at: (i32, i32), h: HPos, v: VPos| {
                area.draw(&Text::new(text.to_owned(), at, ink.clone().pos(Pos::new(h, v))))
                    .map_err(failed)
            };
            area.draw(&Text::new(
                title.to_owned(),
                (12, 10),
                FONT.into_text_style(area).color(&BLACK),
            ))
            .map_err(failed)?;
            put(&summary, (12, 34), HPos::Left, VPos::Top)?;
            for (c, cluster) in self.clusters.iter().enumerate() {
                let text = if *cluster < 0 {
                    "noise".to_owned()
                } else {
                    cluster.to_string()
                };
                let every = (width_in(&text, cell)).max(1);
                if c as i32 % every == 0 || *cluster < 0 {
                    put(
                        &text,
                        (left + c as i32 * cell + cell / 2, TOP - 6),
                        HPos::Center,
                        VPos::Bottom,
                    )?;
                }
            }
            for (r, class) in self.classes.iter().enumerate() {
                let y = TOP + r as i32 * cell;
                put(&name(class), (left - 8, y + cell / 2), HPos::Right, VPos::Center)?;
                let total = class.counts.iter().sum::<u32>().max(1);
                for (c, &count) in class.counts.iter().enumerate() {
                    let (x, share) = (left + c as i32 * cell, f64::from(count) / f64::from(total));
                    let fill = if count == 0 { WHITE } else { shade(share) };
                    let corners = [(x, y), (x + cell, y + cell)];
                    area.draw(&Rectangle::new(corners, fill.filled())).map_err(failed)?;
                    area.draw(&Rectangle::new(corners, BLACK.mix(0.15).stroke_width(1)))
                        .map_err(failed)?;
                    let text = count.to_string();
                    if count > 0 && super::width_of(&text) < f64::from(cell) {
                        let ink = text_on(fill);
                        let on = SMALL
                            .into_text_style(area)
                            .color(&ink)
                            .pos(Pos::new(HPos::Center, VPos::Center));
                        area.draw(&Text::new(text, (x + cell / 2, y + cell / 2), on))
                            .map_err(failed)?;
                    }
                }
            }
            for (r, class) in self.classes.iter().enumerate() {
                let Some(at) = class.matched else { continue };
                let (x, y) = (left + at as i32 * cell, TOP + r as i32 * cell);
                let (left, right, top, foot) = (x + 1, x + cell - 1, y + 1, y + cell - 1);
                let corners = [(left, top), (right, top), (right, foot), (left, foot), (left, top - 1)];
                let frame = PathElement::new(corners, BLACK.stroke_width(2));
                area.draw(&frame).map_err(failed)?;
            }
            let foot = "rows: classes, columns: clusters; shade: share of the class; framed: matched";
            put(foot, (12, TOP + rows * cell + 14), HPos::Left, VPos::Top)
        })?;
        Ok(Figure {
            title: title.to_owned(),
            svg,
            alt: format!("Confusion matrix in Hungarian order: {summary}."),
            csv: self.csv(),
        })
    }

    fn csv(&self) -> String {
        let mut out = "class,class_name,cluster,count,matched\n".to_owned();
        for class in &self.classes {
            for (c, (cluster, count)) in self.clusters.iter().zip(&class.counts).enumerate() {
                let (name, hit) = (field(&class.name), class.matched == Some(c));
                writeln!(out, "{},{name},{cluster},{count},{hit}", class.number).expect("text takes all");
            }
        }
        out
    }
}

/// From near white to dark blue.
fn shade(share: f64) -> RGBColor {
    let mix = |from: f64, to: f64| (from + (to - from) * share.sqrt()).round() as u8;
    RGBColor(mix(238.0, 0.0), mix(244.0, 82.0), mix(250.0, 136.0))
}

/// Cells that a text needs.
fn width_in(text: &str, cell: i32) -> i32 {
    (super::width_of(text) / f64::from(cell)).ceil() as i32
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    /// Two classes; the clusters 4 and 2 are theirs, 0 is one too many, two rows are noise.
    fn file(dir: &Path) -> std::path::PathBuf {
        let mut frame = df!(
            "class" => [0, 0, 0, 0, 1, 1, 1, 1],
            "class_name" => ["cat", "cat", "cat", "cat", "dog", "dog", "dog", "dog"],
            "cluster" => [4, 2, 0, -1, 4, 2, 0, -1],
            "count" => [5_u32, 1, 0, 2, 0, 7, 3, 0],
            "matched" => [true, false, false, false, false, true, false, false]
        )
        .unwrap();
        let path = dir.join("confusion");
        moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
        path
    }

    #[test]
    fn matched_cells_are_framed_and_noise_stands_last() {
        let dir = tempfile::tempdir().unwrap();
        let matrix = ConfusionMatrix::read(&file(dir.path())).unwrap();
        assert_eq!(matrix.clusters, [4, 2, 0, -1]);
        let figure = matrix.figure("evaluation").unwrap();
        assert_eq!(figure.svg.matches("stroke-width=\"2\"").count(), 2, "{}", figure.svg);
        assert!(
            figure
                .alt
                .contains("2 classes, 3 clusters; 12 of 18 rows in matched cells (66.7 %)")
        );
        assert!(figure.svg.contains("noise"));
        assert!(figure.csv.contains("0,cat,4,5,true\n"));
    }

    #[test]
    fn classes_without_a_cluster_come_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let mut frame = df!(
            "class" => [0, 1, 2], "class_name" => ["a", "b", "c"], "cluster" => [0, 0, 0],
            "count" => [1_u32, 2, 9], "matched" => [false, false, true]
        )
        .unwrap();
        moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
        let matrix = ConfusionMatrix::read(&path).unwrap();
        let names: Vec<&str> = matrix.classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert!(matrix.summary().contains("; 2 classes without a cluster"));
        assert_eq!(matrix.class_of(), [(0, 2)].into());
    }

    #[test]
    fn many_clusters_and_long_names_fit_the_sheet() {
        let class = |number: i64| Class {
            number,
            name: "a name that is far too long for a drawing".into(),
            counts: vec![12345; 60],
            matched: Some(number as usize),
        };
        let matrix = ConfusionMatrix {
            classes: (0..3).map(class).collect(),
            clusters: (0..60).collect(),
        };
        let svg = matrix.figure("e").unwrap().svg;
        assert!(!svg.contains("12345"), "counts that do not fit are left out");
        assert!(svg.contains("a name that is fa…"));
    }
}
