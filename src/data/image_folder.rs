//! Any folder or archive of PNG and JPEG files.
//!
//! The layout is read from the depth of the names, which must be the same for all:
//! `SPLIT/CLASS/file` (SPLIT is `train` or `test`), `CLASS/file`, `SPLIT/file` or just `file`; the latter two have no
//! labels. A single CLASS folder is a folder that all files share, so it is dropped and gives no labels.
//!
//! Classes are numbered in the order of their names (as numbers where all are integers). Images come in the byte order of
//! their names, train before test.

use super::Split;
use super::archive;
use super::error::DataError;
use super::images::{Images, Labels};
use super::memory;
use super::transform::{self, Size};
use image::{ColorType, DynamicImage, ImageReader, Limits};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

/// After how many bytes of decoded pixels the memory left is looked at again.
const STEP: u64 = 256 << 20;

/// One decoded file: interleaved grey (1) or RGB (3).
pub(crate) struct Picture {
    channels: usize,
    height: u32,
    width: u32,
    pixels: Vec<u8>,
}

impl Picture {
    pub fn height_width(&self) -> (usize, usize) {
        (self.height as usize, self.width as usize)
    }
}

/// Loads `path`. With `resize` every image is brought to that size on its own, otherwise all must be of one size.
pub(crate) fn load(path: &Path, split: Split, resize: Option<Size>) -> Result<Images, DataError> {
    let to = resize.map(Size::height_width).transpose()?;
    let mut total = 0u64;
    let tree = archive::read(path, &mut |name, bytes| {
        let picture = decode(&bytes, &format!("{}: {name}", path.display()))?;
        let picture = if let Some((h, w)) = to {
            resized(picture, h, w)
        } else {
            picture
        };
        let before = total;
        total += picture.pixels.len() as u64;
        if total / STEP > before / STEP {
            // What is decoded is there already; all of it is copied once, and the next step needs as much again.
            memory::check(path.display(), format!("its images up to `{name}`"), total + 2 * STEP)?;
        }
        Ok(picture)
    })?;
    let names: Vec<&str> = tree.files.keys().map(String::as_str).collect();
    let layout = Layout::of(&names, path)?;
    let chosen = layout.of_split(split, path)?;
    let pictures: Vec<&Picture> = tree.files.values().collect();
    let chosen_names: Vec<&str> = chosen.iter().map(|&i| names[i]).collect();
    let chosen_pictures: Vec<&Picture> = chosen.iter().map(|&i| pictures[i]).collect();
    let (channels, data) = planes(&chosen_pictures, &chosen_names, path)?;
    let labels = layout.classes.map(|class_names| Labels {
        values: chosen.iter().map(|&i| layout.labels[i]).collect(),
        class_names,
    });
    Ok(Images {
        n: chosen.len(),
        channels,
        height: chosen_pictures[0].height as usize,
        width: chosen_pictures[0].width as usize,
        data,
        labels,
        name: path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default(),
        split: split.name().into(),
        source_digest: tree.digest,
    })
}

/// The files of all images of a folder or archive, in the order of their rows.
pub fn names(path: &Path) -> Result<Vec<String>, DataError> {
    let tree = archive::read(path, &mut |_, _| Ok(()))?;
    let names: Vec<&str> = tree.files.keys().map(String::as_str).collect();
    let rows = Layout::of(&names, path)?.of_split(Split::All, path)?;
    Ok(rows.iter().map(|&row| names[row].to_owned()).collect())
}

/// Decodes a PNG or JPEG. 16-bit samples become 8-bit; transparency that hides something is refused.
pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<Picture, DataError> {
    let fail = |what: String| DataError::format(place, what, "remove the file or replace it by a PNG or JPEG image");
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .expect("reading from memory cannot fail");
    if reader.format().is_none() {
        return Err(fail("is no PNG or JPEG image".into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(transform::MAX_SIDE);
    limits.max_image_height = Some(transform::MAX_SIDE);
    limits.max_alloc = Some(1 << 30);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| fail(format!("cannot be decoded: {e}")))?;
    if hides_something(&image) {
        return Err(DataError::format(
            place,
            "is partly transparent",
            "put it on a background before: the choice is yours",
        ));
    }
    let (width, height) = (image.width(), image.height());
    let grey = matches!(
        image.color(),
        ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
    );
    let (channels, pixels) = match grey {
        true => (1, image.into_luma8().into_raw()),
        false => (3, image.into_rgb8().into_raw()),
    };
    Ok(Picture {
        channels,
        height,
        width,
        pixels,
    })
}

fn hides_something(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageLumaA8(i) => i.pixels().any(|p| p.0[1] != u8::MAX),
        DynamicImage::ImageLumaA16(i) => i.pixels().any(|p| p.0[1] != u16::MAX),
        DynamicImage::ImageRgba8(i) => i.pixels().any(|p| p.0[3] != u8::MAX),
        DynamicImage::ImageRgba16(i) => i.pixels().any(|p| p.0[3] != u16::MAX),
        // Neither PNG nor JPEG decodes to another form with transparency.
        _ => false,
    }
}

fn resized(p: Picture, h: u32, w: u32) -> Picture {
    let resize = if p.channels == 1 {
        transform::resize_grey
    } else {
        transform::resize_rgb
    };
    Picture {
        pixels: resize(&p.pixels, p.height, p.width, h, w),
        height: h,
        width: w,
        ..p
    }
}

/// Channel number and NCHW bytes of pictures of one size; grey joins RGB by repeating its value.
pub(crate) fn planes(pictures: &[&Picture], names: &[&str], path: &Path) -> Result<(usize, Vec<u8>), DataError> {
    let first = pictures[0];
    if let Some(i) = pictures
        .iter()
        .position(|p| (p.height, p.width) != (first.height, first.width))
    {
        let what = format!(
            "`{}` has {} × {} pixels (height × width) but `{}` has {} × {}",
            names[0], first.height, first.width, names[i], pictures[i].height, pictures[i].width
        );
        return Err(DataError::format(
            path.display(),
            what,
            "give `resize` to bring all to one size",
        ));
    }
    let channels = pictures.iter().map(|p| p.channels).max().expect("there is a first one");
    let area = first.height as usize * first.width as usize;
    let mut data = Vec::with_capacity(pictures.len() * channels * area);
    for p in pictures {
        for c in 0..channels {
            let from = c.min(p.channels - 1);
            data.extend(p.pixels.iter().skip(from).step_by(p.channels));
        }
    }
    Ok((channels, data))
}

/// What the names say.
struct Layout {
    n: usize,
    /// Per file: 0 train, 1 test; `None` where names hold no split.
    splits: Option<Vec<usize>>,
    labels: Vec<i64>,
    classes: Option<Vec<String>>,
}

impl Layout {
    fn of(names: &[&str], path: &Path) -> Result<Self, DataError> {
        let parts: Vec<Vec<&str>> = names.iter().map(|n| n.split('/').collect()).collect();
        let depth = parts[0].len();
        if let Some(i) = parts.iter().position(|p| p.len() != depth) {
            let what = format!("`{}` and `{}` lie at different depths", names[0], names[i]);
            return Err(DataError::format(path.display(), what, LAYOUTS));
        }
        let is_split = |p: &Vec<&str>| matches!(p[0], "train" | "test");
        let with_split = depth > 1 && parts.iter().all(is_split);
        let class_at = match (depth, with_split) {
            (1, _) | (2, true) => None,
            (2, false) => Some(0),
            (3, true) => Some(1),
            _ => {
                let what = format!("`{}` is neither CLASS/file nor SPLIT/CLASS/file", names[0]);
                return Err(DataError::format(path.display(), what, LAYOUTS));
            }
        };
        let splits = with_split.then(|| parts.iter().map(|p| usize::from(p[0] == "test")).collect());
        let Some(at) = class_at else {
            return Ok(Self {
                n: names.len(),
                splits,
                labels: Vec::new(),
                classes: None,
            });
        };
        let mut classes: Vec<String> = parts.iter().map(|p| p[at].to_owned()).collect();
        classes.sort();
        classes.dedup();
        if classes.iter().all(|c| c.parse::<i64>().is_ok()) {
            classes.sort_by_key(|c| c.parse::<i64>().expect("checked in the line before"));
        }
        let numbers: BTreeMap<&str, i64> = (0..).zip(&classes).map(|(i, name)| (name.as_str(), i)).collect();
        let labels = parts.iter().map(|p| numbers[p[at]]).collect();
        Ok(Self {
            n: names.len(),
            splits,
            labels,
            classes: Some(classes),
        })
    }

    /// Positions of the files of a split, train before test.
    fn of_split(&self, split: Split, path: &Path) -> Result<Vec<usize>, DataError> {
        let fail = |what: &str| {
            Err(DataError::setting(
                "split",
                format!("{} {what}", path.display()),
                "use `split: all`",
            ))
        };
        let chosen: Vec<usize> = match (&self.splits, split) {
            (None, Split::All) => (0..self.n).collect(),
            (None, _) => return fail("has no folders `train` and `test`"),
            (Some(s), Split::Train) => (0..s.len()).filter(|&i| s[i] == 0).collect(),
            (Some(s), Split::Test) => (0..s.len()).filter(|&i| s[i] == 1).collect(),
            (Some(s), Split::All) => {
                let mut order: Vec<usize> = (0..s.len()).collect();
                order.sort_by_key(|&i| s[i]);
                order
            }
        };
        if chosen.is_empty() {
            fail(&format!("holds no images under `{}/`", split.name()))
        } else {
            Ok(chosen)
        }
    }
}

const LAYOUTS: &str =
    "arrange all images as CLASS/file, or as train/CLASS/file and test/CLASS/file, or flat without classes";

#[cfg(test)]
#[path = "image_folder_tests.rs"]
mod tests;
