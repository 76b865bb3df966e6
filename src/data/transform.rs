//! Another size: resize, then pad.

use super::error::DataError;
use super::images::Images;
use super::memory;
use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, Rgb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No side may grow beyond this, so a mistyped size is refused and not allocated.
pub const MAX_SIDE: u32 = 8192;

/// One number for a square, or (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Size {
    Square(u32),
    HeightWidth(u32, u32),
}

impl Size {
    /// (height, width), both 1 … 8192.
    pub fn height_width(self) -> Result<(u32, u32), DataError> {
        let (h, w) = match self {
            Self::Square(s) => (s, s),
            Self::HeightWidth(h, w) => (h, w),
        };
        if h == 0 || w == 0 || h > MAX_SIDE || w > MAX_SIDE {
            let what = format!("{h} × {w} pixels");
            return Err(DataError::setting(
                "resize",
                what,
                format!("give sides of 1 to {MAX_SIDE}"),
            ));
        }
        Ok((h, w))
    }
}

/// Resizes every image by a triangle filter whose support grows with the reduction: it averages when shrinking (no
/// aliasing) and is bilinear when growing. It cannot ring, so flat areas stay flat.
pub(crate) fn resize(images: Images, size: Size) -> Result<Images, DataError> {
    let (h, w) = size.height_width()?;
    if (h as usize, w as usize) == (images.height, images.width) {
        return Ok(images);
    }
    let bytes = needed(&images, h, w)?;
    let mut data = Vec::with_capacity(bytes);
    for i in 0..images.n {
        for plane in images.item(i).chunks_exact(images.height * images.width) {
            data.extend(resize_grey(plane, images.height as u32, images.width as u32, h, w));
        }
    }
    Ok(Images {
        data,
        height: h as usize,
        width: w as usize,
        ..images
    })
}

/// Bytes of all images at another size, if this machine can hold them.
fn needed(images: &Images, h: u32, w: u32) -> Result<usize, DataError> {
    let count = images.n as u64 * images.channels as u64;
    let bytes = count.saturating_mul(u64::from(h) * u64::from(w));
    let what = format!(
        "{} images of {h} × {w} pixels and {} channels",
        images.n, images.channels
    );
    memory::check(&images.name, what, bytes)?;
    Ok(bytes as usize)
}

/// One plane of `height` × `width` bytes to `h` × `w`.
pub(crate) fn resize_grey(plane: &[u8], height: u32, width: u32, h: u32, w: u32) -> Vec<u8> {
    let from: ImageBuffer<Luma<u8>, &[u8]> = ImageBuffer::from_raw(width, height, plane).expect("a plane of that size");
    imageops::resize(&from, w, h, FilterType::Triangle).into_raw()
}

/// The same for interleaved RGB.
pub(crate) fn resize_rgb(pixels: &[u8], height: u32, width: u32, h: u32, w: u32) -> Vec<u8> {
    let from: ImageBuffer<Rgb<u8>, &[u8]> = ImageBuffer::from_raw(width, height, pixels).expect("pixels of that size");
    imageops::resize(&from, w, h, FilterType::Triangle).into_raw()
}

/// Puts every image in the middle of a black square of `side` pixels (28 → 32: two on each side). Where the border is
/// odd, the larger half is below and on the right.
pub(crate) fn pad(images: Images, side: u32) -> Result<Images, DataError> {
    let to = side as usize;
    let (h, w) = (images.height, images.width);
    if to < h || to < w || side > MAX_SIDE {
        return Err(DataError::setting(
            "pad",
            format!("images of {h} × {w} pixels do not fit into {side} × {side}"),
            format!("give a side of {} to {MAX_SIDE}, or use `resize`", h.max(w)),
        ));
    }
    if (to, to) == (h, w) {
        return Ok(images);
    }
    let (top, left) = ((to - h) / 2, (to - w) / 2);
    let mut data = vec![0; needed(&images, side, side)?];
    for (plane, target) in images.data.chunks_exact(h * w).zip(data.chunks_exact_mut(to * to)) {
        for (y, row) in plane.chunks_exact(w).enumerate() {
            let start = (top + y) * to + left;
            target[start..start + w].copy_from_slice(row);
        }
    }
    Ok(Images {
        data,
        height: to,
        width: to,
        ..images
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(channels: usize, height: usize, width: usize, data: Vec<u8>) -> Images {
        let n = data.len() / (channels * height * width);
        Images {
            n,
            channels,
            height,
            width,
            data,
            labels: None,
            name: "t".into(),
            split: "all".into(),
            source_digest: String::new(),
        }
    }

    #[test]
    fn padding_is_black_and_centred_with_the_odd_line_last() {
        let out = pad(images(1, 2, 2, vec![1, 2, 3, 4]), 5).unwrap();
        let rows: Vec<&[u8]> = out.data.chunks(5).collect();
        assert_eq!(rows[1], [0, 1, 2, 0, 0]);
        assert_eq!(rows[2], [0, 3, 4, 0, 0]);
        assert_eq!(out.data.iter().map(|&v| v as u32).sum::<u32>(), 10);
    }

    #[test]
    fn every_channel_and_image_is_padded() {
        let out = pad(images(3, 1, 1, vec![1, 2, 3, 4, 5, 6]), 2).unwrap();
        assert_eq!((out.n, out.channels, out.height, out.width), (2, 3, 2, 2));
        assert_eq!(out.item(1), [4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]);
    }

    #[test]
    fn padding_to_less_is_refused() {
        let said = pad(images(1, 4, 2, vec![0; 8]), 3).unwrap_err().to_string();
        assert!(said.contains("images of 4 × 2 pixels do not fit into 3 × 3"), "{said}");
        assert!(said.contains("give a side of 4 to 8192"), "{said}");
    }

    #[test]
    fn shrinking_averages_instead_of_skipping() {
        let stripes: Vec<u8> = (0..256).map(|i| if i % 2 == 0 { 0 } else { 255 }).collect();
        let out = resize(images(1, 16, 16, stripes), Size::Square(4)).unwrap();
        assert!(out.data.iter().all(|&v| (100..156).contains(&v)), "{:?}", out.data);
    }

    #[test]
    fn a_flat_image_stays_flat_when_it_grows() {
        let out = resize(images(1, 8, 8, vec![77; 64]), Size::HeightWidth(16, 12)).unwrap();
        assert_eq!((out.height, out.width), (16, 12));
        assert!(out.data.iter().all(|&v| v == 77));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let said = |size: Size| size.height_width().unwrap_err().to_string();
        let zero = said(Size::Square(0));
        assert!(zero.contains("0 × 0 pixels; give sides of 1 to 8192"), "{zero}");
        let wide = said(Size::HeightWidth(10, 100_000));
        assert!(wide.contains("10 × 100000 pixels"), "{wide}");
        assert_eq!(Size::HeightWidth(1, MAX_SIDE).height_width().unwrap(), (1, MAX_SIDE));
    }

    #[test]
    fn sizes_beyond_the_memory_are_refused_with_the_figure() {
        let many = Images {
            n: 1_000_000,
            ..images(1, 1, 1, vec![0])
        };
        let said = resize(many.clone(), Size::Square(MAX_SIDE)).unwrap_err().to_string();
        assert!(said.contains("1000000 images of 8192 × 8192 pixels"), "{said}");
        assert!(said.contains("67108.9 GB"), "{said}");
        let said = pad(many, MAX_SIDE).unwrap_err().to_string();
        assert!(said.contains("67108.9 GB"), "{said}");
        let said = pad(images(1, 1, 1, vec![0]), MAX_SIDE + 1).unwrap_err().to_string();
        assert!(said.contains("do not fit into 8193 × 8193"), "{said}");
    }

    #[test]
    fn a_size_is_read_as_a_number_or_a_pair() {
        assert_eq!(serde_json::from_str::<Size>("16").unwrap(), Size::Square(16));
        assert_eq!(serde_json::from_str::<Size>("[8, 9]").unwrap(), Size::HeightWidth(8, 9));
    }
}
