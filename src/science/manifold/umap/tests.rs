use super::super::{fixture, trustworthiness};
use super::*;

fn quick() -> UmapConfig {
    UmapConfig {
        n_neighbors: 8,
        n_epochs: Some(100),
        ..UmapConfig::default()
    }
}

#[test]
fn digits_keep_their_neighbourhoods() {
    let points = fixture::load().points();
    let trust = |config: &UmapConfig| {
        let fitted = fit(&points, config, &Draws::new(1)).unwrap();
        trustworthiness(&points, &fitted.embedding, 5, 5000, &Draws::new(0)).unwrap()
    };
    // The first of one epoch is the start: a spectral layout keeps many neighbourhoods by itself.
    let start = trust(&UmapConfig {
        n_epochs: Some(1),
        ..quick()
    });
    let descended = trust(&quick());
    assert!(descended > 0.97 && descended > start + 0.05, "{start} {descended}");
}

#[test]
fn a_seed_gives_the_same_bytes_with_any_number_of_threads() {
    let points = fixture::load().points();
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&points, &quick(), &Draws::new(seed)).unwrap().embedding)
    };
    assert_eq!(run(1, 3), run(4, 3));
    assert_ne!(run(1, 3), run(1, 4));
}

#[test]
fn neighbours_found_before_serve_a_smaller_neighbourhood() {
    let points = fixture::load().points();
    let many = knn::exact(&points, 20, Metric::Euclidean).unwrap();
    let again = fit_with_neighbours(&points, &many, &quick(), &Draws::new(0)).unwrap();
    assert_eq!(
        again.embedding,
        fit(&points, &quick(), &Draws::new(0)).unwrap().embedding
    );
}

#[test]
fn training_points_are_placed_near_themselves() {
    let points = fixture::load().points();
    let fitted = fit(&points, &quick(), &Draws::new(0)).unwrap();
    let placed = transform(&quick(), &points, &fitted.embedding, &points, &Draws::new(0)).unwrap();
    let distance = |i: usize| knn::squared_distance(placed.row(i), fitted.embedding.row(i)).sqrt();
    let mean = (0..points.rows()).map(distance).sum::<f64>() / points.rows() as f64;
    assert!(mean < 1.0, "{mean}");
}

#[test]
fn an_embedding_of_other_points_takes_no_new_ones() {
    let points = fixture::load().points();
    let place = |embedding: Matrix| transform(&quick(), &points, &embedding, &points, &Draws::new(0));
    let n = points.rows();
    let narrow = place(Matrix::new(n, 1, vec![0.0; n]));
    assert!(matches!(narrow, Err(ManifoldError::ColumnMismatch { .. })));
    let short = place(Matrix::new(1, 2, vec![0.0; 2]));
    assert!(matches!(short, Err(ManifoldError::RowMismatch { .. })));
}

#[test]
fn points_beyond_the_disconnection_distance_are_not_connected() {
    // Two clouds, and one point far from both.
    let place = |i: u32| if i == 60 { 50.0 } else { (i / 30) as f32 * 5.0 };
    let data = Matrix::new(
        61,
        2,
        (0..61).flat_map(|i| [place(i), (i % 30) as f32 / 30.0]).collect(),
    );
    let graph = |disconnection_distance| {
        let config = UmapConfig {
            n_neighbors: 40,
            disconnection_distance,
            ..quick()
        };
        let fitted = fit(&data, &config, &Draws::new(0)).unwrap();
        assert!(fitted.embedding.data().iter().all(|v| v.is_finite()));
        fitted.graph
    };
    let across = |graph: &FuzzyGraph| graph.edges().any(|(i, j, _)| i < 30 && j >= 30);
    assert!(across(&graph(None)));
    let cut = graph(Some(3.0));
    assert!(!across(&cut) && cut.row(60).0.is_empty() && !cut.row(0).0.is_empty());
}

#[test]
fn duplicates_and_separate_clouds_are_embedded_without_nan() {
    let clouds: Vec<f32> = (0..90).flat_map(|i| [(i / 30) as f32 * 1e6, (i % 5) as f32]).collect();
    for config in [
        quick(),
        UmapConfig {
            n_components: 3,
            min_dist: 0.0,
            ..quick()
        },
    ] {
        let fitted = fit(&Matrix::new(90, 2, clouds.clone()), &config, &Draws::new(0)).unwrap();
        assert!(fitted.embedding.data().iter().all(|v| v.is_finite()));
    }
    let equal = fit(&Matrix::new(30, 2, vec![1.0; 60]), &quick(), &Draws::new(0)).unwrap();
    assert!(equal.embedding.data().iter().all(|v| v.is_finite()));
}

#[test]
fn settings_out_of_range_are_named() {
    let points = fixture::load().points();
    let named = |config: UmapConfig| match fit(&points, &config, &Draws::new(0)) {
        Err(ManifoldError::Setting { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        named(UmapConfig {
            n_neighbors: 1,
            ..quick()
        }),
        "n_neighbors"
    );
    assert_eq!(
        named(UmapConfig {
            n_components: 0,
            ..quick()
        }),
        "n_components"
    );
    assert_eq!(
        named(UmapConfig {
            min_dist: 2.0,
            ..quick()
        }),
        "min_dist"
    );
    assert_eq!(
        named(UmapConfig {
            learning_rate: f64::NAN,
            ..quick()
        }),
        "learning_rate"
    );
    assert_eq!(
        named(UmapConfig {
            n_epochs: Some(65_535),
            ..quick()
        }),
        "n_epochs"
    );
    assert_eq!(
        named(UmapConfig {
            disconnection_distance: Some(0.0),
            ..quick()
        }),
        "disconnection_distance"
    );
    assert_eq!(
        named(UmapConfig {
            set_op_mix_ratio: 1.1,
            ..quick()
        }),
        "set_op_mix_ratio"
    );
    assert_eq!(
        named(UmapConfig {
            curve: Some(Curve { a: -1.0, b: 1.0 }),
            ..quick()
        }),
        "curve"
    );
    let few = points.select(&[0, 1, 2]);
    assert!(matches!(
        fit(&few, &quick(), &Draws::new(0)),
        Err(ManifoldError::TooManyNeighbours { .. })
    ));
}

#[test]
fn a_configuration_reads_from_json_with_the_defaults_of_umap_learn() {
    let config: UmapConfig = serde_json::from_str(r#"{"min_dist": 0.0, "init": "pca", "metric": "cosine"}"#).unwrap();
    assert_eq!(
        config,
        UmapConfig {
            min_dist: 0.0,
            init: Init::Pca,
            metric: Metric::Cosine,
            ..UmapConfig::default()
        }
    );
    assert!(serde_json::from_str::<UmapConfig>(r#"{"neighbours": 3}"#).is_err());
}
