//! The map that can be zoomed, with the images of its points.
//!
//! Its data are the CSV behind its link: the script of the page reads that, so nothing is there twice.

use super::files::{download, png, slug};
use super::html::tabs;
use crate::error::ResultsError;
use crate::figure::{Colouring, Plane, field, sample};
use crate::stored::Stored;
use crate::tensors::{self, Images};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, imageops::FilterType};
use maud::{Markup, html};
use moelab_engine::plan::select::describe;
use moelab_engine::plan::{NodeId, SEED_AXIS};
use moelab_engine::store::Presence;
use moelab_stages::artifact;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Points of one map, and of all maps together.
const MOST_POINTS: usize = 2000;
const ALL_POINTS: usize = 40_000;
const MOST_MAPS: usize = 20;
/// Bytes of all thumbnails before they are packed; what is more is drawn smaller.
const THUMBNAIL_BYTES: usize = 2_000_000;
/// Thumbnails side by side in a sheet.
const COLUMNS: usize = 50;
/// No thumbnail is larger.
const MOST_SIDE: usize = 32;

/// Small images in rows of [`COLUMNS`], as PNG.
struct Sheet {
    png: Vec<u8>,
    width: usize,
    height: usize,
}

/// One map per action of the embedding; none if there is no embedding.
pub(super) fn section(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let Some((stage, output, nodes)) = embedding(stored) else {
        return Ok(None);
    };
    let drawn = &nodes[..nodes.len().min(MOST_MAPS)];
    let most = MOST_POINTS.min(ALL_POINTS / drawn.len());
    let images: BTreeMap<NodeId, (NodeId, String)> = drawn
        .iter()
        .filter_map(|node| Some((*node, images_of(stored, *node)?)))
        .collect();
    let sets: BTreeSet<&(NodeId, String)> = images.values().collect();
    let mut sheets: BTreeMap<(NodeId, String), Sheet> = BTreeMap::new();
    for (node, output) in &sets {
        let images = tensors::images(&stored.path(*node, output)?)?;
        let sheet = sheet(&images, &sample(images.rows, most), THUMBNAIL_BYTES / sets.len())?;
        sheets.insert((*node, output.clone()), sheet);
    }
    let number: BTreeMap<&(NodeId, String), usize> = sheets.keys().enumerate().map(|(i, set)| (set, i)).collect();
    let mut maps = Vec::new();
    for (i, node) in drawn.iter().enumerate() {
        let axes = &stored.plan.graph[*node].axes;
        let name = match axes.get(SEED_AXIS) {
            Some(seed) if axes.len() == 1 => format!("seed {seed}"),
            _ => describe(axes),
        };
        let thumbs = images
            .get(node)
            .and_then(|set| Some((*number.get(set)?, sheets.get(set)?)));
        maps.push((name, one(stored, *node, &output, most, thumbs, &format!("map-{i}"))?));
    }
    Ok(Some(html! {
        p { "Stage " code { (stage) } ". Point at a mark, or move the focus into the map and use the arrow keys, to see its image." }
        @if drawn.len() < nodes.len() {
            p class="note" { "The first " (drawn.len()) " of " (nodes.len()) " maps." }
        }
        (tabs("maps", "Maps by seed", &maps))
        @for (i, sheet) in sheets.values().enumerate() {
            img id=(format!("sheet-{i}")) alt="" hidden src=(png(&sheet.png));
        }
    }))
}

/// The stage whose points are drawn: of two dimensions if there is one, else the last of the pipeline.
fn embedding(stored: &Stored<'_>) -> Option<(String, String, Vec<NodeId>)> {
    let mut found: Vec<(bool, String, String, Vec<NodeId>)> = Vec::new();
    for stage in &stored.experiment.pipeline.stages {
        let cells = stored.plan.cells.iter();
        let nodes: BTreeSet<NodeId> = cells
            .filter_map(|cell| cell.actions.get(&stage.name).copied())
            .collect();
        let holds = |node: &NodeId| {
            let outputs = stored.manifest(*node)?.outputs.iter();
            let fits = |output: &str| output == artifact::POINTS || output == artifact::FEATURES;
            let mut there = outputs.filter(|(_, output)| output.state == Presence::Present && fits(&output.artifact));
            there.next().map(|(name, _)| name.clone())
        };
        let Some(output) = nodes.iter().find_map(holds) else {
            continue;
        };
        let there: Vec<NodeId> = nodes.into_iter().filter(|node| holds(node).is_some()).collect();
        let config = &stored.manifest(there[0])?.action.config;
        let plane = stage.kind == "embed" && config["n_components"] == 2 && config["method"] == "umap";
        found.push((plane, stage.name.clone(), output, there));
    }
    let best = found
        .into_iter()
        .enumerate()
        .max_by_key(|(i, (plane, ..))| (*plane, *i));
    best.map(|(_, (_, stage, output, nodes))| (stage, output, nodes))
}

/// The images an embedding comes from.
fn images_of(stored: &Stored<'_>, node: NodeId) -> Option<(NodeId, String)> {
    stored.plan.with_ancestors([node]).into_iter().find_map(|above| {
        let mut outputs = stored.manifest(above)?.outputs.iter();
        let images =
            outputs.find(|(_, output)| output.artifact == artifact::IMAGES && output.state == Presence::Present);
        images.map(|(name, _)| (above, name.clone()))
    })
}

/// What colours a map: the last evaluation's clusters, labels and errors; without one, the last clustering.
#[derive(Default)]
struct Colours {
    cluster: Option<Colouring>,
    label: Option<Colouring>,
    error: Option<Colouring>,
    /// Which actions they are from.
    of: String,
}

fn colours(stored: &Stored<'_>, node: NodeId, rows: usize) -> Result<Colours, ResultsError> {
    let stages = stored.experiment.pipeline.stages.iter().rev();
    let beside = stages.flat_map(|stage| stored.beside(node, &stage.name));
    let done: Vec<NodeId> = beside.filter(|other| stored.manifest(*other).is_some()).collect();
    let fitting = |read: Result<Colouring, ResultsError>| match read {
        Ok(colouring) => Ok((colouring.rows() == rows).then_some(colouring)),
        // Bytes that were given up are no reason to go without a map.
        Err(ResultsError::Evicted { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    for other in done
        .iter()
        .copied()
        .filter(|other| stored.plan.graph[*other].kind == "evaluate")
    {
        let (Some(scored), Some(labels)) = (stored.source(other, "assignments"), stored.source(other, "labels")) else {
            continue;
        };
        let colours = Colours {
            cluster: fitting(Colouring::read(stored, scored.node, &scored.output))?,
            label: fitting(Colouring::read(stored, labels.node, &labels.output))?,
            error: fitting(Colouring::read(stored, other, "confusion"))?,
            of: format!("{}, scored by {}", stored.describe(scored.node), stored.describe(other)),
        };
        if colours.cluster.is_some() {
            return Ok(colours);
        }
    }
    for other in done {
        let stage = &stored.plan.graph[other].kind;
        let Some(output) = Colouring::output_of(stored, other, None).filter(|_| stage != "load" && stage != "evaluate")
        else {
            continue;
        };
        if let Some(cluster) = fitting(Colouring::read(stored, other, &output))? {
            return Ok(Colours {
                cluster: Some(cluster),
                of: stored.describe(other),
                ..Colours::default()
            });
        }
    }
    Ok(Colours::default())
}

fn one(
    stored: &Stored<'_>,
    node: NodeId,
    output: &str,
    most: usize,
    thumbs: Option<(usize, &Sheet)>,
    id: &str,
) -> Result<Markup, ResultsError> {
    let artifact = &stored.finished(node)?.outputs[output].artifact;
    let points = tensors::points(&stored.path(node, output)?, artifact)?;
    let rows = sample(points.rows(), most);
    let plane = Plane::of(&points, &rows);
    let colours = colours(stored, node, points.rows())?;
    let named = |colouring: &Option<Colouring>| colouring.as_ref().map(|c| c.names.clone()).unwrap_or_default();
    let known = [
        ("cluster", &colours.cluster),
        ("label", &colours.label),
        ("error", &colours.error),
    ];
    let by: Vec<&str> = known
        .iter()
        .filter(|(_, colouring)| colouring.is_some())
        .map(|(by, _)| *by)
        .collect();
    let csv = csv(&rows, &plane, &colours);
    let action = stored.describe(node);
    Ok(html! {
        figure class="map" id=(id) data-sheet=[thumbs.map(|(i, _)| format!("sheet-{i}"))]
            data-thumb=[thumbs.map(|(_, sheet)| format!("{},{},{COLUMNS}", sheet.width, sheet.height))]
            data-labels=(serde_json::json!(named(&colours.label))) {
            div class="controls" {
                @if by.len() > 1 {
                    fieldset {
                        legend { "Colour by" }
                        @for (i, value) in by.iter().enumerate() {
                            label {
                                input type="radio" name=(format!("{id}-by")) value=(value) checked[i == 0];
                                " " (value)
                            }
                        }
                    }
                }
                div class="zoom" {
                    button type="button" data-zoom="in" aria-label="Zoom in" { "+" }
                    button type="button" data-zoom="out" aria-label="Zoom out" { "−" }
                    button type="button" data-zoom="reset" { "Whole map" }
                }
            }
            div class="stage" {
                canvas tabindex="0" role="application" aria-roledescription="map" aria-describedby=(format!("{id}-help"))
                    aria-label=(format!("Map of {action}, {} points", rows.len())) {}
                div class="tip" hidden { canvas width="96" height="96" {} span {} }
            }
            p class="readout" aria-live="polite" {}
            p class="note" id=(format!("{id}-help")) {
                "Drag to move, + and − to zoom, 0 for the whole map; in the focused map the wheel zooms and arrow keys go from point to point."
            }
            figcaption {
                (action)
                @if !colours.of.is_empty() { "; clusters of " (colours.of) }
                @if colours.error.is_some() { "; an error is a row outside the cluster that is matched to its class" }
                @if let Some(note) = &plane.note { "; " (note) }
                @if rows.len() < points.rows() { "; " (rows.len()) " of " (points.rows()) " rows, evenly spaced" }
                @if let Some((_, sheet)) = thumbs { "; thumbnails of " (sheet.width) " × " (sheet.height) " pixels" }
                ". "
                (download(&format!("{}.csv", slug(&action)), "text/csv", "data (CSV)", &csv))
                noscript { " The map needs scripts; its data do not." }
            }
        }
    })
}

/// One line per point. A cluster of −1 is noise; empty is unknown.
fn csv(rows: &[usize], plane: &Plane, colours: &Colours) -> String {
    let mut out = "row,x,y,cluster,label,misassigned\n".to_owned();
    for (row, (x, y)) in rows.iter().zip(&plane.points) {
        let cluster = colours.cluster.as_ref().map_or(String::new(), |c| {
            c.of_row[*row].map_or_else(|| "-1".to_owned(), |cluster| cluster.to_string())
        });
        let label = colours
            .label
            .as_ref()
            .and_then(|l| Some(field(&l.names[l.of_row[*row]?])));
        let error = colours.error.as_ref().and_then(|e| e.of_row[*row]);
        let error = error.map_or(String::new(), |error| error.to_string());
        writeln!(
            out,
            "{row},{x:.4},{y:.4},{cluster},{},{error}",
            label.unwrap_or_default()
        )
        .expect("text takes all");
    }
    out
}

fn sheet(images: &Images, rows: &[usize], budget: usize) -> Result<Sheet, ResultsError> {
    let channels = if images.channels >= 3 { 3 } else { 1 };
    let area = budget / (rows.len().max(1) * channels);
    let side = MOST_SIDE.min((area as f64).sqrt() as usize).max(4);
    let longest = images.height.max(images.width).max(1);
    let scaled = |length: usize| {
        if longest <= side {
            length
        } else {
            (length * side / longest).max(1)
        }
    };
    let (width, height) = (scaled(images.width), scaled(images.height));
    let mut sheet = RgbImage::new(
        (COLUMNS * width) as u32,
        (rows.len().div_ceil(COLUMNS).max(1) * height) as u32,
    );
    for (i, row) in rows.iter().enumerate() {
        let plane = images.height * images.width;
        let pixels = images.row(*row);
        let value = |channel: usize, at: usize| pixels[channel.min(channels - 1) * plane + at];
        let image = RgbImage::from_fn(images.width as u32, images.height as u32, |x, y| {
            let at = y as usize * images.width + x as usize;
            image::Rgb([value(0, at), value(1, at), value(2, at)])
        });
        let small = if (width, height) == (images.width, images.height) {
            image
        } else {
            image::imageops::resize(&image, width as u32, height as u32, FilterType::Triangle)
        };
        let (x, y) = (i % COLUMNS * width, i / COLUMNS * height);
        image::imageops::replace(&mut sheet, &small, x as i64, y as i64);
    }
    let drawing = if channels == 1 {
        let grey: GrayImage = DynamicImage::ImageRgb8(sheet).to_luma8();
        DynamicImage::ImageLuma8(grey)
    } else {
        DynamicImage::ImageRgb8(sheet)
    };
    let mut png = std::io::Cursor::new(Vec::new());
    let written = drawing.write_to(&mut png, ImageFormat::Png);
    written.map_err(|e| ResultsError::Figure(e.to_string()))?;
    Ok(Sheet {
        png: png.into_inner(),
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(rows: usize, channels: usize, side: usize) -> Images {
        Images {
            rows,
            channels,
            height: side,
            width: side,
            pixels: (0..rows * channels * side * side).map(|i| (i % 251) as u8).collect(),
        }
    }

    #[test]
    fn small_images_keep_every_pixel() {
        let images = images(60, 1, 8);
        let rows = sample(60, 60);
        let sheet = sheet(&images, &rows, 1_000_000).unwrap();
        let read = image::load_from_memory(&sheet.png).unwrap().to_luma8();
        assert_eq!(read.dimensions(), (50 * 8, 2 * 8));
        // Image 51 is the second of the second row.
        assert_eq!(
            u32::from(read.get_pixel(8 + 3, 8 + 2).0[0]),
            u32::from(images.row(51)[2 * 8 + 3])
        );
    }

    #[test]
    fn large_images_shrink_until_they_fit() {
        let sheet = sheet(&images(100, 3, 96), &sample(100, 100), 30_000).unwrap();
        assert_eq!((sheet.width, sheet.height), (10, 10));
        assert_eq!(
            super::sheet(&images(2, 3, 96), &[0, 1], 1_000_000).unwrap().width,
            MOST_SIDE
        );
    }

    #[test]
    fn a_line_says_noise_and_quotes_names() {
        let colouring = |of_row: Vec<Option<usize>>, name: &str| {
            Some(Colouring {
                meaning: crate::figure::Meaning::Cluster,
                of_row,
                names: vec![name.to_owned()],
            })
        };
        let colours = Colours {
            cluster: colouring(vec![None, Some(0)], "0"),
            label: colouring(vec![Some(0), Some(0)], "a, b"),
            error: colouring(vec![Some(1), None], "e"),
            of: String::new(),
        };
        let plane = Plane {
            points: vec![(1.0, 2.0), (3.0, 4.0)],
            axes: [String::new(), String::new()],
            note: None,
        };
        assert_eq!(
            csv(&[0, 1], &plane, &colours),
            "row,x,y,cluster,label,misassigned\n0,1.0000,2.0000,-1,\"a, b\",1\n1,3.0000,4.0000,0,\"a, b\",\n"
        );
    }
}
