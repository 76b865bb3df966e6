use super::*;
use crate::bench::{Bench, EXPERIMENT, Fate, seed};
use serde_json::json;

fn filter(conditions: &[&str]) -> Filter {
    let conditions: Vec<String> = conditions.iter().map(|&text| text.to_owned()).collect();
    Filter::parse(None, &conditions).unwrap()
}

/// The toy experiment with so many seeds and the number in which alpha 10 and 1 differ by turns.
fn scored(seeds: u64) -> Bench {
    let text = EXPERIMENT.replace("seeds: 2", &format!("seeds: {seeds}"));
    let text = text.replace("  acc: score.acc\n", "  acc: score.acc\n  score: score.score\n");
    Bench::new(&text.replace("columns: [k, acc, loss]", "columns: [score, acc]"))
}

fn alphas(bench: &Bench, values: [Value; 2], metrics: &[&str]) -> Result<Comparison, ResultsError> {
    let question = Question::Axis {
        source: bench.source(),
        axis: "alpha".into(),
        values,
    };
    let metrics: Vec<String> = metrics.iter().map(|&metric| metric.to_owned()).collect();
    Comparison::build(&question, &metrics, &filter(&[]))
}

fn text(comparison: &Comparison) -> String {
    String::from_utf8(comparison.render(Format::Terminal { width: 160 }).unwrap()).unwrap()
}

fn refusal(result: Result<Comparison, ResultsError>) -> String {
    result.err().expect("it is refused").to_string()
}

#[test]
fn five_seeds_are_paired_and_said_to_be_too_few() {
    let bench = scored(5);
    bench.run(|_| Fate::Done("cpu"));
    let comparison = alphas(&bench, [json!(10), json!(1)], &["score"]).unwrap();
    assert!(comparison.complete());
    insta::assert_snapshot!(text(&comparison), @"
    A: alpha=10; B: alpha=1

    data  metric              A              B   B − A     95 % interval       p    Holm      d  seeds  needed
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    here  score   0.340 ± 0.207  0.300 ± 0.158  −0.040  [−0.419, +0.339]  0.8750  0.8750  -0.13      5     459
    note: paired on shared seeds. p: two-sided sign-flip test (exact); interval: paired t, 95 %; d: Cohen's, of the paired differences; needed: seeds for 80 % power
          at the observed d
    note: too few seeds: no row can be significant at 0.05, since its smallest possible p is 0.0625; pairs take 6 seeds
    ");
}

#[test]
fn six_seeds_are_enough_and_holm_counts_the_rows() {
    let bench = scored(6);
    bench.run(|_| Fate::Done("cpu"));
    let comparison = alphas(&bench, [json!(10), json!(1)], &[]).unwrap();
    // Differences of -0.2, -0.4, 0.1, -0.1, 0.4, 0.2 cancel out; those of acc are all the same.
    let p: Vec<_> = comparison
        .rows
        .iter()
        .map(|row| (row.outcome.p().unwrap(), row.holm.unwrap()))
        .collect();
    assert_eq!(p, [(1.0, 1.0), (0.03125, 0.0625)]);
    let notes = comparison.notes().join("\n");
    assert!(
        notes.contains("after Holm no row can be significant at 0.05"),
        "{notes}"
    );
    assert!(notes.contains("pairs take 7 seeds"), "{notes}");
    let alone = alphas(&bench, [json!(10), json!(1)], &["acc"]).unwrap();
    assert!(!alone.notes().join("\n").contains("too few"), "one test needs no Holm");
}

#[test]
fn a_seed_of_one_side_is_left_out_of_the_difference_and_said() {
    let bench = scored(3);
    bench.run(|node| {
        if node.axes["alpha"] == 1 && seed(node) == 2 {
            Fate::Fails
        } else {
            Fate::Done("cpu")
        }
    });
    let comparison = alphas(&bench, [json!(10), json!(1)], &["acc"]).unwrap();
    let row = &comparison.rows[0];
    assert_eq!(
        (
            row.outcome.pairs,
            row.samples[0].values.len(),
            row.samples[1].values.len()
        ),
        (Some(2), 3, 2)
    );
    assert!(!comparison.complete());
    let notes = comparison.notes().join("\n");
    assert!(
        notes.contains("seeds that only one side has") && notes.contains("failed for seed 2 at data=here alpha=1"),
        "{notes}"
    );
}

#[test]
fn two_experiments_say_what_differs_between_them() {
    let bench = Bench::new(EXPERIMENT);
    let text = EXPERIMENT
        .replace("experiment: e", "experiment: other")
        .replace("[10, 1]", "[10, 3]");
    let other = Bench::new(&text);
    bench.run(|_| Fate::Done("cpu"));
    other.run(|_| Fate::Done("cuda:0"));
    let build = |conditions: &[&str]| {
        let question = Question::Experiments(bench.source(), other.source());
        Comparison::build(&question, &["acc".into()], &filter(conditions)).unwrap()
    };
    let both = build(&[]);
    assert_eq!(both.rows.len(), 1, "alpha = 10 is in both");
    let notes = both.notes().join("\n");
    for part in [
        "only A has alpha=1",
        "only B has alpha=3",
        "A was computed on cpu, B on cuda",
    ] {
        assert!(notes.contains(part), "{part} is not in\n{notes}");
    }
    assert!(!notes.contains("what differs"), "{notes}");
}

#[test]
fn single_values_of_an_axis_are_what_is_compared() {
    let one = |name: &str, alpha: u64| {
        let text = EXPERIMENT.replace("experiment: e", &format!("experiment: {name}"));
        let bench = Bench::new(&text.replace("[10, 1]", &format!("[{alpha}]")));
        bench.run(|_| Fate::Done("cpu"));
        bench
    };
    let (a, b) = (one("a", 10), one("b", 3));
    let question = Question::Experiments(a.source(), b.source());
    let comparison = Comparison::build(&question, &["acc".into()], &filter(&[])).unwrap();
    let notes = comparison.notes().join("\n");
    assert_eq!(comparison.rows.len(), 1);
    assert!(notes.contains("`alpha` is 10 in A and 3 in B"), "{notes}");
    assert!(notes.contains("what differs: train.alpha 10 → 3"), "{notes}");
}

#[test]
fn a_condition_holds_for_the_side_that_knows_it() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|_| Fate::Done("cpu"));
    let build = |conditions: &[&str]| {
        let question = Question::Experiments(bench.source(), bench.source());
        Comparison::build(&question, &["acc".into()], &filter(conditions))
    };
    let one = build(&["alpha=10"]).unwrap();
    assert_eq!((one.rows.len(), &one.names[0][..]), (1, "e"), "a condition is no name");
    assert!(refusal(build(&["alhpa=10"])).contains("did you mean `alpha`?"));
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_there_is() {
    let bench = scored(2);
    bench.run(|node| {
        if node.axes["alpha"] == 1 {
            Fate::Never
        } else {
            Fate::Done("cpu")
        }
    });
    let pair = [json!(10), json!(1)];
    assert_eq!(
        refusal(alphas(&bench, pair.clone(), &["scor"])),
        "`e` declares no metric `scor`\n  = did you mean `score`?"
    );
    assert_eq!(
        refusal(alphas(&bench, [json!(10), json!(2)], &[])),
        "the axis `alpha` of `e` has no value 2\n  = it has 10, 1"
    );
    assert_eq!(
        refusal(alphas(&bench, pair, &[])),
        "there is no finished number of alpha=1 in the store\n  = `moelab run e` makes them"
    );
    let question = |axis: &str, values| Question::Axis {
        source: bench.source(),
        axis: axis.into(),
        values,
    };
    let data = question("data", [json!("here"), json!("there")]);
    let said = refusal(Comparison::build(&data, &[], &filter(&[])));
    assert!(said.starts_with("`data` is no axis of the matrix of `e`"), "{said}");
    let alpha = question("alpha", [json!(10), json!(1)]);
    for condition in ["alpha=10", "alpha=7"] {
        let said = refusal(Comparison::build(&alpha, &[], &filter(&[condition])));
        assert_eq!(said, "`alpha` is what is compared: leave it out of --where");
    }
}

#[test]
fn one_name_for_two_quantities_is_told() {
    let bench = Bench::new(EXPERIMENT);
    let text = EXPERIMENT.replace("experiment: e", "experiment: other");
    let other = Bench::new(&text.replace("acc: score.acc", "acc: score.score"));
    bench.run(|_| Fate::Done("cpu"));
    other.run(|_| Fate::Done("cpu"));
    let question = Question::Experiments(bench.source(), other.source());
    let comparison = Comparison::build(&question, &[], &filter(&[])).unwrap();
    assert_eq!(
        comparison.notes()[0],
        "`acc` is score.acc in e and score.score in other"
    );
}

#[test]
fn equal_numbers_of_two_spellings_are_one_row_and_no_difference() {
    let bench = Bench::new(EXPERIMENT);
    let text = EXPERIMENT.replace("experiment: e", "experiment: other");
    let other = Bench::new(&text.replace("[10, 1]", "[1.0, 10.0]"));
    bench.run(|_| Fate::Done("cpu"));
    other.run(|_| Fate::Done("cpu"));
    let question = Question::Experiments(bench.source(), other.source());
    let both = Comparison::build(&question, &["acc".into()], &filter(&[])).unwrap();
    let places: Vec<_> = both.rows.iter().map(|row| row.place["alpha"].as_str()).collect();
    assert_eq!(places, ["10", "1"]);
    let notes = alphas(&bench, [json!(10.0), json!(1)], &["acc"])
        .unwrap()
        .notes()
        .join("\n");
    assert!(!notes.contains("differs"), "{notes}");
}

#[test]
fn experiments_with_nothing_in_common_are_refused() {
    let text = EXPERIMENT.replace("experiment: e", "experiment: other");
    let names = text
        .replace("  acc:", "  other_acc:")
        .replace("  loss:", "  other_loss:")
        .replace("  k:", "  other_k:");
    let names = names
        .replace("columns: [k, acc, loss], ", "")
        .replace("acc: 0.9", "other_acc: 0.9");
    let (bench, other) = (Bench::new(EXPERIMENT), Bench::new(&names));
    let question = Question::Experiments(bench.source(), other.source());
    let said = refusal(Comparison::build(&question, &[], &filter(&[])));
    assert!(
        said.contains("no metric has the same name") && said.contains("other_acc"),
        "{said}"
    );
    let apart = Bench::new(&text.replace("[10, 1]", "[20, 2]"));
    bench.run(|_| Fate::Done("cpu"));
    apart.run(|_| Fate::Done("cpu"));
    let question = Question::Experiments(bench.source(), apart.source());
    let said = refusal(Comparison::build(&question, &["acc".into()], &filter(&[])));
    assert_eq!(
        said,
        "e and other have nothing in common: `alpha` is 10, 1 in one and 20, 2 in the other"
    );
}

#[test]
fn every_format_has_every_row() {
    let bench = scored(3);
    bench.run(|_| Fate::Done("cpu"));
    let comparison = alphas(&bench, [json!(10), json!(1)], &[]).unwrap();
    let as_text = |format| String::from_utf8(comparison.render(format).unwrap()).unwrap();
    for format in [
        Format::Markdown,
        Format::Latex,
        Format::Csv,
        Format::Terminal { width: 40 },
    ] {
        let text = as_text(format);
        assert!(text.contains("score") && text.contains("acc"), "{text}");
    }
    let rows: Value = serde_json::from_str(&as_text(Format::Json)).unwrap();
    assert_eq!(
        (rows[0]["pairs"].as_u64(), rows[0]["pairing"].as_str()),
        (Some(3), Some("paired"))
    );
    assert!(comparison.render(Format::Parquet).unwrap().starts_with(b"PAR1"));
}
