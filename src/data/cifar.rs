//! CIFAR-10's binary batches: records of one label byte and 3 × 32 × 32 pixels (red, green, blue planes).

use super::error::DataError;
use super::images::Part;

const PIXELS: usize = 3 * 32 * 32;

pub(crate) const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// One batch file; the official ones hold 10,000 records each.
pub(crate) fn batch(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(PIXELS + 1) {
        let what = format!(
            "{} bytes are no whole number of records of {} bytes",
            bytes.len(),
            PIXELS + 1
        );
        return Err(DataError::format(
            place,
            what,
            "fetch the binary version again (not the Python or Matlab one)",
        ));
    }
    let n = bytes.len() / (PIXELS + 1);
    let mut data = Vec::with_capacity(n * PIXELS);
    let mut labels = Vec::with_capacity(n);
    for (i, record) in bytes.chunks_exact(PIXELS + 1).enumerate() {
        if record[0] > 9 {
            let place = format!("{place}, byte {}", i * (PIXELS + 1));
            let what = format!("label {} of record {i} is not within 0 … 9", record[0]);
            return Err(DataError::format(
                place,
                what,
                "fetch the binary version of CIFAR-10 (not CIFAR-100) again",
            ));
        }
        labels.push(i64::from(record[0]));
        data.extend_from_slice(&record[1..]);
    }
    Ok(Part {
        channels: 3,
        height: 32,
        width: 32,
        data,
        labels: Some(labels),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn records(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&l| std::iter::once(l).chain((0..PIXELS).map(move |p| (p / 1024) as u8 + l)))
            .collect()
    }

    #[test]
    fn records_become_rgb_planes() {
        let part = batch(&records(&[3, 9]), "x").unwrap();
        assert_eq!((part.n(), part.channels), (2, 3));
        assert_eq!(
            (part.data[0], part.data[1024], part.data[2048], part.data[PIXELS]),
            (3, 4, 5, 9)
        );
        assert_eq!(part.labels.unwrap(), [3, 9]);
    }

    #[test]
    fn a_cut_batch_and_a_wrong_label_are_refused() {
        assert!(
            batch(&records(&[1])[..3000], "x")
                .unwrap_err()
                .to_string()
                .contains("no whole number")
        );
        assert!(batch(&[], "x").is_err());
        assert!(
            batch(&records(&[1, 77]), "x")
                .unwrap_err()
                .to_string()
                .contains("byte 3073: label 77")
        );
    }
}
