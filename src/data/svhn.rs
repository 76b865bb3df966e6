//! SVHN's cropped digits: MATLAB files with `X`, bytes of 32 × 32 × 3 × N, and `y`, N labels in which 10 is the digit 0.

use super::error::DataError;
use super::images::{Part, rows_of_columns};
use super::matlab::{self, Array};

const SIDE: usize = 32;

/// One file of cropped digits. `place` is its path, for messages.
pub(crate) fn digits(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    let arrays = matlab::arrays(bytes, place)?;
    let fail = |what: String| {
        let next = "fetch train_32x32.mat or test_32x32.mat again (cropped digits, not the full numbers)";
        DataError::format(place, what, next)
    };
    let array = |name: &str| {
        let found = arrays.iter().find(|array| array.name == name);
        found.ok_or_else(|| fail(format!("holds no array `{name}`")))
    };
    let (x, y) = (array("X")?, array("y")?);
    let n = match x.dims[..] {
        [SIDE, SIDE, 3, n] if n > 0 => n,
        // MATLAB leaves out a last dimension of 1.
        [SIDE, SIDE, 3] => 1,
        _ => return Err(fail(format!("`X` is {:?} where 32 × 32 × 3 × N is needed", x.dims))),
    };
    let columns = x
        .bytes()
        .ok_or_else(|| fail("`X` holds other numbers than bytes".into()))?;
    let labels = labels(y).map_err(fail)?;
    if labels.len() != n {
        return Err(fail(format!("{} labels for {n} images", labels.len())));
    }
    Ok(Part {
        channels: 3,
        height: SIDE,
        width: SIDE,
        data: rows_of_columns(columns, SIDE),
        labels: Some(labels),
    })
}

fn labels(y: &Array) -> Result<Vec<i64>, String> {
    let values = y.numbers().ok_or("`y` holds neither bytes nor doubles")?;
    let digit = |(i, value): (usize, f64)| match value {
        10.0 => Ok(0),
        1.0..=9.0 if value.fract() == 0.0 => Ok(value as i64),
        _ => Err(format!("label {value} of image {i} is not within 1 … 10")),
    };
    values.into_iter().enumerate().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::super::matlab::tests::{compressed, file, matrix};
    use super::*;

    /// Two images; in the second, green at row 1, column 2 is 7.
    fn images() -> Vec<u8> {
        let mut x = vec![0; 2 * 3 * SIDE * SIDE];
        x[3 * SIDE * SIDE + SIDE * SIDE + 2 * SIDE + 1] = 7;
        x
    }

    fn why(x: Vec<u8>, y: Vec<u8>) -> String {
        digits(&file(&[x, y]), "svhn").unwrap_err().to_string()
    }

    fn x() -> Vec<u8> {
        matrix("X", 9, &[32, 32, 3, 2], 2, &images())
    }

    #[test]
    fn ten_is_the_digit_0_and_columns_become_rows() {
        let doubles: Vec<u8> = [10.0_f64, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        for y in [
            matrix("y", 9, &[2, 1], 2, &[10, 3]),
            matrix("y", 6, &[2, 1], 9, &doubles),
        ] {
            let part = digits(&file(&[compressed(&x()), compressed(&y)]), "svhn").unwrap();
            assert_eq!((part.n(), part.channels, part.height), (2, 3, SIDE));
            assert_eq!(part.data[3 * SIDE * SIDE + SIDE * SIDE + SIDE + 2], 7);
            assert_eq!(part.labels.unwrap(), [0, 3]);
        }
    }

    #[test]
    fn other_arrays_shapes_and_labels_are_refused() {
        let y = |labels: &[u8]| matrix("y", 9, &[labels.len() as i32, 1], 2, labels);
        assert!(why(x(), matrix("z", 9, &[1], 2, &[1])).contains("no array `y`"));
        assert!(why(matrix("X", 9, &[4, 2], 2, &[0; 8]), y(&[1])).contains("`X` is [4, 2]"));
        assert!(why(x(), y(&[1])).contains("1 labels for 2 images"));
        assert!(why(x(), y(&[1, 11])).contains("label 11 of image 1"));
        assert!(why(x(), y(&[0, 1])).contains("label 0 of image 0"));
    }
}
