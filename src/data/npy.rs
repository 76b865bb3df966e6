//! NumPy's `.npy` arrays: images, features and labels, plain or packed by gzip, bzip2 or xz.

use super::content;
use super::error::DataError;
use super::images::Part;
use super::memory;
use crate::matrix::Matrix;
use npyz::{DType, NpyFile, NpyHeader, Order, TypeChar};
use std::io::Read;
use std::path::Path;

/// Most bytes of a header: real ones have 128; npyz would allocate whatever the length field says.
const MAX_HEADER: usize = 1 << 14;

/// Images as `u8` [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3. A last axis of 1 or 3 is channels-last, else
/// the second axis must be 1 or 3. Floats are taken as shares of white within [0, 1]: v becomes `round(255 · v)`.
pub(crate) fn images(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    let array = Array::of(bytes, place)?;
    let (n, c, h, w, last) = match array.header.shape[..] {
        [n, h, w] => (n, 1, h, w, false),
        [n, h, w, c @ (1 | 3)] => (n, c, h, w, true),
        [n, c @ (1 | 3), h, w] => (n, c, h, w, false),
        _ => {
            let what = format!("an array of shape {:?} holds no images", array.header.shape);
            return Err(DataError::format(
                place,
                what,
                "save it as [N, H, W], [N, H, W, C] or [N, C, H, W], C being 1 or 3",
            ));
        }
    };
    let flat: Vec<u8> = match array.header.kind {
        Kind::Uint(1) => array.values::<u8>()?,
        Kind::Float(4) => array
            .values::<f32>()?
            .iter()
            .enumerate()
            .map(|(i, &v)| shade(f64::from(v), i, h * w * c, place))
            .collect::<Result<_, _>>()?,
        Kind::Float(8) => array
            .values::<f64>()?
            .iter()
            .enumerate()
            .map(|(i, &v)| shade(v, i, h * w * c, place))
            .collect::<Result<_, _>>()?,
        _ => return Err(array.wrong_type("images", "uint8, or float32 or float64 within [0, 1]")),
    };
    let mut data = flat;
    if last && c > 1 {
        let mut planes = Vec::with_capacity(data.len());
        for image in data.chunks_exact(h * w * c) {
            for channel in 0..c {
                planes.extend(image.iter().skip(channel).step_by(c));
            }
        }
        data = planes;
    }
    debug_assert_eq!(data.len(), n * c * h * w);
    Ok(Part {
        channels: c,
        height: h,
        width: w,
        data,
        labels: None,
    })
}

fn shade(v: f64, i: usize, item: usize, place: &str) -> Result<u8, DataError> {
    if (0.0..=1.0).contains(&v) {
        return Ok((v * 255.0).round() as u8);
    }
    let what = format!(
        "image {} holds {v} (value {} of it), which is not within [0, 1]",
        i / item,
        i % item
    );
    Err(DataError::format(
        place,
        what,
        "scale float images to [0, 1], or save them as uint8 0 … 255",
    ))
}

/// Features as [N, D] of any float or integer type, rounded to f32; NaN and infinities are refused.
pub(crate) fn features(bytes: &[u8], place: &str) -> Result<Matrix, DataError> {
    let array = Array::of(bytes, place)?;
    let [rows, cols] = array.header.shape[..] else {
        let what = format!("an array of shape {:?} holds no features", array.header.shape);
        return Err(DataError::format(
            place,
            what,
            "save it as [N, D]; a vector becomes that by x[:, None]",
        ));
    };
    let data = match array.header.kind {
        Kind::Float(4) => array.values::<f32>()?,
        Kind::Float(8) => array.values::<f64>()?.into_iter().map(|v| v as f32).collect(),
        _ => array.integers("features", "floats of 4 or 8 bytes, or integers", |v| v as f32)?,
    };
    let matrix = Matrix::new(rows, cols, data);
    match matrix.first_not_finite() {
        None => Ok(matrix),
        Some((r, c)) => {
            let what = format!("row {r}, column {c} is {}", matrix.row(r)[c]);
            Err(DataError::format(
                place,
                what,
                "remove or fill such values (f32 reaches to 3.4e38)",
            ))
        }
    }
}

/// Labels as [N] of any integer type.
pub(crate) fn labels(bytes: &[u8], place: &str) -> Result<Vec<i64>, DataError> {
    let array = Array::of(bytes, place)?;
    if array.header.shape.len() != 1 {
        let what = format!("an array of shape {:?} holds no labels", array.header.shape);
        return Err(DataError::format(
            place,
            what,
            "save one integer per item as [N] (argmax of one-hot rows)",
        ));
    }
    array.integers("labels", "integers", |v| v)
}

/// Labels must be as many as items.
pub(crate) fn same_length(items: usize, labels: usize, place: &str) -> Result<(), DataError> {
    if items == labels {
        return Ok(());
    }
    Err(DataError::format(
        place,
        format!("{labels} labels for {items} items"),
        "save both from the same data",
    ))
}

/// A type and its bytes per value.
#[derive(Clone, Copy)]
enum Kind {
    Uint(u64),
    Int(u64),
    Float(u64),
    Other,
}

/// A header that makes sense.
struct Header {
    npy: NpyHeader,
    shape: Vec<usize>,
    kind: Kind,
    /// Number of values, at least 1.
    count: u64,
    /// Bytes of the whole file.
    file: u64,
    /// Where the values start.
    end: usize,
}

impl Header {
    /// `bytes` are the file, or at least its header.
    fn of(bytes: &[u8], place: &str) -> Result<Self, DataError> {
        let fail = |what: String| DataError::format(place, what, "save it again with numpy.save");
        let end = header_end(bytes).map_err(|what| fail(what.into()))?;
        // npyz multiplies the shape unchecked, so an overflow is caught before it sees the header.
        let text = String::from_utf8_lossy(&bytes[..end]);
        let dims = text
            .split_once("'shape'")
            .and_then(|(_, t)| t.split_once('('))
            .and_then(|(_, t)| t.split_once(')'));
        let dims = dims.ok_or_else(|| fail("its header has no shape".into()))?.0;
        let dims: Vec<usize> = dims
            .split(',')
            .map(|d| d.trim().trim_end_matches('L'))
            .filter(|d| !d.is_empty())
            .map(|d| {
                d.parse()
                    .map_err(|_| fail(format!("its shape holds `{}`", d.escape_debug())))
            })
            .collect::<Result<_, _>>()?;
        let count = dims.iter().try_fold(1u64, |a, &d| a.checked_mul(d as u64));
        let Some(count) = count.filter(|&c| c > 0 && !dims.is_empty()) else {
            return Err(fail(format!("its shape {dims:?} is empty or beyond any file")));
        };
        let npy = NpyHeader::from_reader(&bytes[..end]).map_err(|e| fail(format!("is no readable .npy file: {e}")))?;
        let (kind, size) = match npy.dtype() {
            DType::Plain(t) => match (t.type_char(), t.size_field()) {
                (TypeChar::Float, size) => (Kind::Float(size), size),
                (TypeChar::Int, size) => (Kind::Int(size), size),
                (TypeChar::Uint, size) => (Kind::Uint(size), size),
                _ => (Kind::Other, 0),
            },
            _ => (Kind::Other, 0),
        };
        if size == 0 {
            return Err(wrong_type(
                &npy,
                place,
                "data",
                "numbers: images as uint8 or floats in [0, 1], labels as integers",
            ));
        }
        let file = count.checked_mul(size).and_then(|body| body.checked_add(end as u64));
        let file = file.ok_or_else(|| fail(format!("its shape {dims:?} is beyond any file")))?;
        if !npy.shape().iter().copied().eq(dims.iter().map(|&d| d as u64)) {
            return Err(fail(format!(
                "its header names two shapes, {dims:?} and {:?}",
                npy.shape()
            )));
        }
        Ok(Self {
            npy,
            shape: dims,
            kind,
            count,
            file,
            end,
        })
    }

    /// The most that is held at once: the file, its values in their own type (twice to bring them into another order) and
    /// the result at `kept` bytes a value.
    fn memory(&self, kept: u64) -> u64 {
        let values = self
            .file
            .saturating_mul(if self.npy.order() == Order::C { 2 } else { 3 });
        values.saturating_add(self.count.saturating_mul(kept))
    }
}

/// The file, told from its header how long it is: what goes on beyond that, packed or not, is not read. `kept` is how many
/// bytes the caller makes of a value.
pub(crate) fn read(path: &Path, kept: u64) -> Result<Vec<u8>, DataError> {
    let place = path.display().to_string();
    let mut reader = content::unpacked(path)?;
    let mut bytes = Vec::new();
    let mut take = |most: u64, bytes: &mut Vec<u8>| {
        let read = reader.by_ref().take(most).read_to_end(bytes);
        read.map_err(|e| DataError::io("read", path, e))
    };
    take(MAX_HEADER as u64 + 12, &mut bytes)?;
    let header = Header::of(&bytes, &place)?;
    memory::check(
        &place,
        format!("values of shape {:?}", header.shape),
        header.memory(kept),
    )?;
    // One byte more, so that a file that is too long is seen to be.
    take((header.file + 1).saturating_sub(bytes.len() as u64), &mut bytes)?;
    Ok(bytes)
}

/// An array whose header agrees with the bytes at hand.
struct Array<'a> {
    header: Header,
    body: &'a [u8],
    place: &'a str,
}

impl<'a> Array<'a> {
    fn of(bytes: &'a [u8], place: &'a str) -> Result<Self, DataError> {
        let header = Header::of(bytes, place)?;
        if header.file != bytes.len() as u64 {
            let more = if header.file < bytes.len() as u64 {
                "more"
            } else {
                "fewer"
            };
            let what = format!(
                "{more} bytes follow its header than it announces ({} for shape {:?})",
                header.file - header.end as u64,
                header.shape
            );
            return Err(DataError::format(place, what, "save it again with numpy.save"));
        }
        let body = &bytes[header.end..];
        Ok(Self { header, body, place })
    }

    /// All values in row-major order, whatever the order in the file.
    fn values<T: npyz::Deserialize + Copy>(&self) -> Result<Vec<T>, DataError> {
        let fail = |e: &dyn std::fmt::Display| {
            DataError::format(
                self.place,
                format!("cannot be read: {e}"),
                "save it again with numpy.save",
            )
        };
        let file = NpyFile::with_header(self.header.npy.clone(), self.body);
        let values: Vec<T> = file.into_vec().map_err(|e| fail(&e))?;
        if self.header.npy.order() == Order::C || self.header.shape.len() < 2 {
            return Ok(values);
        }
        // In Fortran order the first index runs fastest: walk the row-major positions and pick.
        let mut out = Vec::with_capacity(values.len());
        let shape = &self.header.shape;
        let mut index = vec![0; shape.len()];
        for _ in 0..values.len() {
            let at = index.iter().zip(shape).rev().fold(0, |at, (i, d)| at * d + i);
            out.push(values[at]);
            for (i, d) in index.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < *d {
                    break;
                }
                *i = 0;
            }
        }
        Ok(out)
    }

    fn integers<T>(&self, what: &str, allowed: &str, as_kept: fn(i64) -> T) -> Result<Vec<T>, DataError> {
        fn all<V: Into<i64>, T>(values: Vec<V>, as_kept: fn(i64) -> T) -> Vec<T> {
            values.into_iter().map(|v| as_kept(v.into())).collect()
        }
        Ok(match self.header.kind {
            Kind::Uint(1) => all(self.values::<u8>()?, as_kept),
            Kind::Uint(2) => all(self.values::<u16>()?, as_kept),
            Kind::Uint(4) => all(self.values::<u32>()?, as_kept),
            Kind::Int(1) => all(self.values::<i8>()?, as_kept),
            Kind::Int(2) => all(self.values::<i16>()?, as_kept),
            Kind::Int(4) => all(self.values::<i32>()?, as_kept),
            Kind::Int(8) => all(self.values::<i64>()?, as_kept),
            Kind::Uint(8) => {
                let values = self.values::<u64>()?.into_iter();
                let small = values
                    .map(|v| i64::try_from(v).ok().map(as_kept))
                    .collect::<Option<_>>();
                small.ok_or_else(|| DataError::format(self.place, "holds a number above 2^63", "save it as int64"))?
            }
            _ => return Err(self.wrong_type(what, allowed)),
        })
    }

    fn wrong_type(&self, what: &str, allowed: &str) -> DataError {
        wrong_type(&self.header.npy, self.place, what, allowed)
    }
}

fn wrong_type(header: &NpyHeader, place: &str, what: &str, allowed: &str) -> DataError {
    let found = header.dtype().descr();
    DataError::format(
        place,
        format!("values of type {found} are no {what}"),
        format!("save it as {allowed}"),
    )
}

/// Where the header ends and the values start.
fn header_end(bytes: &[u8]) -> Result<usize, &'static str> {
    let (start, length) = match bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => (10, u16::from_le_bytes([*a, *b]) as usize),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize)
        }
        [b'P', b'K', ..] => return Err("is an .npz archive (or another zip); name one .npy array"),
        _ => return Err("is no .npy file of version 1 to 3"),
    };
    match start + length {
        end if length <= MAX_HEADER && end <= bytes.len() => Ok(end),
        _ => Err("its header is cut or longer than 16 KiB"),
    }
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
