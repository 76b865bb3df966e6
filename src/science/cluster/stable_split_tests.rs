use super::super::fixtures::blobs;
use super::*;
use crate::metrics::ari;

const CONFIG: StableSplitConfig = StableSplitConfig {
    repeats: 3,
    n_neighbors: 10,
    n_components: 2,
    piece_fraction: 0.1,
    min_samples: 5,
    together: 0.2,
    agreement: 0.9,
    minor: 0.0,
    least: 10,
};

/// Three groups of 80 in 4 columns, far apart.
fn groups() -> (Matrix, Vec<i32>) {
    let mut points = blobs(240, 4, 1, 3);
    let labels: Vec<i32> = (0..240).map(|row| row % 3).collect();
    for (row, &label) in labels.iter().enumerate() {
        points
            .row_mut(row)
            .iter_mut()
            .for_each(|v| *v = *v * 0.05 + 30.0 * label as f32);
    }
    (points, labels)
}

#[test]
fn groups_are_found_without_a_number() {
    let (points, labels) = groups();
    let found = stable_split(&points, None, &CONFIG, &Draws::new(1)).unwrap();
    assert_eq!(ari(&found.partition.labels, &labels).unwrap(), 1.0);
    assert_eq!(found.partition.clusters(), 3);
}

#[test]
fn what_was_merged_comes_apart_and_what_was_broken_comes_together() {
    let (points, labels) = groups();
    // The first two groups are one; the third is in two at random.
    let given: Vec<i32> = (0..240)
        .map(|row| {
            if labels[row] < 2 {
                0
            } else {
                1 + i32::from(row % 2 == 0)
            }
        })
        .collect();
    let found = stable_split(&points, Some(&given), &CONFIG, &Draws::new(2)).unwrap();
    assert_eq!(ari(&found.partition.labels, &labels).unwrap(), 1.0);
    assert!(found.splits.iter().any(|split| split.other_rows > 0 && !split.apart));
}

#[test]
fn noise_goes_where_its_neighbours_are_and_memberships_sum_to_one() {
    let (points, labels) = groups();
    let given: Vec<i32> = (0..240)
        .map(|row| if row % 5 == 0 { NOISE } else { labels[row] })
        .collect();
    let found = stable_split(&points, Some(&given), &CONFIG, &Draws::new(3)).unwrap();
    assert!(found.partition.labels.iter().all(|&label| label >= 0));
    for row in 0..240 {
        let sum: f32 = found.partition.memberships.row(row).iter().sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
}

/// Groups of 110, 110 and 20.
fn one_small_group() -> (Matrix, Vec<i32>) {
    let (points, labels) = groups();
    let small = (0..240).filter(|&row| labels[row] == 2).take(20);
    let others = (0..240).filter(|&row| labels[row] != 2);
    let rows: Vec<usize> = others.chain(small).collect();
    (points.select(&rows), rows.iter().map(|&row| labels[row]).collect())
}

#[test]
fn a_cluster_far_below_the_median_is_left_unlabelled_where_it_touches_none() {
    let (points, labels) = one_small_group();
    let config = StableSplitConfig { minor: 0.5, ..CONFIG };
    let found = stable_split(&points, None, &config, &Draws::new(4)).unwrap();
    assert_eq!((found.partition.clusters(), found.minor), (2, 1));
    for (label, class) in found.partition.labels.iter().zip(&labels) {
        assert_eq!(*label == NOISE, *class == 2);
    }
}

#[test]
fn with_no_bound_a_small_cluster_is_a_cluster() {
    let (points, labels) = one_small_group();
    let found = stable_split(&points, None, &CONFIG, &Draws::new(4)).unwrap();
    assert_eq!((ari(&found.partition.labels, &labels).unwrap(), found.minor), (1.0, 0));
}

#[test]
fn a_seed_gives_one_result_on_any_number_of_threads() {
    let (points, _) = groups();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| stable_split(&points, None, &CONFIG, &Draws::new(5)).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn few_points_are_one_cluster() {
    let points = blobs(12, 2, 1, 3);
    let found = stable_split(&points, None, &CONFIG, &Draws::new(1)).unwrap();
    assert_eq!((found.partition.clusters(), found.splits.len()), (1, 0));
}

#[test]
fn a_piece_of_two_clusters_keeps_the_name_of_most_of_its_rows() {
    // Rows 0 to 3 are of cluster 4, rows 4 to 7 of cluster 7, and 9 is the greatest name.
    let labels = [4, 4, 4, 4, 7, 7, 7, 7, 9];
    let named = |pieces: &[Vec<usize>]| names(pieces, &labels, (4, 7));
    assert_eq!(named(&[vec![4, 5, 3], vec![0, 1, 2, 6, 7]]), [7, 4]);
    assert_eq!(named(&[vec![0, 1], vec![2, 3, 4], vec![5, 6, 7]]), [4, 10, 7]);
    assert_eq!(named(&[vec![0, 4]]), [4], "of a tie the first");
}

#[test]
fn one_question_splits_what_its_clusterings_agree_on() {
    let (points, labels) = groups();
    let found = split_once(&points, &CONFIG, &Draws::new(1)).unwrap();
    assert_eq!(ari(&found.partition.labels, &labels).unwrap(), 1.0);
    assert_eq!((found.splits.len(), found.splits[0].apart), (1, true));
    let impossible = StableSplitConfig {
        agreement: 1.1,
        ..CONFIG
    };
    let whole = split_once(&points, &impossible, &Draws::new(1)).unwrap();
    assert_eq!((whole.partition.clusters(), whole.splits[0].pieces), (1, 2));
}

#[test]
fn the_first_question_is_decided_by_no_agreement_and_the_others_are() {
    let (points, _) = groups();
    let found = stable_split(&points, None, &CONFIG, &Draws::new(1)).unwrap();
    let first = &found.splits[0];
    assert_eq!((first.rows, first.apart, first.nearest), (240, true, None));
    let asked = split_once(&points, &CONFIG, &Draws::new(1)).unwrap().splits.remove(0);
    assert_eq!(asked.nearest, Some((asked.agreement - CONFIG.agreement).abs()));
}

/// The pieces left of as many as there are `agreements` and one more, which become fewer by one as each is passed; how far
/// the clusterings agree then, and how near they came to a bound of 0.9.
fn passing(agreements: &[f64]) -> (i32, f64, f64) {
    let all = agreements.len() as i32 + 1;
    let coarser = |names: &[i32]| {
        let left = agreement::pieces(names) - 1;
        ((0..left).collect(), agreements[(all - left) as usize])
    };
    let (names, agreement, nearest) = agreed((0..all).collect(), agreements[0], 0.9, coarser);
    (agreement::pieces(&names), agreement, nearest)
}

#[test]
fn a_bound_that_was_missed_before_pieces_were_joined_was_near_too() {
    let near = |agreements: &[f64], left: (i32, f64), expected: f64| {
        let (pieces, agreement, nearest) = passing(agreements);
        assert_eq!((pieces, agreement), left, "{agreements:?}");
        assert!((nearest - expected).abs() < 1e-12, "{agreements:?}: {nearest}");
    };
    // The first, the last and one between them is the nearest.
    near(&[0.88, 0.4], (2, 0.4), 0.02);
    near(&[0.4, 0.88], (2, 0.88), 0.02);
    near(&[0.4, 0.87, 0.5], (2, 0.5), 0.03);
    // From above it is as near.
    near(&[0.5, 0.91], (2, 0.91), 0.01);
}

#[test]
fn pieces_are_joined_until_the_clusterings_agree() {
    assert_eq!(passing(&[0.95, 1.0]).0, 3, "nothing is joined that is agreed on");
    assert_eq!(passing(&[0.9, 1.0]).0, 3, "the bound itself is enough");
    assert_eq!(passing(&[0.1, 0.95, 1.0]).0, 3, "what is agreed on then stays apart");
}

#[test]
fn points_that_cannot_be_told_apart_stay_whole() {
    // Too few rows to ask about; then many, all in one place.
    let few = |rows| Matrix::new(rows, 2, vec![0.5; rows * 2]);
    for rows in [1, 2, 10] {
        let found = split_once(&few(rows), &CONFIG, &Draws::new(1)).unwrap();
        assert_eq!((found.partition.clusters(), found.splits.len()), (1, 0));
    }
    let found = split_once(&few(120), &CONFIG, &Draws::new(1)).unwrap();
    assert_eq!(found.partition.clusters(), 1, "{:?}", found.splits);
}
