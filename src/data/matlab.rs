//! MATLAB's level-5 files, as far as data sets need them: little-endian numeric arrays, plain or compressed by zlib.
//!
//! A header of 128 bytes, then elements of a tag (type, bytes) and data. A compressed element holds a single matrix, whose
//! parts are flags, dimensions, name and values; parts begin at multiples of eight bytes.

use super::content;
use super::error::DataError;
use flate2::bufread::ZlibDecoder;

const HEADER: usize = 128;
/// No array of a data set is larger, in bytes.
const MOST: u64 = 256 << 20;

/// Types of data.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// A numeric array; values lie in column-major order, little-endian.
#[derive(Debug, PartialEq)]
pub(crate) struct Array {
    pub name: String,
    pub dims: Vec<usize>,
    kind: u32,
    values: Vec<u8>,
}

impl Array {
    /// The values, if they are stored as bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        (self.kind == UINT8).then_some(&self.values)
    }

    /// The values, if they are stored as bytes or doubles.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let double = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("chunks of eight"));
        match self.kind {
            UINT8 => Some(self.values.iter().map(|&v| f64::from(v)).collect()),
            DOUBLE => Some(self.values.chunks_exact(8).map(double).collect()),
            _ => None,
        }
    }
}

/// The arrays of a file in their order. `place` is its path, for messages.
pub(crate) fn arrays(bytes: &[u8], place: &str) -> Result<Vec<Array>, DataError> {
    read(bytes).map_err(|what| {
        DataError::format(
            place,
            what,
            "fetch the file again; files of MATLAB 7.3 (HDF5) and of big-endian machines are not read",
        )
    })
}

fn read(bytes: &[u8]) -> Result<Vec<Array>, String> {
    if bytes.get(124..HEADER) != Some(&[0, 1, b'I', b'M']) {
        return Err("does not begin as a little-endian MATLAB file of level 5".into());
    }
    let mut rest = &bytes[HEADER..];
    let mut arrays = Vec::new();
    while !rest.is_empty() {
        let (kind, data, _) = element(rest)?;
        match kind {
            COMPRESSED => arrays.push(unpacked(data)?),
            MATRIX => arrays.push(array(data)?),
            other => return Err(format!("holds an element of type {other} where arrays are expected")),
        }
        // Matrices fill whole words by themselves; compressed elements are not padded.
        rest = &rest[8 + data.len()..];
    }
    Ok(arrays)
}

/// The matrix in a compressed element, never unpacking more than it says or than [`MOST`].
fn unpacked(packed: &[u8]) -> Result<Array, String> {
    let bytes = content::bounded(ZlibDecoder::new(packed), MOST + 8).map_err(|e| format!("cannot be unpacked: {e}"))?;
    match element(&bytes)? {
        (MATRIX, data, after) if after == bytes.len() => array(data),
        (MATRIX, ..) => Err("bytes follow a compressed array".into()),
        (other, ..) => Err(format!("a compressed element holds type {other}, no array")),
    }
}

/// Type and data of the element at the start of `bytes`, and where the next one begins.
fn element(bytes: &[u8]) -> Result<(u32, &[u8], usize), String> {
    let word = |at: usize| -> Result<u32, String> {
        let word = bytes.get(at..at + 4).ok_or("ends inside an element")?;
        Ok(u32::from_le_bytes(word.try_into().expect("four bytes")))
    };
    let first = word(0)?;
    // Up to four bytes of data share the tag's word: their number stands above the type.
    let (kind, start, length) = match first >> 16 {
        0 => (first, 8, word(4)? as usize),
        small @ 1..=4 => (first & 0xffff, 4, small as usize),
        other => return Err(format!("a short element says that it has {other} bytes")),
    };
    let data = bytes.get(start..).and_then(|rest| rest.get(..length));
    let data = data.ok_or_else(|| format!("an element of {length} bytes goes beyond the end"))?;
    let next = (start + length).next_multiple_of(8).min(bytes.len());
    Ok((kind, data, next))
}

fn array(matrix: &[u8]) -> Result<Array, String> {
    let mut rest = matrix;
    let mut part = |what: &str, wanted: Option<u32>| -> Result<(u32, Vec<u8>), String> {
        let (kind, data, next) = element(rest)?;
        if wanted.is_some_and(|wanted| wanted != kind) {
            return Err(format!("the {what} of an array have the type {kind}"));
        }
        let data = data.to_vec();
        rest = &rest[next..];
        Ok((kind, data))
    };
    let (_, flags) = part("flags", Some(UINT32))?;
    // The second byte marks complex, global and logical arrays, the first the class: 6 to 15 are numbers.
    if flags.len() != 8 || flags[1] & 0x08 != 0 || !(6..=15).contains(&flags[0]) {
        return Err("holds something else than arrays of real numbers".into());
    }
    let (_, dims) = part("dimensions", Some(INT32))?;
    let dims: Option<Vec<usize>> = dims
        .chunks(4)
        .map(|d| usize::try_from(i32::from_le_bytes(d.try_into().ok()?)).ok())
        .collect();
    let dims = dims.ok_or("an array has dimensions that are no sizes")?;
    let (_, name) = part("name", Some(INT8))?;
    let (kind, values) = part("values", None)?;
    let size = match kind {
        UINT8 => Some(1),
        DOUBLE => Some(8),
        // Kept as they are: nobody asks for their values.
        _ => None,
    };
    let name = String::from_utf8_lossy(&name).into_owned();
    let said = dims.iter().try_fold(1usize, |all, &d| all.checked_mul(d));
    if let Some(size) = size
        && said.and_then(|n| n.checked_mul(size)) != Some(values.len())
    {
        return Err(format!(
            "array `{}` says {dims:?} and holds {} bytes",
            name.escape_debug(),
            values.len()
        ));
    }
    Ok(Array {
        name,
        dims,
        kind,
        values,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn padded(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut out = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        out.extend(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }

    /// An array element; `class` 9 is uint8, 6 double.
    pub(crate) fn matrix(name: &str, class: u8, dims: &[i32], kind: u32, values: &[u8]) -> Vec<u8> {
        let dims: Vec<u8> = dims.iter().flat_map(|d| d.to_le_bytes()).collect();
        // Names of up to four letters are short elements, as MATLAB writes them.
        let mut short = (INT8 | (name.len() as u32) << 16).to_le_bytes().to_vec();
        short.extend(name.bytes());
        short.resize(8, 0);
        let parts = [
            padded(UINT32, &[class, 0, 0, 0, 0, 0, 0, 0]),
            padded(INT32, &dims),
            short,
            padded(kind, values),
        ];
        padded(MATRIX, &parts.concat())
    }

    pub(crate) fn compressed(element: &[u8]) -> Vec<u8> {
        let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
        out.write_all(element).unwrap();
        let packed = out.finish().unwrap();
        [
            &COMPRESSED.to_le_bytes()[..],
            &(packed.len() as u32).to_le_bytes(),
            &packed,
        ]
        .concat()
    }

    pub(crate) fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut out = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".to_vec();
        out.resize(124, b' ');
        out.extend([0, 1, b'I', b'M']);
        out.extend(elements.concat());
        out
    }

    fn why(bytes: &[u8]) -> String {
        arrays(bytes, "x").unwrap_err().to_string()
    }

    #[test]
    fn plain_and_compressed_arrays_are_the_same() {
        let (a, b) = (
            matrix("X", 9, &[3, 1], 2, &[1, 2, 3]),
            matrix("yy", 6, &[1, 1], 9, &0.5_f64.to_le_bytes()),
        );
        let plain = arrays(&file(&[a.clone(), b.clone()]), "x").unwrap();
        assert_eq!(plain[0].bytes(), Some(&[1, 2, 3][..]));
        assert_eq!((plain[1].name.as_str(), plain[1].numbers()), ("yy", Some(vec![0.5])));
        assert_eq!(plain[1].bytes(), None);
        assert_eq!(arrays(&file(&[compressed(&a), compressed(&b)]), "x").unwrap(), plain);
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        assert!(why(b"\x89HDF\r\n").contains("does not begin as"));
        assert!(why(b"").contains("HDF5"));
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        let lie = |dims: &[i32]| why(&file(&[matrix("X", 9, dims, 2, &[0; 8])]));
        assert!(lie(&[3, 3]).contains("says [3, 3] and holds 8 bytes"));
        assert!(lie(&[i32::MAX, i32::MAX, i32::MAX, 4]).contains("holds 8 bytes"));
        assert!(lie(&[-1]).contains("no sizes"));
        let mut beyond = matrix("X", 9, &[8], 2, &[0; 8]);
        beyond[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(why(&file(&[beyond])).contains("beyond the end"));
    }

    #[test]
    fn damaged_compression_is_refused() {
        let mut packed = compressed(&matrix("X", 9, &[8], 2, &[0; 8]));
        packed[10] ^= 0xff;
        assert!(arrays(&file(&[packed]), "x").is_err());
        let twice = [matrix("X", 9, &[1], 2, &[0]), matrix("X", 9, &[1], 2, &[0])].concat();
        assert!(why(&file(&[compressed(&twice)])).contains("bytes follow"));
    }

    #[test]
    fn text_and_complex_arrays_are_refused() {
        assert!(why(&file(&[matrix("X", 4, &[1], 2, &[0])])).contains("real numbers"));
        let mut complex = matrix("X", 9, &[1], 2, &[0]);
        complex[17] = 0x08;
        assert!(why(&file(&[complex])).contains("real numbers"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            kind in prop_oneof![Just(MATRIX), Just(COMPRESSED), any::<u32>()],
            rest in proptest::collection::vec(any::<u8>(), 0..80),
            at in 0usize..200,
            value in any::<u8>(),
        ) {
            let _ = arrays(&file(&[[&kind.to_le_bytes()[..], &rest].concat()]), "x");
            let mut whole = file(&[matrix("X", 9, &[2, 2], 2, &[0; 4])]);
            let at = HEADER + at % (whole.len() - HEADER);
            whole[at] = value;
            let _ = arrays(&whole, "x");
        }
    }
}
