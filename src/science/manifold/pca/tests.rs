use super::super::fixture;
use super::*;
use crate::random::Draws;
use rand::RngExt;

/// Within a tolerance that is relative to the largest value: inputs are f32.
fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * scale, "{a} against {b}");
    }
}

#[test]
fn components_and_variances_are_those_of_scikit_learn() {
    let f = fixture::load();
    let pca = Pca::fit(&f.points(), 3).unwrap();
    close(&pca.explained_variance, &f.pca.explained_variance[..3], 1e-6);
    close(&pca.explained_variance_ratio(), &f.pca.ratio[..3], 1e-6);
    for (ours, theirs) in pca.components.iter().zip(&f.pca.components) {
        let sign = eigen::sign(theirs.iter().copied());
        close(ours, &theirs.iter().map(|v| v * sign).collect::<Vec<_>>(), 1e-5);
    }
}

#[test]
fn the_spectrum_is_all_of_the_variance() {
    let f = fixture::load();
    close(&spectrum(&f.points()).unwrap(), &f.pca.ratio, 1e-6);
}

#[test]
fn wide_data_has_the_same_projection_as_tall_data() {
    let f = fixture::load();
    let points = f.points();
    let few = points.select(&[0, 5, 9]);
    let pca = Pca::fit(&few, 2).unwrap();
    let covariance = covariance::covariance(
        &few,
        &Features::of(&few).unwrap().mean,
        &(0..few.cols()).collect::<Vec<_>>(),
    );
    let (values, vectors) = eigen::descending(covariance.as_ref()).unwrap();
    close(&pca.explained_variance, &values[..2], 1e-6);
    for (c, component) in pca.components.iter().enumerate() {
        let direct: Vec<f64> = (0..points.cols()).map(|j| vectors[(j, c)]).collect();
        let sign = eigen::sign(direct.iter().copied());
        close(component, &direct.iter().map(|v| v * sign).collect::<Vec<_>>(), 1e-6);
    }
}

#[test]
fn scores_have_mean_zero_and_the_explained_variance() {
    let points = fixture::load().points();
    let pca = Pca::fit(&points, 2).unwrap();
    let scores = pca.transform(&points).unwrap();
    for c in 0..2 {
        let column: Vec<f64> = (0..scores.rows()).map(|i| f64::from(scores.row(i)[c])).collect();
        let m = column.iter().sum::<f64>() / column.len() as f64;
        let variance = column.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (column.len() - 1) as f64;
        assert!(m.abs() < 1e-5);
        assert!((variance - pca.explained_variance[c]).abs() < 1e-4 * variance);
    }
}

#[test]
fn the_dimension_is_the_smallest_that_reaches_the_share() {
    let ratio = [0.5, 0.3, 0.1, 0.1];
    assert_eq!(
        [0.0, 0.5, 0.51, 0.8, 0.9, 1.0].map(|tau| dimension_for(&ratio, tau)),
        [1, 1, 2, 2, 3, 4]
    );
    assert_eq!(dimension_for(&[0.1; 10], 1.0), 10);
    assert_eq!(dimension_for(&[0.0; 10], 0.9), 1);
    assert_eq!(dimension_for(&[], 0.9), 1);
}

#[test]
fn constant_data_has_no_variance_and_no_nan() {
    let data = Matrix::new(4, 3, vec![7.0; 12]);
    let pca = Pca::fit(&data, 2).unwrap();
    assert_eq!(pca.explained_variance_ratio(), [0.0, 0.0]);
    assert!(pca.transform(&data).unwrap().data().iter().all(|v| *v == 0.0));
}

#[test]
fn constant_features_are_axes_without_variance() {
    let few = Matrix::new(6, 2, (0..12).map(|i| ((i * 7) % 5) as f32).collect());
    let among = |i: usize| [3.0, few.row(i)[0], -1.0, few.row(i)[1], 0.0];
    let padded = Matrix::new(6, 5, (0..6).flat_map(among).collect());
    let (of_few, of_padded) = (Pca::fit(&few, 2).unwrap(), Pca::fit(&padded, 5).unwrap());
    close(&of_padded.explained_variance[..2], &of_few.explained_variance, 1e-12);
    assert_eq!(of_padded.explained_variance[2..], [0.0; 3]);
    for (padded, few) in of_padded.components.iter().zip(&of_few.components) {
        close(&[padded[1], padded[3]], few, 1e-12);
        assert_eq!([padded[0], padded[2], padded[4]], [0.0; 3]);
    }
    for (a, b) in (0..5).flat_map(|a| (0..5).map(move |b| (a, b))) {
        let product: f64 = (0..5)
            .map(|j| of_padded.components[a][j] * of_padded.components[b][j])
            .sum();
        assert!((product - f64::from(u8::from(a == b))).abs() < 1e-12);
    }
    assert_eq!(spectrum(&padded).unwrap().len(), 5);
}

#[test]
fn impossible_requests_are_errors() {
    let data = Matrix::new(4, 3, vec![1.0; 12]);
    assert!(matches!(
        Pca::fit(&data, 4),
        Err(ManifoldError::TooManyComponents { most: 3, .. })
    ));
    assert!(matches!(
        Pca::fit(&data, 0),
        Err(ManifoldError::TooManyComponents { .. })
    ));
    assert!(matches!(
        spectrum(&data.select(&[0])),
        Err(ManifoldError::TooFewRows { .. })
    ));
    let pca = Pca::fit(&data, 1).unwrap();
    assert!(matches!(
        pca.transform(&Matrix::new(1, 2, vec![0.; 2])),
        Err(ManifoldError::ColumnMismatch { .. })
    ));
}

#[test]
fn a_large_mean_costs_no_digits() {
    let value = |i: usize| ((i * 7919) % 1000) as f32 / 1000.0;
    let data = |offset: f32| Matrix::new(700, 4, (0..2800).map(|i| value(i) + offset).collect());
    let (near, far) = (Pca::fit(&data(0.0), 4).unwrap(), Pca::fit(&data(64.0), 4).unwrap());
    close(&near.explained_variance, &far.explained_variance, 1e-5);
}

/// Images of noise that fades from one feature to the next.
fn fading(rows: usize, cols: usize) -> Matrix {
    let mut rng = Draws::new(1).at("fading", 0, 0);
    let value = |i: usize| (rng.random::<f32>() - 0.5) * 0.97_f32.powi((i % cols) as i32);
    Matrix::new(rows, cols, (0..rows * cols).map(value).collect())
}

#[test]
fn a_few_of_many_components_are_the_first_of_all() {
    for data in [fading(600, 150), fading(150, 600)] {
        let (few, all) = (Pca::fit(&data, 5).unwrap(), Pca::fit(&data, 150).unwrap());
        close(&few.explained_variance, &all.explained_variance[..5], 1e-12);
        close(&[few.total_variance], &[all.explained_variance.iter().sum()], 1e-12);
        for (few, all) in few.components.iter().zip(&all.components) {
            close(few, all, 1e-10);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let data = fading(5000, 150);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Pca::fit(&data, 5).and_then(|pca| pca.transform(&data)).unwrap())
    };
    assert_eq!(on(1), on(3));
}
