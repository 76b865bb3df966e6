//! The embedded set: 1,797 handwritten digits of 8 × 8 pixels (see ATTRIBUTION.md).

use super::content;
use super::error::DataError;
use super::images::Part;

const PACKED: &[u8] = include_bytes!("digits.csv.gz");

/// SHA-256 of the decompressed CSV.
pub(crate) const DIGEST: &str = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8";

pub(crate) fn load() -> Result<Part, DataError> {
    let bytes = content::bounded(flate2::read::MultiGzDecoder::new(PACKED), 1 << 20)
        .expect("the embedded file is whole: a test reads it");
    parse(&bytes, "the embedded digits")
}

/// 64 pixels of 0 … 16 and a label per line; pixel p becomes the byte `round(p · 255 / 16)`.
pub(crate) fn parse(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    let mut data = Vec::new();
    let mut labels = Vec::new();
    for (i, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
        let values: Option<Vec<u16>> = line.split(',').map(|v| v.trim().parse().ok()).collect();
        match values.as_deref() {
            Some([pixels @ .., label @ 0..=9]) if pixels.len() == 64 && pixels.iter().all(|&p| p <= 16) => {
                labels.push(i64::from(*label));
                data.extend(pixels.iter().map(|&p| ((p * 255 + 8) / 16) as u8));
            }
            _ => {
                let what = "is not 64 numbers of 0 … 16 and a digit";
                return Err(DataError::format(
                    format!("{place}, line {}", i + 1),
                    what,
                    "fetch the file again",
                ));
            }
        }
    }
    if labels.is_empty() {
        return Err(DataError::format(place, "holds no digits", "fetch the file again"));
    }
    Ok(Part {
        channels: 1,
        height: 8,
        width: 8,
        data,
        labels: Some(labels),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_is_the_pinned_one() {
        let bytes = content::bounded(flate2::read::MultiGzDecoder::new(PACKED), 1 << 20).unwrap();
        assert_eq!(content::sha256(&bytes), DIGEST);
    }

    #[test]
    fn all_digits_are_there() {
        let part = load().unwrap();
        assert_eq!((part.n(), part.height, part.width), (1797, 8, 8));
        let labels = part.labels.unwrap();
        assert!((0..10).all(|d| (174..=183).contains(&labels.iter().filter(|&&l| l == d).count())));
        assert_eq!(part.data[..8], [0, 0, 80, 207, 143, 16, 0, 0]);
        assert_eq!(part.data.iter().max(), Some(&255));
    }

    #[test]
    fn no_digits_at_all_are_refused() {
        assert!(parse(b"", "x").unwrap_err().to_string().contains("no digits"));
    }

    #[test]
    fn a_damaged_line_is_refused() {
        assert!(parse(b"1,2,3\n", "x").unwrap_err().to_string().contains("line 1"));
    }
}
