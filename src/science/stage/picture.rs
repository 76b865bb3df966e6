//! Small images in a grid, as a PNG.

use super::refuse;
use image::{ImageFormat, Rgb, RgbImage};
use moelab_engine::job::Failure;
use std::path::Path;

/// White pixels between two images.
const GAP: u32 = 2;
/// A side of the drawing for one pixel of an image: most images here are smaller than a stamp.
const SCALE: u32 = 2;

/// Images of one size, filled in from left to right and top to bottom.
pub struct Picture {
    /// Channels (1 or 3), height, width.
    shape: [usize; 3],
    columns: usize,
    /// Values in [0, 1], image after image, each [C, H, W].
    pixels: Vec<f32>,
}

impl Picture {
    pub fn new(shape: [usize; 3], columns: usize) -> Self {
        Self {
            shape,
            columns,
            pixels: Vec::new(),
        }
    }

    /// Adds one image or more, [n, C, H, W].
    pub fn add(&mut self, pixels: &[f32]) {
        self.pixels.extend_from_slice(pixels);
    }

    /// Leaves what remains of a row white.
    pub fn end_row(&mut self) {
        let [channels, height, width] = self.shape;
        let row = self.columns * channels * height * width;
        self.pixels.resize(self.pixels.len().next_multiple_of(row), 1.0);
    }

    fn images(&self) -> Vec<&[f32]> {
        let [channels, height, width] = self.shape;
        self.pixels.chunks_exact(channels * height * width).collect()
    }

    pub fn rows(&self) -> usize {
        self.images().len().div_ceil(self.columns.max(1))
    }

    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        self.draw().save_with_format(path, ImageFormat::Png).map_err(refuse)
    }

    fn draw(&self) -> RgbImage {
        let [channels, height, width] = self.shape;
        let (images, rows) = (self.images(), self.rows());
        let side = |images: usize, pixels: usize| images as u32 * (pixels as u32 * SCALE + GAP) + GAP;
        let mut drawing = RgbImage::from_pixel(side(self.columns, width), side(rows, height), Rgb([255; 3]));
        for (i, image) in images.into_iter().enumerate() {
            let (left, top) = (side(i % self.columns, width), side(i / self.columns, height));
            for (x, y) in (0..width as u32 * SCALE).flat_map(|x| (0..height as u32 * SCALE).map(move |y| (x, y))) {
                let at = (y / SCALE) as usize * width + (x / SCALE) as usize;
                let value = |channel: usize| {
                    let channel = channel.min(channels - 1);
                    (image[channel * height * width + at].clamp(0.0, 1.0) * 255.0).round() as u8
                };
                drawing.put_pixel(left + x, top + y, Rgb([0, 1, 2].map(value)));
            }
        }
        drawing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_row_by_row_with_gaps_between() {
        let mut picture = Picture::new([1, 1, 1], 2);
        picture.add(&[0.0, 0.5]);
        picture.add(&[1.0]);
        let drawing = picture.draw();
        let (one, two) = (GAP, 2 * GAP + SCALE);
        assert_eq!(drawing.dimensions(), (two + SCALE + GAP, two + SCALE + GAP));
        let grey = |x, y| drawing.get_pixel(x, y).0[0];
        assert_eq!([grey(one, one), grey(two, one), grey(one, two)], [0, 128, 255]);
        assert_eq!(grey(0, 0), 255, "a gap is white");
    }

    #[test]
    fn a_row_that_ends_early_is_white_to_its_end() {
        let mut picture = Picture::new([1, 1, 1], 2);
        picture.add(&[0.0]);
        picture.end_row();
        picture.end_row();
        picture.add(&[0.0]);
        let drawing = picture.draw();
        let (one, two) = (GAP, 2 * GAP + SCALE);
        let grey = |x, y| drawing.get_pixel(x, y).0[0];
        assert_eq!([grey(one, one), grey(two, one), grey(one, two)], [0, 255, 0]);
        assert_eq!(picture.rows(), 2);
    }

    #[test]
    fn colours_keep_their_channels() {
        let mut picture = Picture::new([3, 1, 1], 1);
        picture.add(&[1.0, 0.0, 0.2]);
        assert_eq!(picture.draw().get_pixel(GAP, GAP).0, [255, 0, 51]);
    }
}
