//! STL-10's binary files: images of 3 × 96 × 96 bytes, each plane column by column, and one label of 1 … 10 per byte.

use super::error::DataError;
use super::images::{Part, rows_of_columns};

const SIDE: usize = 96;
const PIXELS: usize = 3 * SIDE * SIDE;

pub(crate) const CLASSES: [&str; 10] = [
    "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck",
];

/// A file of images and the file of their labels; `places` are their paths, for messages.
pub(crate) fn labelled(images: &[u8], labels: &[u8], places: [&str; 2]) -> Result<Part, DataError> {
    let next = "fetch the binary version of STL-10 again, and use the labels that belong to the images";
    if images.is_empty() || !images.len().is_multiple_of(PIXELS) {
        let what = format!("{} bytes are no whole number of images of {PIXELS} bytes", images.len());
        return Err(DataError::format(places[0], what, next));
    }
    if labels.len() != images.len() / PIXELS {
        let what = format!("{} labels for {} images", labels.len(), images.len() / PIXELS);
        return Err(DataError::format(places[1], what, next));
    }
    if let Some(i) = labels.iter().position(|label| !(1..=10).contains(label)) {
        let what = format!("label {} at byte {i} is not within 1 … 10", labels[i]);
        return Err(DataError::format(places[1], what, next));
    }
    Ok(Part {
        channels: 3,
        height: SIDE,
        width: SIDE,
        data: rows_of_columns(images, SIDE),
        labels: Some(labels.iter().map(|&label| i64::from(label) - 1).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(images: &[u8], labels: &[u8]) -> String {
        labelled(images, labels, ["x", "y"]).unwrap_err().to_string()
    }

    #[test]
    fn columns_become_rows_and_labels_count_from_0() {
        let mut images = vec![0; 2 * PIXELS];
        // Green of the second image: row 1, column 2.
        images[PIXELS + SIDE * SIDE + 2 * SIDE + 1] = 7;
        let part = labelled(&images, &[10, 1], ["x", "y"]).unwrap();
        assert_eq!((part.n(), part.channels, part.height), (2, 3, SIDE));
        assert_eq!(part.data[PIXELS + SIDE * SIDE + SIDE + 2], 7);
        assert_eq!(part.data.iter().filter(|&&v| v > 0).count(), 1);
        assert_eq!(part.labels.unwrap(), [9, 0]);
    }

    #[test]
    fn cut_files_and_labels_of_other_images_are_refused() {
        assert!(why(&vec![0; PIXELS - 1], &[1]).contains("x: 27647 bytes are no whole number"));
        assert!(why(&[], &[]).contains("no whole number"));
        assert!(why(&vec![0; PIXELS], &[1, 2]).contains("y: 2 labels for 1 images"));
    }

    #[test]
    fn labels_beyond_ten_are_refused() {
        for label in [0, 11] {
            assert!(why(&vec![0; PIXELS], &[label]).contains(&format!("label {label} at byte 0")));
        }
    }
}
