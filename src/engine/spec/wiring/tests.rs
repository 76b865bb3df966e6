//! Inputs and outputs, one rule a test.

use crate::spec::fake::{Lab, PIPELINE};

fn with(stage: &str) -> String {
    let pipeline = format!("{PIPELINE}{stage}\n");
    Lab::new(&pipeline)
        .load("matrix: {axes: {k: [1, 2]}}", &[])
        .map_or_else(|e| e, |_| String::new())
}

#[test]
fn a_bare_name_means_the_output_named_like_the_port_or_the_only_one_of_its_type() {
    assert_eq!(with("  x: {stage: embed, inputs: {images: images, model: wide}}"), "");
}

#[test]
fn several_candidates_are_listed() {
    let stages = "  two: {stage: copy, size: 1, inputs: {model: vae}}\n  x: {stage: embed, inputs: {images: images, model: two}}";
    insta::assert_snapshot!(with(stages), @r"
    error: `model` takes model, and stage `two` gives several
      --> pipelines/p.yaml:35:53
       |
    35 |   x: {stage: embed, inputs: {images: images, model: two}}
       |                                                     ^^^
       = write two.left or two.right
    ");
    assert_eq!(with(&stages.replace("model: two}", "model: two.left}")), "");
}

#[test]
fn outputs_must_exist_and_fit() {
    insta::assert_snapshot!(with("  x: {stage: embed, inputs: {images: images.imags, model: images}}"), @r"
    error: stage `images` has no output `imags`
      --> pipelines/p.yaml:34:38
       |
    34 |   x: {stage: embed, inputs: {images: images.imags, model: images}}
       |                                      ^^^^^^^^^^^^
       = did you mean `images`?

    error: `model` takes model, which stage `images` does not give
      --> pipelines/p.yaml:34:59
       |
    34 |   x: {stage: embed, inputs: {images: images.imags, model: images}}
       |                                                           ^^^^^^
       = it gives images (images), labels (labels)
    ");
    insta::assert_snapshot!(with("  x: {stage: embed, inputs: {images: vae.model}}"), @r"
    error: `images` takes images or features, but `vae.model` is model
      --> pipelines/p.yaml:34:38
       |
    34 |   x: {stage: embed, inputs: {images: vae.model}}
       |                                      ^^^^^^^^^
    ");
}

#[test]
fn only_values_feed_settings() {
    insta::assert_snapshot!(with("  x: {stage: train, inputs: {images: images, latent_dim: latent_size.spectrum}}"), @r"
    error: the setting `latent_dim` needs a value, but `latent_size.spectrum` is a file
      --> pipelines/p.yaml:34:58
       |
    34 |   x: {stage: train, inputs: {images: images, latent_dim: latent_size.spectrum}}
       |                                                          ^^^^^^^^^^^^^^^^^^^^
       = write latent_size.latent_dim
    ");
    assert!(with("  x: {stage: train, inputs: {images: images, latent_dim: vae}}").contains("does not give"));
    assert_eq!(
        with("  x: {stage: train, inputs: {images: images, latent_dim: latent_size.latent_dim}}"),
        ""
    );
}

#[test]
fn unknown_inputs_list_ports_and_settings() {
    insta::assert_snapshot!(with("  x: {stage: cluster, inputs: {points: embedding, whatever: images}}"), @r"
    error: stage kind `cluster` has no input or setting `whatever`
      --> pipelines/p.yaml:34:51
       |
    34 |   x: {stage: cluster, inputs: {points: embedding, whatever: images}}
       |                                                   ^^^^^^^^
       = inputs: points; settings: k, random
    ");
}

#[test]
fn unknown_stages_give_the_nearest() {
    assert!(with("  x: {stage: cluster, inputs: {points: embeding}}").contains("did you mean `embedding`?"));
}

#[test]
fn required_inputs_must_be_there() {
    insta::assert_snapshot!(with("  x: {stage: score, inputs: {clusters: clusters}}"), @r"
    error: the input `labels` (labels) of stage `x` is missing
      --> pipelines/p.yaml:34:21
       |
    34 |   x: {stage: score, inputs: {clusters: clusters}}
       |                     ^^^^^^
       = write `inputs: {labels: STAGE}`
    ");
    assert!(with("  x: {stage: choose}").contains("{candidates: {from: STAGE, over: [seed]}}"));
}

#[test]
fn fan_ins_belong_on_gathering_ports() {
    assert_eq!(
        with("  x: {stage: choose, inputs: {candidates: {from: clusters, over: [k]}}}"),
        ""
    );
    assert!(
        with("  x: {stage: choose, inputs: {candidates: clusters}}").contains("write {from: clusters, over: [seed]}")
    );
    assert!(with("  x: {stage: cluster, inputs: {points: {from: embedding, over: [k]}}}").contains("not a fan-in"));
    assert!(
        with("  x: {stage: train, inputs: {images: images, latent_dim: {from: latent_size, over: [k]}}}")
            .contains("only ports")
    );
}

#[test]
fn a_fan_in_gathers_known_axes() {
    let said = with("  x: {stage: choose, inputs: {candidates: {from: clusters, over: [seed, kk]}}}");
    assert!(
        said.contains("no axis `kk` to gather") && said.contains("did you mean `k`?"),
        "{said}"
    );
}

#[test]
fn circles_are_named_with_their_path() {
    let said = with(
        "  x: {stage: cluster, inputs: {points: y}}\n  y: {stage: embed, inputs: {images: images, model: z}}\n  z: {stage: train, inputs: {images: x}}",
    );
    assert!(said.contains("in a circle: x → y → z → x"), "{said}");
    assert!(with("  x: {stage: cluster, inputs: {points: x}}").contains("x → x"));
}

#[test]
fn what_depends_on_the_row_is_checked_in_every_row() {
    let said = Lab::new(PIPELINE)
        .load("matrix: {axes: {dataset: [digits, blobs]}}", &[])
        .unwrap_err();
    assert!(
        said.contains("`images` takes images, which stage `images` does not give"),
        "{said}"
    );
}

#[test]
fn a_port_for_all_takes_any_name_any_type_and_fan_ins() {
    let stages = "  x:\n    stage: shell\n    inputs:\n      a: images.images\n      size: latent_size.latent_dim\n      \
                  all: {from: clusters, over: [k]}\n    gives: [one, two]\n  \
                  y: {stage: embed, inputs: {images: images, model: x.two}}";
    assert_eq!(with(stages), "");
    let said = with(&stages.replace("x.two", "x.tow"));
    assert!(said.contains("did you mean `two`?"), "{said}");
    let said = with(&stages.replace("model: x.two", "model: x"));
    assert!(said.contains("write x.one or x.two"), "{said}");
}

#[test]
fn a_port_for_all_is_no_setting_and_has_a_plain_name() {
    for (input, part) in [
        ("gives: latent_size", "`gives` is a setting of `shell`"),
        ("../x: vae", "`../x` cannot name an input"),
        ("x: two", "write two.left or two.right"),
    ] {
        let said = with(&format!(
            "  two: {{stage: copy, size: 1, inputs: {{model: vae}}}}\n  z: {{stage: shell, inputs: {{{input}}}}}"
        ));
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn rules_of_a_stage_are_told_all_at_once_where_they_are_broken() {
    insta::assert_snapshot!(with("  z: {stage: shell, inputs: {a: vae.model}, reads: [b, a, c]}"), @r#"
    error: nothing is called "b"
      --> pipelines/p.yaml:34:53
       |
    34 |   z: {stage: shell, inputs: {a: vae.model}, reads: [b, a, c]}
       |                                                     ^

    error: nothing is called "c"
      --> pipelines/p.yaml:34:59
       |
    34 |   z: {stage: shell, inputs: {a: vae.model}, reads: [b, a, c]}
       |                                                           ^
    "#);
}

#[test]
fn stages_come_after_what_they_take_from_and_else_as_written() {
    let pipeline =
        format!("{PIPELINE}  b: {{stage: shell, inputs: {{a: a}}}}\n  a: {{stage: shell}}\n  c: {{stage: shell}}\n");
    let experiment = Lab::new(&pipeline).load("", &[]).unwrap();
    let order = super::order(&experiment.pipeline);
    let names: Vec<&str> = order
        .iter()
        .map(|i| experiment.pipeline.stages[*i].name.as_str())
        .collect();
    assert_eq!(names[7..], ["a", "b", "c"]);
}

#[test]
fn a_long_chain_is_ordered_and_its_circle_found() {
    let mut pipeline = String::from("pipeline: p\nstages:\n  s0: {stage: shell}\n");
    for i in 1..1000 {
        pipeline += &format!("  s{i}: {{stage: shell, inputs: {{a: s{}}}}}\n", i - 1);
    }
    let experiment = Lab::new(&pipeline).load("", &[]).unwrap();
    assert_eq!(super::order(&experiment.pipeline), (0..1000).collect::<Vec<_>>());
    let circle = pipeline.replace("s0: {stage: shell}", "s0: {stage: shell, inputs: {a: s999}}");
    assert!(Lab::new(&circle).load("", &[]).unwrap_err().contains("in a circle"));
}
