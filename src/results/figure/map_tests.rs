use super::*;

fn map(meaning: Meaning, of_row: &[Option<usize>], names: usize) -> EmbeddingMap {
    let values = (0..2 * of_row.len()).map(|i| i as f32).collect();
    let colouring = Colouring {
        meaning,
        of_row: of_row.to_vec(),
        names: (0..names).map(|name| format!("c{name}")).collect(),
    };
    EmbeddingMap::new(&Points { values, dimensions: 2 }, Some(colouring)).unwrap()
}

#[test]
fn every_cluster_is_named_on_the_spot_and_beyond_ten_has_another_marker() {
    let rows: Vec<_> = (0..22).map(Some).collect();
    let figure = map(Meaning::Cluster, &rows, 22).figure("embedding").unwrap();
    for name in 0..22 {
        assert!(figure.svg.contains(&format!("\nc{name}\n")), "c{name}: {}", figure.svg);
    }
    let fills = |shape: &str| figure.svg.matches(shape).count();
    assert!(fills("<polygon") >= 2, "triangles from the twenty-first on");
    assert_eq!(fills("<circle"), 10 + 1, "discs, and an edge about the yellow one");
}

#[test]
fn clusters_without_a_row_are_not_counted() {
    let map = map(Meaning::Cluster, &[Some(0), Some(4), None], 5);
    assert_eq!(
        map.notes(),
        ["coloured by cluster: 2 clusters, small and grey: 1 of noise"]
    );
}

#[test]
fn every_error_is_drawn_and_the_other_rows_are_thinned() {
    // Of 20,000 rows the odd ones among the first 200 are wrong: none is left out.
    let row = |row: usize| Some(usize::from(row < 200 && row % 2 == 1));
    let map = map(Meaning::Error, &(0..20_000).map(row).collect::<Vec<_>>(), 2);
    assert_eq!(map.rows.len(), MOST_POINTS);
    assert!((0..100).all(|i| map.rows.binary_search(&(2 * i + 1)).is_ok()));
    assert_eq!(
        map.notes()[1],
        "drawn: all 100 crosses, and 7900 of the 19900 other rows, evenly spaced"
    );
}

#[test]
fn errors_leave_a_quarter_of_the_places_to_the_others() {
    let wrong = |rows: usize, wrong: usize| -> Vec<_> { (0..rows).map(|row| Some(usize::from(row < wrong))).collect() };
    let drawn = |of_row: &[Option<usize>]| {
        let rows = errors_first(of_row, 8);
        (rows.iter().filter(|row| of_row[**row] == Some(1)).count(), rows.len())
    };
    assert_eq!(drawn(&wrong(100, 50)), (6, 8));
    assert_eq!(drawn(&wrong(100, 99)), (7, 8), "what they do not need");
    assert_eq!(drawn(&wrong(5, 2)), (2, 5));
}

#[test]
fn errors_are_crosses_and_counted() {
    let figure = map(Meaning::Error, &[Some(0), Some(1), None], 2)
        .figure("embedding")
        .unwrap();
    assert!(figure.alt.contains("1 of 3 misassigned (33.3 %)"), "{}", figure.alt);
    assert!(figure.svg.contains("#D55E00"));
    assert!(figure.csv.contains("1,2,3,c1\n2,4,5,noise\n"), "{}", figure.csv);
}

#[test]
fn a_sample_is_evenly_spaced_and_whole_if_small() {
    assert_eq!(sample(4, 9), [0, 1, 2, 3]);
    assert_eq!(sample(10, 4), [0, 2, 5, 7]);
    assert!(sample(0, 4).is_empty());
}

#[test]
fn points_of_other_images_are_refused() {
    let colouring = Colouring {
        meaning: Meaning::Cluster,
        of_row: vec![Some(0)],
        names: vec!["0".into()],
    };
    let points = Points {
        values: vec![0.0; 4],
        dimensions: 2,
    };
    let refused = EmbeddingMap::new(&points, Some(colouring)).err().unwrap().to_string();
    assert!(
        refused.contains("2 rows") && refused.contains("different images"),
        "{refused}"
    );
}

#[test]
fn labels_do_not_hide_each_other() {
    let names: Vec<String> = (0..5).map(|i| i.to_string()).collect();
    let put = apart(&[(10, 10); 5], &names);
    for (i, a) in put.iter().enumerate() {
        for b in &put[..i] {
            assert!((a.0 - b.0).abs() >= 15 || (a.1 - b.1).abs() >= 20, "{put:?}");
        }
    }
}

#[test]
fn no_points_are_an_empty_map() {
    let points = Points {
        values: vec![],
        dimensions: 2,
    };
    assert!(EmbeddingMap::new(&points, None).unwrap().figure("e").is_ok());
}
