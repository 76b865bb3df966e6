//! How well classes lie apart in an embedding or a description, before anything is clustered.

use crate::manifold::{ManifoldError, Metric, knn};
use crate::matrix::Matrix;

/// Nearest other rows that are asked for their class.
const NEIGHBOURS: usize = 15;
/// Rows that ask, evenly spaced: the standard error of the share is then about 0.01 at most.
const ASKED: usize = 2000;

/// Mean share of a row's 15 nearest other rows (fewer among few, Euclidean) that have its class: the purity that a clustering
/// of these neighbours starts from. `None` where a row has no other.
pub fn neighbours_alike(points: &Matrix, classes: &[i32]) -> Result<Option<f64>, ManifoldError> {
    let k = NEIGHBOURS.min(points.rows().saturating_sub(1));
    if k == 0 {
        return Ok(None);
    }
    let asked: Vec<usize> = (0..points.rows()).step_by(points.rows().div_ceil(ASKED)).collect();
    // The row itself is among its own nearest, unless k others lie in the same place.
    let found = knn::exact_between(points, &points.select(&asked), k + 1, Metric::Euclidean)?;
    let share = |(i, &row): (usize, &usize)| {
        let others = found
            .row(i)
            .0
            .iter()
            .map(|&other| other as usize)
            .filter(|&other| other != row);
        let alike = others.take(k).filter(|&other| classes[other] == classes[row]).count();
        alike as f64 / k as f64
    };
    Ok(Some(
        asked.iter().enumerate().map(share).sum::<f64>() / asked.len() as f64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &[f32]) -> Matrix {
        Matrix::new(places.len(), 1, places.to_vec())
    }

    #[test]
    fn classes_apart_have_neighbours_of_their_own() {
        let places: Vec<f32> = (0..40).map(|i| i as f32 + if i < 20 { 0.0 } else { 100.0 }).collect();
        let classes: Vec<i32> = (0..40).map(|i| i32::from(i >= 20)).collect();
        assert_eq!(neighbours_alike(&line(&places), &classes).unwrap(), Some(1.0));
    }

    #[test]
    fn a_row_is_no_neighbour_of_itself() {
        let found = neighbours_alike(&line(&[0.0, 1.0, 2.0, 3.0]), &[0, 1, 0, 1])
            .unwrap()
            .unwrap();
        assert!((found - 1.0 / 3.0).abs() < 1e-12);
        // Nor where all lie in one place.
        let found = neighbours_alike(&line(&[5.0; 40]), &[7; 40]).unwrap();
        assert_eq!(found, Some(1.0));
    }

    #[test]
    fn evenly_spaced_rows_speak_for_many() {
        let places: Vec<f32> = (0..4001).map(|i| i as f32).collect();
        let classes: Vec<i32> = (0..4001).map(|i| i % 2).collect();
        // Of the 15 nearest on a line of alternating classes eight are at odd distances.
        let found = neighbours_alike(&line(&places), &classes).unwrap().unwrap();
        assert!((found - 7.0 / 15.0).abs() < 0.002, "{found}");
    }

    #[test]
    fn one_row_has_no_neighbour() {
        assert_eq!(neighbours_alike(&line(&[1.0]), &[0]).unwrap(), None);
    }
}
