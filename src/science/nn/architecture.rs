//! The dynamic architecture: depth and width from the side of the image.

use serde::{Deserialize, Serialize};

/// Negative slope of the leaky rectifier behind every block.
pub const SLOPE: f64 = 0.1;
/// Channels double with every block up to here.
const MOST_CHANNELS: usize = 512;
/// Side of the last feature map.
pub const LAST_SIDE: usize = 2;

/// An image size that no architecture fits.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "images are {height}×{width}; the networks want squares whose side is a power of two, 4 to 512: \
     set `pad` or `resize` on the `load` stage (28×28 → pad: 32, 8×8 → resize: 16)"
)]
pub struct UnfitImage {
    pub height: usize,
    pub width: usize,
}

/// The shape of a trunk and of its mirror.
///
/// A side of D gives log2(D) − 1 blocks, each halving the side, down to 2 × 2. The first half (rounded up) are *general*
/// blocks of two 3×3 convolutions, the effective field of a 5×5; the rest are *specific* blocks of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// Channels of the image.
    pub channels: usize,
    /// Side of the image.
    pub side: usize,
    /// Channels behind each block.
    pub filters: Vec<usize>,
    /// How many blocks, counted from the image, are general.
    pub general: usize,
}

impl Architecture {
    /// # Errors
    /// [`UnfitImage`] unless the image is a square with a power of two as its side.
    pub fn new(channels: usize, height: usize, width: usize, filters: usize) -> Result<Self, UnfitImage> {
        if height != width || !height.is_power_of_two() || !(4..=512).contains(&height) {
            return Err(UnfitImage { height, width });
        }
        let blocks = height.ilog2() as usize - 1;
        let filters = (0..blocks).map(|b| (filters << b).min(MOST_CHANNELS)).collect();
        Ok(Self {
            channels,
            side: height,
            filters,
            general: blocks.div_ceil(2),
        })
    }

    /// Values in the last feature map.
    pub fn features(&self) -> usize {
        self.last_channels() * LAST_SIDE * LAST_SIDE
    }

    pub fn last_channels(&self) -> usize {
        *self
            .filters
            .last()
            .expect("a side of 4 or more gives at least one block")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_from_the_side() {
        for (side, blocks, general) in [(4, 1, 1), (8, 2, 1), (16, 3, 2), (32, 4, 2), (64, 5, 3), (128, 6, 3)] {
            let a = Architecture::new(1, side, side, 32).unwrap();
            assert_eq!((a.filters.len(), a.general), (blocks, general), "side {side}");
        }
    }

    #[test]
    fn channels_double_up_to_a_cap() {
        assert_eq!(
            Architecture::new(3, 64, 64, 64).unwrap().filters,
            [64, 128, 256, 512, 512]
        );
    }

    #[test]
    fn other_shapes_are_refused_with_a_way_out() {
        for (height, width) in [(28, 28), (32, 16), (2, 2), (1024, 1024)] {
            let error = Architecture::new(1, height, width, 32).unwrap_err().to_string();
            assert!(
                error.contains("pad") && error.contains(&format!("{height}×{width}")),
                "{error}"
            );
        }
    }
}
