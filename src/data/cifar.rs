//! CIFAR's binary files: records of one label byte (CIFAR-10) or two (CIFAR-100) and 3 × 32 × 32 pixels (red, green, blue
//! planes).

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

/// The superclasses of CIFAR-100.
pub(crate) const SUPERCLASSES: [&str; 20] = [
    "aquatic mammals",
    "fish",
    "flowers",
    "food containers",
    "fruit and vegetables",
    "household electrical devices",
    "household furniture",
    "insects",
    "large carnivores",
    "large man-made outdoor things",
    "large natural outdoor scenes",
    "large omnivores and herbivores",
    "medium-sized mammals",
    "non-insect invertebrates",
    "people",
    "reptiles",
    "small mammals",
    "trees",
    "vehicles 1",
    "vehicles 2",
];

/// One batch file of CIFAR-10; the official ones hold 10,000 records each.
pub(crate) fn batch(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    labelled(bytes, place, "CIFAR-10 (not CIFAR-100)", &[10])
}

/// One file of CIFAR-100, labelled by superclass; a record begins with the superclass and the class.
pub(crate) fn superclasses(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    labelled(bytes, place, "CIFAR-100 (not CIFAR-10)", &[20, 100])
}

/// Records of as many label bytes as there are entries in `classes`, each below its entry, and the pixels. The first label
/// is kept.
fn labelled(bytes: &[u8], place: &str, set: &str, classes: &[u8]) -> Result<Part, DataError> {
    let length = PIXELS + classes.len();
    let next = format!("fetch the binary version of {set} again (not the Python or Matlab one)");
    if bytes.is_empty() || !bytes.len().is_multiple_of(length) {
        let what = format!("{} bytes are no whole number of records of {length} bytes", bytes.len());
        return Err(DataError::format(place, what, next));
    }
    let n = bytes.len() / length;
    let mut data = Vec::with_capacity(n * PIXELS);
    let mut labels = Vec::with_capacity(n);
    for (i, record) in bytes.chunks_exact(length).enumerate() {
        let (given, pixels) = record.split_at(classes.len());
        if let Some((label, most)) = given.iter().zip(classes).find(|(label, most)| label >= most) {
            let place = format!("{place}, byte {}", i * length);
            let what = format!("label {label} of record {i} is not within 0 … {}", most - 1);
            return Err(DataError::format(place, what, next));
        }
        labels.push(i64::from(given[0]));
        data.extend_from_slice(pixels);
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

    /// Two label bytes in front of each record's pixels.
    pub(crate) fn fine_records(labels: &[[u8; 2]]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&l| l.into_iter().chain(std::iter::repeat_n(l[1], PIXELS)))
            .collect()
    }

    #[test]
    fn cifar_100_is_labelled_by_superclass() {
        let part = superclasses(&fine_records(&[[19, 99], [0, 7]]), "x").unwrap();
        assert_eq!((part.n(), part.data[0], part.data[PIXELS]), (2, 99, 7));
        assert_eq!(part.labels.unwrap(), [19, 0]);
    }

    #[test]
    fn both_labels_of_cifar_100_are_checked_and_cifar_10_is_refused() {
        let why = |bytes: &[u8]| superclasses(bytes, "x").unwrap_err().to_string();
        assert!(why(&fine_records(&[[0, 0], [20, 0]])).contains("byte 3074: label 20"));
        assert!(why(&fine_records(&[[0, 100]])).contains("label 100"));
        assert!(why(&records(&[1])).contains("no whole number of records of 3074"));
    }
}
