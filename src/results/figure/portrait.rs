//! What each expert has learnt: the pictures of `portray` and `subclusters` with captions.

use super::Figure;
use crate::error::ResultsError;
use crate::stored::Stored;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::ImageFormat;
use maud::{Markup, html};
use moelab_engine::plan::NodeId;
use moelab_stages::frame::{read_parquet, whole};
use moelab_stages::portray::Portray;
use polars::prelude::PolarsResult;
use serde::Deserialize;
use std::path::Path;

/// The pictures of `portray` and `subclusters`, and what they show.
pub(crate) const PORTRAITS: [(&str, &str); 6] = [
    ("ones", "an image of ones through every expert"),
    ("samples", "samples of each expert"),
    ("walks", "latent walks"),
    ("exchange", "each expert's surest image as every expert gives it back"),
    ("means", "mean images of experts and their sub-clusters"),
    ("examples", "images at the centre of each sub-cluster"),
];
/// White pixels between two images of a picture; see `picture.rs` of the science crate.
const GAP: u32 = 2;
const TOP: u32 = 58;
const SIDE: u32 = 12;
/// Names of rows longer than a row is high would run into each other.
const LINE: u32 = 13;

/// Names beside the rows and above the columns of a picture.
#[derive(Debug, Default, PartialEq)]
struct Captions {
    text: String,
    rows: Vec<String>,
    columns: Vec<String>,
}

/// A picture as a figure; one of `portray` or `subclusters` with the names of its rows and columns.
pub(super) fn figure(stored: &Stored<'_>, node: NodeId, output: &str, title: &str) -> Result<Figure, ResultsError> {
    let path = stored.path(node, output)?;
    let bytes = std::fs::read(&path).map_err(|e| not_png(&path, &e))?;
    let size = size(&path, &bytes)?;
    let captions = match told(stored, node, output, size) {
        // What names the rows was given up for space; the picture is there.
        Err(ResultsError::Evicted { .. }) => Captions::default(),
        told => told?,
    };
    let svg = drawing(title, &captions, &bytes, size).into_string();
    let alt = format!("{title}. {}", captions.text);
    Ok(Figure {
        title: title.to_owned(),
        svg,
        alt,
        csv: String::new(),
    })
}

/// What other outputs of the same action tell of the picture.
fn told(stored: &Stored<'_>, node: NodeId, output: &str, size: (u32, u32)) -> Result<Captions, ResultsError> {
    let manifest = stored.finished(node)?;
    Ok(match manifest.action.stage.as_str() {
        "portray" => {
            let settings = Portray::deserialize(&manifest.action.config).unwrap_or_default();
            let ones = stored.path(node, "ones")?;
            let ones = self::size(&ones, &std::fs::read(&ones).map_err(|e| not_png(&ones, &e))?)?;
            captions(output, &settings, ones, size)
        }
        "subclusters" => {
            let report = stored.path(node, "report")?;
            let found = subclusters(&report).map_err(|source| ResultsError::Unreadable {
                path: report,
                source: Box::new(source),
            })?;
            inside(output, &found)
        }
        _ => Captions::default(),
    })
}

/// `ones` has a column per expert and one row, so it tells both the number of experts and the height of an image.
fn captions(output: &str, settings: &Portray, ones: (u32, u32), size: (u32, u32)) -> Captions {
    let rows = size.1.saturating_sub(GAP) / ones.1.saturating_sub(GAP).max(1);
    let cell = |columns: u32| size.0.saturating_sub(GAP) / columns.max(1);
    // Images of one picture are as wide as those of the other.
    let columns = match output {
        "samples" => settings.samples as u32,
        "walks" => settings.steps as u32,
        _ if rows > 1 => rows - 1,
        _ => 0,
    };
    let experts = match (output, columns) {
        ("ones", _) => 0,
        (_, 0) => 0,
        (_, columns) => ones.0.saturating_sub(GAP) / cell(columns).max(1),
    };
    let numbers = |n: u32| (0..n).map(|k| k.to_string()).collect::<Vec<_>>();
    let expert = |k: u32| format!("expert {k}");
    let (text, rows, columns): (String, Vec<String>, Vec<String>) = match output {
        "ones" => {
            // Square images tell how many there are.
            let (wide, high) = (ones.0.saturating_sub(GAP), ones.1.saturating_sub(GAP).max(1));
            let text = "an image of ones through every expert, a column each";
            (
                text.to_owned(),
                vec![],
                if wide % high == 0 { numbers(wide / high) } else { vec![] },
            )
        }
        "samples" => (
            format!("{columns} decoded draws per expert"),
            (0..experts).map(expert).collect(),
            vec![],
        ),
        "walks" => {
            let units = rows / experts.max(1);
            let named = experts > 0 && rows == units * experts;
            let name = |row: u32| match row % units.max(1) {
                0 => expert(row / units.max(1)),
                _ => String::new(),
            };
            let step = |i: u32| 2.0 * f64::from(i) / f64::from(columns.max(2) - 1) - 1.0;
            let said = |i: u32| format!("{:+.1}", step(i) * settings.reach);
            (
                format!("along the latent units that vary most, in standard deviations; {units} per expert"),
                if named { (0..rows).map(name).collect() } else { vec![] },
                (0..columns).map(said).collect(),
            )
        }
        _ => {
            let mut names = vec!["image".to_owned()];
            names.extend((0..rows.saturating_sub(1)).map(expert));
            let text = "first row: the image each expert is surest of; below: as every expert gives it back";
            (text.to_owned(), names, numbers(columns))
        }
    };
    Captions { text, rows, columns }
}

/// A sub-cluster, as the report of `subclusters` has it.
struct Subcluster {
    parent: u32,
    number: u32,
    rows: u32,
}

fn subclusters(path: &Path) -> PolarsResult<Vec<Subcluster>> {
    let frame = read_parquet(path)?;
    let numbers = |name| whole(&frame, name)?.u32().cloned();
    let (parents, numbers, rows) = (numbers("parent")?, numbers("cluster")?, numbers("rows")?);
    let all = parents.into_no_null_iter().zip(numbers.into_no_null_iter());
    let all = all.zip(rows.into_no_null_iter());
    Ok(all
        .map(|((parent, number), rows)| Subcluster { parent, number, rows })
        .collect())
}

/// `means` has a row per expert: all of it, then its sub-clusters; `examples` has a row per sub-cluster.
fn inside(output: &str, all: &[Subcluster]) -> Captions {
    let experts: Vec<&[Subcluster]> = all.chunk_by(|a, b| a.parent == b.parent).collect();
    let row = |of: &&[Subcluster]| match of {
        [one] => format!("expert {}: {}", one.parent, one.rows),
        several => {
            let rows: Vec<String> = several.iter().map(|one| one.rows.to_string()).collect();
            format!("expert {}: {}", several[0].parent, rows.join(" + "))
        }
    };
    match output {
        "means" => Captions {
            text: "mean images, a row per expert: all its rows, then each sub-cluster".to_owned(),
            rows: experts.iter().map(row).collect(),
            columns: vec![],
        },
        _ => Captions {
            text: "images whose codes lie nearest to the mean code of each sub-cluster".to_owned(),
            rows: all
                .iter()
                .map(|one| format!("{} of expert {}", one.number, one.parent))
                .collect(),
            columns: vec![],
        },
    }
}

fn drawing(title: &str, captions: &Captions, png: &[u8], (wide, high): (u32, u32)) -> Markup {
    let longest = captions
        .rows
        .iter()
        .map(|name| super::width_of(name) as u32)
        .max()
        .unwrap_or(0);
    let left = SIDE + if longest > 0 { longest + 8 } else { 0 };
    // Small pictures are drawn larger, by whole numbers, so that pixels stay square.
    let scale = (640 / wide.max(1)).clamp(1, 3);
    let (w, h) = (wide * scale, high * scale);
    let text = super::width_of(&captions.text).max(super::width_of(title) * 1.2) as u32 + 2 * SIDE;
    let (width, height) = ((left + w + SIDE).max(text), TOP + 20 + h + SIDE);
    let place = |i: usize, n: usize, side: u32| (f64::from(side) * (i as f64 + 0.5)) / n as f64;
    let row_step = (h / captions.rows.len().max(1) as u32).max(1);
    let every = LINE.div_ceil(row_step) as usize;
    let column = f64::from(w) / captions.columns.len().max(1) as f64;
    let widest = captions
        .columns
        .iter()
        .map(|name| super::width_of(name))
        .fold(0.0, f64::max)
        + 4.0;
    let sparse = (widest / column).ceil().max(1.0) as usize;
    let source = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
            rect x="0" y="0" width=(width) height=(height) fill="#FFFFFF" stroke="none" {}
            g font-family="sans-serif" font-size="13" fill="#000000" {
                text x=(SIDE) y="24" font-size="15" { (title) }
                text x=(SIDE) y="44" { (captions.text) }
                @for (i, name) in captions.columns.iter().enumerate().step_by(sparse) {
                    text x=(f64::from(left) + place(i, captions.columns.len(), w)) y=(TOP + 12) text-anchor="middle" { (name) }
                }
                @for (i, name) in captions.rows.iter().enumerate().step_by(every.max(1)) {
                    text x=(left - 8) y=(f64::from(TOP + 24) + place(i, captions.rows.len(), h)) text-anchor="end" { (name) }
                }
            }
            image x=(left) y=(TOP + 20) width=(w) height=(h) href=(source) style="image-rendering:pixelated" {}
        }
    }
}

fn size(path: &Path, bytes: &[u8]) -> Result<(u32, u32), ResultsError> {
    let read = image::ImageReader::with_format(std::io::Cursor::new(bytes), ImageFormat::Png).into_dimensions();
    read.map_err(|e| not_png(path, &e))
}

fn not_png(path: &Path, why: &dyn std::fmt::Display) -> ResultsError {
    ResultsError::Figure(format!("{} cannot be read as PNG: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three experts, images of 8×8 drawn at 16×16 with 2 pixels between.
    const ONES: (u32, u32) = (3 * 18 + 2, 18 + 2);

    fn of(output: &str, columns: u32, rows: u32) -> Captions {
        let settings = Portray {
            samples: 4,
            units: 2,
            steps: 5,
            reach: 2.0,
        };
        captions(output, &settings, ONES, (columns * 18 + 2, rows * 18 + 2))
    }

    #[test]
    fn walks_name_experts_and_deviations() {
        let walks = of("walks", 5, 6);
        assert_eq!(walks.rows, ["expert 0", "", "expert 1", "", "expert 2", ""]);
        assert_eq!(walks.columns, ["-2.0", "-1.0", "+0.0", "+1.0", "+2.0"]);
    }

    #[test]
    fn walks_of_uneven_experts_have_no_names() {
        assert!(of("walks", 5, 5).rows.is_empty());
    }

    #[test]
    fn ones_number_the_experts() {
        assert_eq!(of("ones", 3, 1).columns, ["0", "1", "2"]);
    }

    #[test]
    fn samples_and_exchange_name_every_expert() {
        assert_eq!(of("samples", 4, 3).rows, ["expert 0", "expert 1", "expert 2"]);
        let exchange = of("exchange", 3, 4);
        assert_eq!(exchange.rows, ["image", "expert 0", "expert 1", "expert 2"]);
        assert_eq!(exchange.columns, ["0", "1", "2"]);
    }

    #[test]
    fn sub_clusters_are_named_with_their_experts() {
        let of = |parent, number, rows| Subcluster { parent, number, rows };
        let all = [of(0, 0, 70), of(2, 1, 40), of(2, 2, 25)];
        assert_eq!(inside("means", &all).rows, ["expert 0: 70", "expert 2: 40 + 25"]);
        assert_eq!(
            inside("examples", &all).rows,
            ["0 of expert 0", "1 of expert 2", "2 of expert 2"]
        );
    }

    #[test]
    fn the_drawing_holds_the_picture_and_escapes_names() {
        let svg = drawing("a <b> & c", &of("samples", 4, 3), b"png", (74, 56)).into_string();
        assert!(svg.contains("a &lt;b&gt; &amp; c") && svg.contains("data:image/png;base64,cG5n"));
    }
}
