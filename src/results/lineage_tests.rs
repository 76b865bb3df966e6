use super::*;
use crate::bench::{Bench, EXPERIMENT, Fate};
use crate::diff::Diff;
use moelab_engine::job::Origin;
use moelab_engine::key::ActionKey;
use moelab_engine::store::{Presence, Provenance, StoredOutput};

fn done() -> Bench {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|_| Fate::Done("cpu"));
    bench
}

fn planned(bench: &Bench, stage: &str, alpha: u64, seed: u64) -> Lineage {
    let filter = Filter::parse(Some(seed), &[format!("alpha={alpha}")]).unwrap();
    let node = bench.plan.pick(&bench.experiment, stage, &filter).unwrap();
    Lineage::planned(&bench.source(), node).unwrap()
}

fn stages(lineage: &Lineage) -> Vec<&str> {
    lineage.steps.iter().map(|step| step.stage.as_str()).collect()
}

#[test]
fn a_result_leads_back_to_all_it_was_made_from() {
    let bench = done();
    let lineage = planned(&bench, "score", 10, 1);
    assert_eq!(stages(&lineage), ["train", "score"]);
    let feed = &lineage.last().feeds[0];
    assert_eq!((feed.name.as_str(), feed.maker), ("history", Some(0)));
    let text = lineage.text(&bench.store, 120);
    for part in [
        "score (evaluate, version 1) alpha=10 seed=1",
        "from train",
        "acc = 0.11",
        "comes from\n  train (train, version 1)",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let document = lineage.json();
    assert_eq!(document["lineage"][0]["manifest"]["action"]["config"]["alpha"], 10);
    assert_eq!(document["inputs"][0]["key"], document["lineage"][0]["key"]);
}

#[test]
fn a_key_alone_leads_back_too() {
    let bench = done();
    let key = planned(&bench, "score", 1, 0).manifest().key().hex();
    let lineage = Lineage::stored(&bench.store, &key[..10]).unwrap();
    assert_eq!(lineage.manifest().key().hex(), key);
    assert_eq!(lineage.last().feeds[0].maker, Some(0));
    let said = |prefix: &str| Lineage::stored(&bench.store, prefix).err().unwrap().to_string();
    assert!(
        said("ffffffffff").starts_with("no finished action"),
        "{}",
        said("ffffffffff")
    );
    assert!(said("").contains("8 actions"), "{}", said(""));
}

/// A stage that read and made bytes, each named by a word.
fn made(stage: &str, read: &[(&str, &str)], outputs: &[(&str, &str)]) -> Manifest {
    let of = |bytes: &str| Digest::of(bytes.as_bytes());
    let output = |bytes: &str| StoredOutput {
        digest: of(bytes),
        size: 0,
        artifact: "file".into(),
        state: Presence::Present,
    };
    Manifest {
        version: 2,
        action: ActionKey {
            schema: 1,
            stage: stage.into(),
            version: 1,
            config: serde_json::json!({}),
            seed: None,
            inputs: read
                .iter()
                .map(|(port, bytes)| ((*port).to_owned(), InputKey::One(of(bytes))))
                .collect(),
            sources: BTreeMap::new(),
            outputs: BTreeMap::new(),
        },
        outputs: outputs
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), output(bytes)))
            .collect(),
        values: BTreeMap::new(),
        provenance: Provenance {
            origin: Origin {
                stage: stage.into(),
                ..Origin::default()
            },
            ..Provenance::default()
        },
        divergent: Vec::new(),
    }
}

#[test]
fn of_makers_of_equal_bytes_the_one_already_behind_the_result_counts() {
    // Images of two sizes with the same labels, which are asked for before the codes.
    let load = |side: &str| made(&format!("load_{side}"), &[], &[("images", side), ("labels", "labels")]);
    for side in ["8", "16"] {
        let train = made("train", &[("images", side)], &[("codes", "codes")]);
        let score = made("score", &[("a_labels", "labels"), ("codes", "codes")], &[]);
        let all = [load("8"), load("16"), train, score];
        let lineage = Lineage::among(all.iter(), &all[3]);
        assert_eq!(stages(&lineage), [format!("load_{side}").as_str(), "train", "score"]);
        assert_eq!(lineage.last().feeds[0].maker, Some(0), "the inputs keep their order");
    }
}

#[test]
fn what_passes_bytes_on_did_not_make_them() {
    let cluster = made("cluster", &[], &[("clusters", "found")]);
    let select = made("select", &[("candidates", "found")], &[("clusters", "found")]);
    let teach = made("teach", &[("clusters", "found")], &[]);
    for all in [[&cluster, &select], [&select, &cluster]] {
        let behind = |manifest| Lineage::among(all.into_iter(), manifest);
        assert_eq!(stages(&behind(&select)), ["cluster", "select"]);
        assert_eq!(stages(&behind(&teach)), ["cluster", "teach"]);
    }
}

#[test]
fn what_has_not_run_has_no_lineage() {
    let bench = Bench::new(EXPERIMENT);
    let filter = Filter::parse(Some(0), &["alpha=10".to_owned()]).unwrap();
    let node = bench.plan.pick(&bench.experiment, "score", &filter).unwrap();
    assert!(Lineage::planned(&bench.source(), node).is_none());
}

#[test]
fn a_number_leads_back_to_its_runs() {
    let bench = done();
    let filter = Filter::parse(None, &["alpha=10".to_owned()]).unwrap();
    let found = numbers(&bench.source(), "acc", &filter).unwrap();
    let values: Vec<_> = found.iter().map(|number| number.value).collect();
    assert_eq!(values, [Some(0.1), Some(0.11)]);
    let text = numbers_text("acc", &found);
    assert!(text.contains("alpha=10 seed=1  acc = 0.11"), "{text}");
    let said = numbers(&bench.source(), "ac", &filter).err().unwrap().to_string();
    assert_eq!(said, "`e` declares no metric `ac`\n  = did you mean `acc`?");
}

#[test]
fn two_results_differ_first_where_their_settings_do() {
    let bench = done();
    let diff = Diff::of(
        &planned(&bench, "score", 10, 0),
        &planned(&bench, "score", 1, 0),
        &bench.store,
    )
    .unwrap();
    assert_eq!(diff.first.len(), 1, "{diff}");
    assert_eq!(diff.first[0].changes, ["alpha 10 → 1"]);
    assert_eq!(diff.follows, ["score"]);
    assert_eq!(diff.values["metrics.acc"], ("0.1".to_owned(), "0.01".to_owned()));
    let text = diff.to_string();
    assert!(text.contains("everything below follows from that: score"), "{text}");
}

#[test]
fn seeds_differ_first_where_they_are_drawn_from() {
    let bench = done();
    let diff = Diff::of(
        &planned(&bench, "score", 10, 0),
        &planned(&bench, "score", 10, 1),
        &bench.store,
    )
    .unwrap();
    assert!(
        diff.first[0].a.starts_with("train") && diff.first[0].changes[0].starts_with("seed "),
        "{diff}"
    );
}

#[test]
fn tables_tell_in_how_many_rows_they_differ() {
    let bench = done();
    let diff = Diff::of(
        &planned(&bench, "train", 10, 0),
        &planned(&bench, "train", 1, 0),
        &bench.store,
    )
    .unwrap();
    assert_eq!(diff.outputs, ["history: loss in 1 of 2 rows"]);
    assert!(diff.follows.is_empty());
}

#[test]
fn an_action_does_not_differ_from_itself() {
    let bench = done();
    let diff = Diff::of(
        &planned(&bench, "score", 10, 0),
        &planned(&bench, "score", 10, 0),
        &bench.store,
    )
    .unwrap();
    assert!(diff.same && diff.first.is_empty() && diff.values.is_empty());
    assert!(diff.to_string().ends_with("the same action\n"));
}
