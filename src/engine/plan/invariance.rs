//! What must change no key, and what must.

use super::tests::{keys, planned};
use crate::spec::fake::{Lab, PIPELINE};
use proptest::prelude::*;

#[test]
fn comments_order_and_spelling_change_no_key() {
    let other = "\
# A comment.
stages:
  evaluation: {inputs: {labels: images.labels, clusters: clusters.clusters}, stage: score}
  clusters: {k: '${k}', inputs: {points: embedding.points}, stage: cluster}
  embedding: {inputs: {model: vae, images: images}, stage: embed}
  vae: {learning_rate: \"${alpha}\", epochs: \"${epochs.vae}\", inputs: {latent_dim: latent_size, images: images}, stage: train}
  latent_size: {inputs: {model: wide, images: images}, stage: find}
  wide: {epochs: 5.0, latent_dim: 1e2, inputs: {images: images}, stage: train}
  images: {dataset: digits, stage: load}
params: {k: 10, alpha: 1e-3, epochs: {vae: 5}}
pipeline: p
";
    assert_eq!(keys(other, "seeds: 2"), keys(PIPELINE, "seeds: 2"));
}

#[test]
fn another_seed_or_value_leaves_the_other_keys_as_they_are() {
    let base = keys(PIPELINE, "seeds: 2\nmatrix: {axes: {k: [1, 2]}}");
    for wider in [
        "seeds: 3\nmatrix: {axes: {k: [1, 2]}}",
        "seeds: 2\nmatrix: {axes: {k: [1, 3, 2]}}",
        "seeds: [9, 1, 0]\nmatrix: {axes: {k: [2, 1]}}",
    ] {
        let all = keys(PIPELINE, wider);
        assert!(all.is_superset(&base) && all.len() > base.len(), "{wider}");
    }
    assert!(!keys(PIPELINE, "seeds: 2\nset: {alpha: 0.5}\nmatrix: {axes: {k: [1, 2]}}").is_superset(&base));
}

#[test]
fn a_default_that_a_row_writes_out_changes_no_key() {
    let pipeline =
        &format!("{PIPELINE}  best: {{stage: choose, inputs: {{candidates: {{from: clusters, over: [seed, k]}}}}}}\n");
    let keys = |include: &str| {
        let axes = "seeds: 2\nmatrix: {axes: {alpha: [0.001, 0.1], k: [1, 2]}, include: ";
        keys(pipeline, &format!("{axes}[{include}]}}"))
    };
    // The third k is a candidate beside the two that have the same alpha.
    assert_eq!(keys("{k: 3}"), keys("{k: 3, alpha: 1e-3}"));
    assert_eq!(keys("{k: 3}").len(), keys("{k: 2, alpha: 0.001}").len() + 4);
}

#[test]
fn an_axis_that_is_in_no_row_is_gathered_at_its_default() {
    let pipeline = format!(
        "{PIPELINE}  best: {{stage: choose, inputs: {{candidates: {{from: clusters, over: [seed, k, alpha]}}}}}}\n"
    );
    let axes = "alpha: [0.001, {value: 0.1, when: {k: 2}}], k: [1, 2]";
    let with = keys(
        &pipeline,
        &format!("matrix: {{axes: {{{axes}}}, exclude: [{{alpha: 0.1}}]}}"),
    );
    let without = keys(&pipeline, "matrix: {axes: {alpha: [0.001], k: [1, 2]}}");
    assert_eq!(with, without);
}

#[test]
fn ten_thousand_actions_are_planned_quickly() {
    let list = (1..=500).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let start = std::time::Instant::now();
    let (_, plan) = planned(&format!("seeds: 10\nmatrix: {{axes: {{k: [{list}]}}}}"));
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(plan.graph.node_count(), 1 + 10 * 4 + 2 * 5000);
    // A second in a release build; unoptimised code on a busy machine gets more.
    assert!(seconds < 10.0, "{seconds} s");
}

fn shuffled_stages() -> impl Strategy<Value = Vec<&'static str>> {
    let stages = vec![
        "  images: {stage: load, dataset: digits}\n",
        "  wide: {stage: train, inputs: {images: images}, latent_dim: 100}\n",
        "  size: {stage: find, inputs: {images: images, model: wide}}\n",
        "  vae: {stage: train, inputs: {images: images, latent_dim: size}, learning_rate: \"${alpha}\"}\n",
        "  points: {stage: embed, inputs: {images: images, model: vae}}\n",
        "  clusters: {stage: cluster, inputs: {points: points}, k: \"${k}\"}\n",
        "  best: {stage: choose, inputs: {candidates: {from: clusters, over: [seed, k]}}}\n",
    ];
    Just(stages).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_stages_axes_and_seeds_changes_no_key(
        stages in shuffled_stages(),
        seeds in Just(vec![0, 1, 2]).prop_shuffle(),
        ks in Just(vec![1, 2, 5]).prop_shuffle(),
        flipped in any::<bool>(),
    ) {
        let pipeline = |stages: &[&str]| format!("pipeline: p\nparams: {{alpha: 0.1, k: 1}}\nstages:\n{}", stages.concat());
        let experiment = |seeds: &[i32], ks: &[i32], flipped: bool| {
            let axes = [format!("k: {ks:?}"), "alpha: [0.1, 0.2]".to_owned()];
            let axes = if flipped { format!("{}, {}", axes[1], axes[0]) } else { axes.join(", ") };
            format!("seeds: {seeds:?}\nmatrix: {{axes: {{{axes}}}}}\n")
        };
        let mut sorted = stages.clone();
        sorted.sort();
        let base = keys(&pipeline(&sorted), &experiment(&[0, 1, 2], &[1, 2, 5], false));
        prop_assert_eq!(keys(&pipeline(&stages), &experiment(&seeds, &ks, flipped)), base);
    }

    #[test]
    fn no_text_makes_loading_panic(rest in "[a-z:{}\\[\\]$,&*<| \n\"'0-9.#!~-]{0,60}") {
        let _ = Lab::new(PIPELINE).load(&rest, &[]);
        let _ = Lab::new(&rest).load("", &[]);
    }
}
