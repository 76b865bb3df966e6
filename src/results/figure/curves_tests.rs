use super::*;

fn curves(values: &[&[f64]], expected: usize) -> LearningCurves {
    let run = |(seed, values): (usize, &&[f64])| {
        let line: Line = values.iter().enumerate().map(|(i, y)| (i as f64 + 1.0, *y)).collect();
        Run {
            seed: seed.to_string(),
            columns: [("loss".to_owned(), line.clone()), ("share_0".to_owned(), line)].into(),
        }
    };
    LearningCurves {
        shared: "alpha=1 beta=2".into(),
        groups: vec![Group {
            name: String::new(),
            axes: "alpha=1, beta=2".into(),
            expected,
            runs: values.iter().enumerate().map(run).collect(),
        }],
        without: 0,
        quantities: vec!["loss".into(), "share_0".into()],
    }
}

#[test]
fn every_seed_is_a_line_beside_the_mean_and_the_band() {
    let figures = curves(&[&[3.0, 2.0], &[5.0, 2.0]], 2).figures("vae").unwrap();
    let loss = &figures[0].svg;
    let lines = |width: &str| {
        loss.matches(&format!("stroke=\"#0072B2\" stroke-width=\"{width}\""))
            .count()
    };
    assert_eq!((lines("3"), lines("1")), (1, 2), "{loss}");
    assert_eq!(loss.matches("<polygon").count(), 1, "the band");
    assert!(
        figures[0].alt.contains("4 at epoch 1 to 2 at epoch 2"),
        "{}",
        figures[0].alt
    );
}

#[test]
fn shares_of_experts_are_not_averaged_over_seeds() {
    let figures = curves(&[&[3.0, 2.0], &[5.0, 2.0]], 2).figures("moe").unwrap();
    assert!(figures[1].title.contains("share of each expert"));
    assert_eq!(figures[1].svg.matches("<polygon").count(), 0);
}

#[test]
fn one_run_has_neither_mean_nor_band() {
    let one = curves(&[&[3.0, 2.0]], 1);
    assert_eq!(one.figure("vae").unwrap().svg.matches("<polygon").count(), 0);
    assert_eq!(one.caption("vae"), "vae alpha=1 beta=2: 1 run");
}

#[test]
fn missing_runs_are_said() {
    let gap = curves(&[&[3.0], &[2.0]], 5);
    assert!(gap.legend().contains("2 runs of 5"));
    assert_eq!(gap.names(), [" (2/5)"]);
    let without = LearningCurves { without: 8, ..gap };
    assert!(without.legend().ends_with("; settings without a result: 8"));
}

#[test]
fn experts_are_named_at_the_end_of_their_lines_in_one_run() {
    let one = curves(&[&[3.0, 2.0]], 1).figures("moe").unwrap().remove(1);
    assert!(one.svg.contains("\n0\n"), "{}", one.svg);
    assert!(one.alt.contains("expert 0 2 at the end"), "{}", one.alt);
    let two = curves(&[&[3.0, 2.0], &[5.0, 2.0]], 2);
    assert!(two.legend().contains("numbered anew in each run"));
    assert!(two.panels()[1].ends.is_empty());
}

#[test]
fn the_numbers_are_those_drawn() {
    let csv = curves(&[&[3.0, 2.5]], 1).only("loss", "vae").unwrap().csv();
    assert_eq!(
        csv,
        "setting,seed,epoch,quantity,value\n\"alpha=1, beta=2\",0,1,loss,3\n\"alpha=1, beta=2\",0,2,loss,2.5\n"
    );
}

#[test]
fn an_unknown_quantity_tells_those_there_are() {
    let Err(error) = curves(&[&[1.0]], 1).only("los", "vae") else {
        panic!("`los` was found");
    };
    assert!(error.to_string().contains("it has loss, share_0"));
}

#[test]
fn the_last_record_of_an_epoch_counts_and_gaps_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let mut frame = df!("epoch" => [1_u32, 1, 2], "step" => [1_u64, 2, 3], "a" => [1.0, 2.0, f64::NAN]).unwrap();
    moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
    assert_eq!(columns(&path).unwrap(), [("a".to_owned(), vec![(1.0, 2.0)])]);
}
