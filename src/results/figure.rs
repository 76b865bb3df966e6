//! Drawings of what stages leave behind, as SVG and PNG.
//!
//! Colours are those of Okabe and Ito and three more; where there are more groups than colours, markers, dashes and labels
//! on the spot tell them apart. Ink is black on white, both exact, so that a page may exchange them; what must stay as it
//! is (text on a colour) is a shade off.

mod choose;
mod colouring;
mod confusion;
mod curves;
mod dendrogram;
mod map;
mod panel;
mod pipeline;
mod plane;
mod png;
mod portrait;
mod settings;
mod spectrum;
mod tree;

pub(crate) use choose::of_action;
pub use choose::{Request, draw};
pub(crate) use colouring::{Colouring, Meaning, count as count_clusters};
pub(crate) use curves::LearningCurves;
pub use dendrogram::Dendrogram;
pub(crate) use map::sample;
pub(crate) use panel::MOST_GROUPS;
pub use pipeline::pipeline;
pub(crate) use pipeline::{duration, tallies};
pub(crate) use plane::Plane;
pub(crate) use portrait::PORTRAITS;
pub(crate) use settings::Settings;
pub(crate) use spectrum::ExplainedVariance;
pub use tree::CondensedTree;

use super::ResultsError;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::fmt::Display;

/// The qualitative colours of Okabe & Ito (2008), which colour-blind readers tell apart, black being kept for text; and
/// three more, as far from these and from each other (CIEDE2000, for normal sight and each colour blindness by Machado et
/// al. 2009) as the closest two of theirs, and with a contrast of 2.7 or more to light and dark pages. Yellow is last: on
/// white it needs an edge. `map.js` has the same.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(150, 105, 255),
    RGBColor(120, 90, 45),
    RGBColor(180, 0, 105),
    RGBColor(240, 228, 66),
];
/// What stands back.
const GREY: RGBColor = RGBColor(190, 190, 190);
/// Text on a bright colour: not quite black, so that a dark page leaves it alone.
const DARK_TEXT: RGBColor = RGBColor(1, 1, 1);
/// Text on a dark colour.
const BRIGHT_TEXT: RGBColor = RGBColor(254, 254, 254);
/// The drawing library takes a size of 1.24 for one unit.
const FONT: (&str, u32) = ("sans-serif", 17);
const SMALL: (&str, u32) = ("sans-serif", 15);

/// A drawing with what stands behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub title: String,
    pub svg: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// Its numbers.
    pub csv: String,
}

impl Figure {
    /// The drawing as PNG, twice as many pixels as the SVG has units; text in the font of this program.
    ///
    /// # Errors
    /// If the drawing cannot be rendered.
    pub fn png(&self) -> Result<Vec<u8>, ResultsError> {
        png::render(&self.svg)
    }
}

/// A white sheet.
type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws on a white sheet of this size.
fn sheet(size: (u32, u32), draw: impl FnOnce(&Sheet<'_>) -> Result<(), ResultsError>) -> Result<String, ResultsError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// The colour of a cluster.
fn colour(label: usize) -> RGBColor {
    COLOURS[label % COLOURS.len()]
}

/// A line of a group: yellow, which white hides, has dark edges.
fn strokes(group: usize, width: u32) -> Vec<ShapeStyle> {
    let own = colour(group).stroke_width(width);
    match group % COLOURS.len() == COLOURS.len() - 1 {
        true => vec![DARK_TEXT.mix(0.5).stroke_width(width + 2), own],
        false => vec![own],
    }
}

/// What can be read on a colour.
fn text_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    // Luminance by ITU-R BT.601, of 255.
    let bright = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue) > 140.0;
    if bright { DARK_TEXT } else { BRIGHT_TEXT }
}

/// A number at a tick: up to four digits that matter.
pub(crate) fn tick(x: f64) -> String {
    let size = x.abs();
    // What rounding leaves of zero.
    if size < 1e-12 {
        return "0".to_owned();
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{x:.1e}");
    }
    let decimals = if size >= 100.0 { 1 } else { 4 };
    let text = format!("{x:.decimals$}");
    // Only decimals lose their zeros: there is always a point.
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One field of a CSV line, quoted where it must be (RFC 4180).
pub(crate) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Pixels of a text in [`SMALL`], about.
fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 7.8
}

fn failed(e: impl Display) -> ResultsError {
    ResultsError::Figure(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_no_needless_digits() {
        let said = [0.0, 0.25, 12.0, 146.94, 2.0e6, 0.00012, -0.5, 6.9e-18].map(tick);
        assert_eq!(said, ["0", "0.25", "12", "146.9", "2.0e6", "1.2e-4", "-0.5", "0"]);
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        assert_eq!(
            [field("a"), field("a,b"), field("say \"x\"")],
            ["a", "\"a,b\"", "\"say \"\"x\"\"\""]
        );
    }

    #[test]
    fn ten_clusters_have_ten_colours_and_the_page_the_same() {
        let script = include_str!("report/map.js");
        let written = COLOURS.map(|RGBColor(r, g, b)| format!("\"#{r:02x}{g:02x}{b:02x}\""));
        assert!(script.contains(&format!("[{}]", written.join(", "))), "{written:?}");
        let distinct: std::collections::BTreeSet<_> = written.iter().collect();
        assert_eq!(distinct.len(), 10);
    }

    #[test]
    fn text_on_a_colour_is_neither_ink_nor_paper() {
        for colour in COLOURS {
            let text = text_on(colour);
            assert!(text != BLACK && text != WHITE);
        }
    }
}
