use super::super::fixtures::{blobs, centre_cases, points_of};
use super::*;
use crate::metrics::ari;

fn config(clusters: usize) -> KMeansConfig {
    KMeansConfig {
        clusters,
        tol: 0.0,
        ..KMeansConfig::default()
    }
}

#[test]
fn the_best_inertia_equals_scikit_learn() {
    for case in centre_cases() {
        let found = kmeans(&points_of(&case.data), &config(case.clusters), &Draws::new(1)).unwrap();
        assert!(
            (found.inertia / case.kmeans_inertia - 1.0).abs() < 1e-9,
            "{}: {}",
            case.name,
            found.inertia
        );
        let agreement = ari(&found.partition.labels, &case.kmeans_labels).unwrap();
        assert_eq!(agreement, 1.0, "{}", case.name);
    }
}

#[test]
fn a_tolerance_saves_iterations_and_costs_little() {
    let points = blobs(3000, 3, 7, 5);
    let run = |tol, seed| {
        let config = KMeansConfig {
            n_init: 1,
            tol,
            ..config(9)
        };
        kmeans(&points, &config, &Draws::new(seed)).unwrap()
    };
    let mut saved = 0;
    for seed in 0..8 {
        let (whole, short) = (run(0.0, seed), run(KMeansConfig::default().tol, seed));
        // One path, which the tolerance leaves sooner.
        assert!(short.iterations <= whole.iterations, "{seed}");
        let more = short.inertia / whole.inertia - 1.0;
        assert!((0.0..1e-3).contains(&more), "{seed}: {more}");
        saved += whole.iterations - short.iterations;
    }
    assert!(saved > 0);
}

#[test]
fn no_more_iterations_are_made_than_allowed() {
    let points = blobs(300, 2, 5, 4);
    let run = |max_iter| {
        let config = KMeansConfig { max_iter, ..config(5) };
        kmeans(&points, &config, &Draws::new(2)).unwrap()
    };
    let (one, many) = (run(1), run(300));
    assert_eq!(one.iterations, 1);
    assert!(many.iterations > 1 && many.iterations < 300 && many.inertia < one.inertia);
}

#[test]
fn empty_clusters_move_to_the_farthest_rows_each_to_its_own() {
    // Twenty rows at 0 and 1 fill a block and more; the last is the farthest, row 4 the next.
    let mut values: Vec<f32> = (0..20_u16).map(|row| f32::from(row % 2)).collect();
    (values[4], values[19]) = (7.0, 9.0);
    let data = Data::new(&Matrix::new(20, 1, values));
    let mut centres = vec![vec![0.0], vec![100.0], vec![200.0]];
    let mut held = vec![
        Held {
            cluster: 0,
            upper: f64::INFINITY,
            lower: 0.0
        };
        20
    ];
    data.assign(&centres, &mut held);
    let moved = data.move_centres(&mut centres, &mut held);
    // Nine of the others hold 1; all rows are still those of the first centre.
    assert_eq!(centres, [vec![25.0 / 20.0], vec![9.0], vec![7.0]]);
    assert_eq!(moved, [1.25, 91.0, 193.0]);
}

#[test]
fn bounds_skip_no_row_that_should_move() {
    let points = blobs(3000, 3, 7, 5);
    let data = Data::new(&points);
    for clusters in [7, WORTH_BOUNDS + 4] {
        let found = kmeans(&points, &config(clusters), &Draws::new(3)).unwrap();
        for (row, &label) in found.partition.labels.iter().enumerate() {
            let square = |centre: &Vec<f64>| data.square(row, centre);
            let own = square(&found.centres[label as usize]);
            assert!(found.centres.iter().map(square).all(|other| other >= own));
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let points = blobs(4000, 4, 5, 2);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| kmeans(&points, &config(6), &Draws::new(9)).unwrap())
    };
    let (one, three) = (run(1), run(3));
    assert_eq!((one.partition, one.centres), (three.partition, three.centres));
}

#[test]
fn equal_points_do_not_panic() {
    let found = kmeans(&Matrix::new(20, 2, vec![1.0; 40]), &config(3), &Draws::new(0)).unwrap();
    assert_eq!(found.inertia, 0.0);
}

#[test]
fn one_cluster_per_row_has_no_inertia() {
    let found = kmeans(&blobs(12, 2, 3, 1), &config(12), &Draws::new(0)).unwrap();
    assert_eq!(found.inertia, 0.0);
}

#[test]
fn memberships_are_one_in_the_own_cluster() {
    assert_eq!(one_hot(&[1, -1, 0], 2).data(), &[0., 1., 0., 0., 1., 0.]);
}

#[test]
fn impossible_requests_are_refused() {
    let points = blobs(5, 2, 1, 1);
    let error = kmeans(&points, &config(6), &Draws::new(0)).unwrap_err();
    assert_eq!(error, ClusterError::MoreClustersThanRows { clusters: 6, rows: 5 });
    assert!(
        kmeans(&points, &config(0), &Draws::new(0))
            .unwrap_err()
            .to_string()
            .starts_with("clusters is 0")
    );
}
