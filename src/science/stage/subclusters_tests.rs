use super::*;
use crate::cluster::{Partition, Split};

/// An expert's rows in two sub-clusters, {3, 9, 4} and {7}.
fn divided() -> Styles {
    let split = Split {
        rows: 4,
        other_rows: 0,
        pieces: 2,
        agreement: 0.8,
        nearest: Some(0.3),
        labelled: 1.0,
        apart: true,
    };
    let found = StableSplit {
        partition: Partition {
            labels: vec![0, 0, 1, 0],
            memberships: Matrix::new(4, 2, vec![1.0, 0.0, 0.75, 0.25, 0.5, 0.5, 1.0, 0.0]),
        },
        minor: 0,
        splits: vec![split],
    };
    let codes = Matrix::new(4, 1, vec![0.0, 5.0, 90.0, 1.0]);
    Styles::of(1, vec![3, 4, 7, 9], codes, found, &images())
}

/// An expert with one row, 0.
fn whole() -> Styles {
    let found = StableSplit {
        partition: Partition {
            labels: vec![0],
            memberships: Matrix::new(1, 1, vec![1.0]),
        },
        minor: 0,
        splits: vec![],
    };
    Styles::of(0, vec![0], Matrix::new(1, 3, vec![0.0; 3]), found, &images())
}

/// Ten images of one pixel, 0, 10, … 90.
fn images() -> Images {
    Images::new(10, [1, 1, 1], (0..10).map(|v| v * 10).collect())
}

#[test]
fn sub_clusters_are_numbered_through_all_experts_and_other_rows_are_noise() {
    let flat = flat(&[whole(), divided()], 10);
    assert_eq!(flat.labels, [0, -1, -1, 1, 1, -1, -1, 2, -1, 1]);
    assert_eq!(flat.memberships.row(4), [0.0, 0.75, 0.25]);
    assert_eq!((flat.probabilities[4], flat.outlier_scores[4]), (0.75, 0.25));
    assert_eq!((flat.probabilities[1], flat.outlier_scores[1]), (0.0, 1.0));
}

#[test]
fn examples_are_nearest_to_the_mean_code() {
    // The mean code of the first is 2.
    assert_eq!(divided().nearest(0, 2), [9, 3]);
    assert_eq!(divided().nearest(1, 2), [7]);
}

#[test]
fn mean_images_are_of_a_sub_cluster_or_of_all_its_experts_rows() {
    let of = divided();
    let grey = |mean: &[f32]| (mean[0] * 255.0).round();
    // 23 / 4 · 10, and 16 / 3 · 10.
    assert_eq!(
        [grey(&of.mean), grey(&of.means[0]), grey(&of.means[1])],
        [58.0, 53.0, 70.0]
    );
    assert!((distance(&[0.0, 1.0], &[0.0, 0.0]) - 0.5_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn every_expert_and_every_sub_cluster_has_a_row_of_pictures() {
    let of = [whole(), divided()];
    assert_eq!(means(&of, &images()).rows(), 2);
    assert_eq!(examples(&of, &images(), 3).rows(), 3);
}

#[test]
fn assignments_of_other_images_or_of_another_mixture_are_refused() {
    assert!(check(&[0, 1, -1], 3, 2).is_ok());
    let said = |labels: &[i32]| check(labels, 3, 2).unwrap_err().message;
    assert!(said(&[0, 1]).contains("has 2 rows, the images are 3"));
    assert!(said(&[0, 1, 2]).contains("names expert 2, but the model has 2, 0 to 1"));
}
