//! IDX, the format of MNIST and its relatives: big-endian header, then bytes.
//!
//! Images: magic 2051, count, height, width, pixels. Labels: magic 2049, count, labels.

use super::error::DataError;
use super::images::Part;

const IMAGES: u32 = 2051;
const LABELS: u32 = 2049;

/// Pixels of an IDX file of images, one grey channel. `place` is its path, for messages.
pub(crate) fn images(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    let [n, height, width] = header::<3>(bytes, IMAGES, "images", place)?;
    if n == 0 || height == 0 || width == 0 {
        let what = format!("the header says {n} images of {height} × {width} pixels");
        return Err(DataError::format(place, what, "fetch the file again"));
    }
    let body = body(bytes, 16, &[n, height, width], place)?;
    Ok(Part {
        channels: 1,
        height: height as usize,
        width: width as usize,
        data: body.to_vec(),
        labels: None,
    })
}

/// Labels of an IDX file, each below `classes`.
pub(crate) fn labels(bytes: &[u8], classes: i64, place: &str) -> Result<Vec<i64>, DataError> {
    let [n] = header::<1>(bytes, LABELS, "labels", place)?;
    let values: Vec<i64> = body(bytes, 8, &[n], place)?.iter().map(|&v| i64::from(v)).collect();
    if let Some(i) = values.iter().position(|&v| v >= classes) {
        let what = format!("label {} at item {i} is not within 0 … {}", values[i], classes - 1);
        return Err(DataError::format(
            place,
            what,
            "check that this is the labels file of this data set",
        ));
    }
    Ok(values)
}

/// Gives images their labels; the numbers of both must agree.
pub(crate) fn join(images: Part, labels: Vec<i64>, place: &str) -> Result<Part, DataError> {
    if images.n() != labels.len() {
        let what = format!("{} labels for {} images", labels.len(), images.n());
        return Err(DataError::format(
            place,
            what,
            "use the labels file that belongs to the images (train or test)",
        ));
    }
    Ok(Part {
        labels: Some(labels),
        ..images
    })
}

fn header<const D: usize>(bytes: &[u8], magic: u32, kind: &str, place: &str) -> Result<[u64; D], DataError> {
    let word = |i: usize| {
        bytes
            .get(4 * i..4 * i + 4)
            .map(|b| u32::from_be_bytes(b.try_into().expect("four bytes")))
    };
    match word(0) {
        Some(found) if found == magic => {}
        Some(found @ (IMAGES | LABELS)) => {
            let other = if found == IMAGES { "images" } else { "labels" };
            let what = format!("is an IDX file of {other} (magic {found}) where {kind} (magic {magic}) are needed");
            return Err(DataError::format(place, what, "the two files may have been swapped"));
        }
        Some(found) => {
            let what = format!("starts with {found:#010x}, not with the IDX magic of {kind} ({magic})");
            return Err(DataError::format(
                place,
                what,
                "fetch the file again; an HTML error page is a usual cause",
            ));
        }
        None => return Err(cut(place, bytes.len(), 4 * (D as u64 + 1))),
    }
    let mut dims = [0; D];
    for (i, dim) in dims.iter_mut().enumerate() {
        *dim = u64::from(word(i + 1).ok_or_else(|| cut(place, bytes.len(), 4 * (D as u64 + 1)))?);
    }
    Ok(dims)
}

/// The bytes after the header, which must be exactly as many as the header says.
fn body<'a>(bytes: &'a [u8], start: usize, dims: &[u64], place: &str) -> Result<&'a [u8], DataError> {
    let needed = dims.iter().try_fold(1u64, |a, &d| a.checked_mul(d));
    let body = &bytes[start..];
    match needed {
        Some(needed) if needed == body.len() as u64 => Ok(body),
        Some(needed) if needed < body.len() as u64 => {
            let what = format!(
                "{} bytes follow the {needed} that its header announces",
                body.len() as u64 - needed
            );
            Err(DataError::format(place, what, "fetch the file again"))
        }
        Some(needed) => Err(cut(place, body.len(), needed)),
        None => {
            let what = format!("its header announces {dims:?} items, more than any file can hold");
            Err(DataError::format(place, what, "fetch the file again"))
        }
    }
}

fn cut(place: &str, have: usize, need: u64) -> DataError {
    DataError::format(
        place,
        format!("ends early: {have} bytes where {need} are needed"),
        "fetch the file again",
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn idx(magic: u32, dims: &[u32], body: &[u8]) -> Vec<u8> {
        let mut out = magic.to_be_bytes().to_vec();
        dims.iter().for_each(|d| out.extend(d.to_be_bytes()));
        out.extend(body);
        out
    }

    fn why<T: std::fmt::Debug>(result: Result<T, DataError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn images_and_labels_are_read() {
        let part = images(&idx(2051, &[2, 1, 3], &[1, 2, 3, 4, 5, 6]), "x").unwrap();
        assert_eq!((part.n(), part.height, part.width), (2, 1, 3));
        let part = join(part, labels(&idx(2049, &[2], &[7, 0]), 10, "y").unwrap(), "y").unwrap();
        assert_eq!(part.labels.unwrap(), [7, 0]);
    }

    #[test]
    fn swapped_files_are_named_as_such() {
        assert!(why(images(&idx(2049, &[2], &[7, 0]), "x")).contains("IDX file of labels"));
        assert!(why(labels(&idx(2051, &[1, 1, 1], &[0]), 10, "x")).contains("IDX file of images"));
    }

    #[test]
    fn another_magic_is_refused() {
        assert!(why(images(b"<!DOCTYPE html>", "x")).contains("IDX magic"));
    }

    #[test]
    fn too_few_and_too_many_bytes_are_refused() {
        assert!(why(images(&idx(2051, &[2, 1, 3], &[0; 5]), "x")).contains("ends early"));
        assert!(why(images(&idx(2051, &[2, 1, 3], &[0; 7]), "x")).contains("1 bytes follow"));
        assert!(why(images(&[0, 0, 8], "x")).contains("ends early"));
        assert!(why(images(&idx(2051, &[2], &[]), "x")).contains("ends early"));
    }

    #[test]
    fn a_header_that_overflows_is_refused_without_allocating() {
        assert!(why(images(&idx(2051, &[u32::MAX; 3], &[0; 9]), "x")).contains("more than any file"));
        assert!(why(images(&idx(2051, &[u32::MAX, 1000, 1], &[0; 9]), "x")).contains("ends early"));
    }

    #[test]
    fn labels_out_of_range_or_number_are_refused() {
        assert!(why(labels(&idx(2049, &[2], &[1, 10]), 10, "x")).contains("label 10 at item 1"));
        let part = images(&idx(2051, &[2, 1, 1], &[0, 0]), "x").unwrap();
        assert!(why(join(part, vec![1], "x")).contains("1 labels for 2 images"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            magic in prop_oneof![Just(2051u32), Just(2049), any::<u32>()],
            rest in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [&magic.to_be_bytes()[..], &rest].concat();
            let _ = images(&bytes, "x");
            let _ = labels(&bytes, 10, "x");
        }
    }
}
