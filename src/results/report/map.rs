//! The map that can be zoomed, with the images of its points.
//!
//! Its data are the CSV behind its link: the script of the page reads that, so nothing is there twice.

mod thumbnails;
mod views;

use super::files::{download, png, slug};
use super::html::tabs;
use crate::error::ResultsError;
use crate::figure::{Colouring, Plane, field, sample};
use crate::stored::Stored;
use crate::tensors;
use maud::{Markup, html};
use moelab_engine::plan::NodeId;
use moelab_engine::store::Presence;
use moelab_stages::artifact;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use thumbnails::{COLUMNS, Sheet, sheet};
use views::{Colours, View, colours, views};

/// Evenly spaced points of one map, and of all maps together. A map by error adds half as many errors.
const MOST_POINTS: usize = 2000;
const ALL_POINTS: usize = 40_000;
const MOST_MAPS: usize = 20;
/// Bytes of all thumbnails before they are packed; what is more is drawn smaller.
const THUMBNAIL_BYTES: usize = 2_000_000;

/// One map per embedding and what colours it; none if there is no embedding.
pub(super) fn section(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let Some((stage, output, nodes)) = embedding(stored) else {
        return Ok(None);
    };
    let all = views(stored, &stage, &output, &nodes)?;
    let drawn = &all[..all.len().min(MOST_MAPS)];
    let most = MOST_POINTS.min(ALL_POINTS / drawn.len().max(1));
    let images: BTreeMap<NodeId, (NodeId, String)> = nodes
        .iter()
        .filter_map(|node| Some((*node, images_of(stored, *node)?)))
        .collect();
    let drawn: Vec<Map> = drawn
        .iter()
        .map(|view| Map::of(stored, *view, &output, most))
        .collect::<Result<_, ResultsError>>()?;
    let mut rows: BTreeMap<&(NodeId, String), BTreeSet<usize>> = BTreeMap::new();
    for map in &drawn {
        if let Some(set) = images.get(&map.view.points) {
            rows.entry(set).or_default().extend(&map.rows);
        }
    }
    let mut sheets: BTreeMap<&(NodeId, String), (Vec<usize>, Sheet)> = BTreeMap::new();
    for (set, wanted) in &rows {
        let images = tensors::images(&stored.path(set.0, &set.1)?)?;
        // Points may come from several sets of images, and be more rows than the first has.
        let wanted: Vec<usize> = wanted.iter().copied().filter(|row| *row < images.rows).collect();
        let sheet = sheet(&images, &wanted, THUMBNAIL_BYTES / rows.len())?;
        sheets.insert(set, (wanted, sheet));
    }
    let number: BTreeMap<&(NodeId, String), usize> = sheets.keys().enumerate().map(|(i, set)| (*set, i)).collect();
    let mut maps = Vec::new();
    for (i, map) in drawn.iter().enumerate() {
        let set = images.get(&map.view.points);
        let thumbs = set.and_then(|set| Some((*number.get(set)?, &sheets.get(set)?.1)));
        maps.push((map.view.name(stored), map.figure(stored, thumbs, &format!("map-{i}"))));
    }
    Ok(Some(html! {
        p { "Stage " code { (stage) } ". Point at a mark, or move the focus into the map and use the arrow keys, to see what it is." }
        @if drawn.len() < all.len() {
            p class="note" { "The first " (drawn.len()) " of " (all.len()) " maps." }
        }
        (tabs("maps", "Maps by seed", &maps))
        @for (i, (rows, sheet)) in sheets.values().enumerate() {
            img id=(format!("sheet-{i}")) alt="" hidden data-rows=(serde_json::json!(rows)) src=(png(&sheet.png));
        }
    }))
}

/// The stage whose points are drawn: of two dimensions if there is one, else the last of the pipeline.
fn embedding(stored: &Stored<'_>) -> Option<(String, String, Vec<NodeId>)> {
    let mut found: Vec<(bool, String, String, Vec<NodeId>)> = Vec::new();
    for stage in &stored.from.experiment.pipeline.stages {
        let cells = stored.from.plan.cells.iter();
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
    let own = stored.source(node, "images").map(|source| source.node);
    let above = stored.from.plan.with_ancestors([node]);
    own.into_iter().chain(above).find_map(|above| {
        let mut outputs = stored.manifest(above)?.outputs.iter();
        let images =
            outputs.find(|(_, output)| output.artifact == artifact::IMAGES && output.state == Presence::Present);
        images.map(|(name, _)| (above, name.clone()))
    })
}

/// What is drawn of a view.
struct Map {
    view: View,
    /// Evenly spaced rows, and after them errors that are drawn in the map by error alone.
    rows: Vec<usize>,
    evenly: usize,
    /// Rows there are.
    total: usize,
    plane: Plane,
    colours: Colours,
}

impl Map {
    fn of(stored: &Stored<'_>, view: View, output: &str, most: usize) -> Result<Self, ResultsError> {
        let artifact = &stored.finished(view.points)?.outputs[output].artifact;
        let points = tensors::points(&stored.path(view.points, output)?, artifact)?;
        let colours = view.by.map(|by| colours(stored, by, points.rows())).transpose()?;
        let colours = colours.flatten().unwrap_or_default();
        let mut rows = sample(points.rows(), most);
        let evenly = rows.len();
        rows.extend(other_errors(colours.error.as_ref(), &rows, most / 2));
        Ok(Self {
            plane: Plane::of(&points, &rows),
            total: points.rows(),
            view,
            rows,
            evenly,
            colours,
        })
    }

    fn figure(&self, stored: &Stored<'_>, thumbs: Option<(usize, &Sheet)>, id: &str) -> Markup {
        let colours = &self.colours;
        // Points may come from several sets of images.
        let thumbs = thumbs.filter(|(_, sheet)| sheet.rows == self.total);
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
        let csv = csv(&self.rows, &self.plane, colours);
        let action = stored.describe(self.view.points);
        html! {
            figure class="map" id=(id) data-sheet=[thumbs.map(|(i, _)| format!("sheet-{i}"))]
                data-thumb=[thumbs.map(|(_, sheet)| format!("{},{},{COLUMNS}", sheet.width, sheet.height))]
                data-evenly=(self.evenly) data-labels=(serde_json::json!(named(&colours.label))) {
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
                        aria-label=(format!("Map of {action}, {} points", self.evenly)) {}
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
                    @if let Some(note) = &self.plane.note { "; " (note) }
                    @if self.evenly < self.total {
                        "; " (self.evenly) " of " (self.total) " rows, evenly spaced"
                        (errors_drawn(colours.error.as_ref(), &self.rows))
                    }
                    @if let Some((_, sheet)) = thumbs { "; thumbnails of " (sheet.width) " × " (sheet.height) " pixels" }
                    ". "
                    (download(&format!("{}.csv", slug(&action)), "text/csv", "data (CSV)", &csv))
                    noscript { " The map needs scripts; its data do not." }
                }
            }
        }
    }
}

/// Errors that are not among these rows, evenly spaced if they are too many.
fn other_errors(errors: Option<&Colouring>, rows: &[usize], most: usize) -> Vec<usize> {
    let of_row = errors.map_or(&[][..], |errors| &errors.of_row);
    let others: Vec<usize> = (0..of_row.len())
        .filter(|row| of_row[*row] == Some(1) && rows.binary_search(row).is_err())
        .collect();
    sample(others.len(), most).into_iter().map(|i| others[i]).collect()
}

/// How many of the errors a map by error draws.
fn errors_drawn(errors: Option<&Colouring>, rows: &[usize]) -> String {
    let Some(errors) = errors else {
        return String::new();
    };
    let wrong = |category: &&Option<usize>| **category == Some(1);
    let all = errors.of_row.iter().filter(wrong).count();
    let drawn = rows.iter().map(|&row| &errors.of_row[row]).filter(wrong).count();
    format!(", by error with {drawn} of {all} errors")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_added_and_those_that_are_not_drawn_are_told() {
        let errors = Colouring {
            meaning: crate::figure::Meaning::Error,
            of_row: vec![Some(1), Some(0), Some(1), None],
            names: vec![],
        };
        assert_eq!(errors_drawn(Some(&errors), &[0, 1]), ", by error with 1 of 2 errors");
        assert_eq!(other_errors(Some(&errors), &[0, 1], 9), [2]);
        assert!(other_errors(Some(&errors), &[1], 0).is_empty());
        assert_eq!(errors_drawn(None, &[0]), "");
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
