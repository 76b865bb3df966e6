//! The images of the points, small and in one picture.

use crate::error::ResultsError;
use crate::tensors::Images;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, imageops::FilterType};

/// Thumbnails side by side in a sheet.
pub(super) const COLUMNS: usize = 50;
/// No thumbnail is larger.
const MOST_SIDE: usize = 32;

/// Small images in rows of [`COLUMNS`], as PNG.
pub(super) struct Sheet {
    pub(super) png: Vec<u8>,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Of all the images, not only those shown.
    pub(super) rows: usize,
}

/// These rows of the images, scaled down where they would take more than `budget` bytes together.
pub(super) fn sheet(images: &Images, rows: &[usize], budget: usize) -> Result<Sheet, ResultsError> {
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
        rows: images.rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::sample;

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
}
