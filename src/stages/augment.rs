//! Random affine changes of training images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each image of a batch gets its own draw; what leaves the frame is filled with zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Rotation, uniform within ± this many degrees.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub rotation: f64,
    /// Zoom factor, uniform within 1 ± this.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub zoom: f64,
    /// Shift along each side, uniform within ± this share of the side.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub shift: f64,
    /// Mirror half of the images left to right.
    pub flip: bool,
    /// Random crop: pad by this many pixels, then cut the original size out of it; the outermost offsets come half as
    /// often as the others.
    #[schemars(range(min = 0, max = 64))]
    pub crop: u32,
}

/// The thesis' values: rotation ±10°, zoom 0.1, shifts 0.1, no flip.
impl Default for Augment {
    fn default() -> Self {
        Self {
            rotation: 10.0,
            zoom: 0.1,
            shift: 0.1,
            flip: false,
            crop: 0,
        }
    }
}

impl Augment {
    pub fn off() -> Self {
        Self {
            rotation: 0.0,
            zoom: 0.0,
            shift: 0.0,
            flip: false,
            crop: 0,
        }
    }

    pub fn is_off(&self) -> bool {
        self.rotation == 0.0 && self.zoom == 0.0 && self.shift == 0.0 && !self.flip && self.crop == 0
    }
}
