//! Drawings of what stages leave behind, as SVG.

mod dendrogram;
mod tree;

pub use dendrogram::Dendrogram;
pub use tree::CondensedTree;

use super::ResultsError;
use plotters::prelude::*;
use std::fmt::Display;

/// The qualitative colours of Okabe & Ito (2008), which colour-blind readers tell apart; black is kept for text.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(240, 228, 66),
];
/// What stands back.
const GREY: RGBColor = RGBColor(190, 190, 190);
const FONT: (&str, u32) = ("sans-serif", 15);

/// The colour of a cluster.
fn colour(label: usize) -> RGBColor {
    COLOURS[label % COLOURS.len()]
}

/// What can be read on a colour.
fn text_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    // Luminance by ITU-R BT.601, of 255.
    let bright = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue) > 140.0;
    if bright { BLACK } else { WHITE }
}

fn failed(e: impl Display) -> ResultsError {
    ResultsError::Figure(e.to_string())
}
