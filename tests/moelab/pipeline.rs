//! The whole thesis pipeline through the two programs: what runs, what does not, and that bytes repeat.

use crate::lab::Lab;
use serde_json::json;

#[test]
fn the_pipeline_ends_in_a_table_and_a_second_run_executes_nothing() {
    let lab = Lab::new();
    lab.tiny("seeds: 2\n", "  found: cluster_scores.acc\n");
    let first = lab.run(&["tiny"]);
    assert!(first["executed"].as_u64().unwrap() > 20, "{first}");
    let second = lab.run(&["tiny"]);
    assert_eq!(
        (&second["executed"], &second["cached"]),
        (&json!(0), &first["executed"])
    );

    let said = lab.moelab(&["table", "tiny", "--format", "json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let rows = said.json();
    let acc = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["metric"] == "found")
        .unwrap()
        .clone();
    assert_eq!((&acc["n"], &acc["expected"]), (&json!(2), &json!(2)));
    // A network of two epochs knows little, but it does not guess.
    assert!(acc["mean"].as_f64().unwrap() > 0.25 && acc["std"].is_number(), "{acc}");
}

#[test]
fn a_changed_alpha_runs_the_joint_stage_and_its_evaluation() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run(&["tiny"]);
    assert_eq!(lab.planned(&["tiny", "--set", "alpha=10"]), ["evaluation", "moe"]);
    assert_eq!(lab.run(&["tiny", "--set", "alpha=10"])["executed"], 2);
}

#[test]
fn another_seed_runs_that_seed_alone() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let one = lab.run(&["tiny"]);
    lab.tiny("seeds: 2\n", "");
    let two = lab.run(&["tiny"]);
    // `load` is shared by the seeds; the agreement over one seed becomes that over two.
    let each = one["executed"].as_u64().unwrap() - 1;
    assert_eq!(
        (two["executed"].as_u64(), two["cached"].as_u64()),
        (Some(each), Some(each))
    );
}

#[test]
fn a_seed_alone_runs_with_what_needs_no_other_and_the_whole_goes_on_from_it() {
    let lab = Lab::new();
    lab.tiny("seeds: 3\n", "table: {columns: [acc], min_seeds: 3}\n");
    let all = lab.planned(&["tiny"]).len();
    let said = lab.moelab(&["run", "tiny", "--seed", "1", "--threads", "1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("left out: agreement (gathers over seeds 0 to 2)\n"),
        "{}",
        said.err
    );
    // What there is of a table, which says how little.
    assert!(said.out.contains("fewer than the 3 seeds"), "{}", said.out);
    assert_eq!(lab.planned(&["tiny", "--seed", "1"]), Vec::<String>::new());
    // `load` is shared; the agreement waits for all seeds.
    let left = lab.planned(&["tiny"]);
    assert_eq!((left.len() - 1) / 2, (all - left.len()) - 1, "{left:?}");
    let each = lab.run(&["tiny", "--seed", "0", "--seed", "1"]);
    assert_eq!(each["executed"], each["cached"].as_u64().unwrap() - 1, "{each}");
}

#[test]
fn a_value_of_an_axis_runs_alone_and_a_wrong_one_names_those_there_are() {
    let lab = Lab::new();
    lab.tiny("seeds: 2\n", "");
    let one = ["tiny", "--seed", "0", "--where", "min_cluster_fraction=0.05"];
    let said = lab.moelab(&[&["plan"], &one[..]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err
            .contains("clusters (gathers over min_cluster_fraction 0.03, 0.05)"),
        "{}",
        said.err
    );
    assert!(said.err.contains("what needs that: manager, "), "{}", said.err);
    let planned = lab.planned(&one);
    let candidates = planned.iter().filter(|stage| *stage == "candidates").count();
    assert!(candidates == 1 && !planned.contains(&"moe".to_owned()), "{planned:?}");
    for (args, part) in [
        (
            &["--seed", "7"][..],
            "nothing matches; min_cluster_fraction is 0.03, 0.05; seed is 0, 1",
        ),
        (
            &["--where", "min_cluster_fraction=0.04"],
            "min_cluster_fraction is 0.03, 0.05",
        ),
        (
            &["--where", "min_cluster_fractio=0.03"],
            "did you mean `min_cluster_fraction`?",
        ),
        (
            &["--only", "agreement", "--seed", "0"],
            "nothing is left to run: agreement",
        ),
        (&["--only", "agrement"], "did you mean `agreement`?"),
    ] {
        let said = lab.moelab(&[&["run", "tiny"], args].concat());
        assert!(
            said.code == 2 && said.err.contains(part),
            "{args:?}: {} {}",
            said.code,
            said.err
        );
    }
}

#[test]
fn comments_order_and_spelling_run_nothing() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run(&["tiny"]);
    let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
    let text = text
        .replace("  filters: 4\n", "")
        .replace("set:\n", "set:   # a comment\n  filters: 0x4\n  alpha: 1.0e2\n");
    lab.write("experiments/tiny.yaml", &text);
    let pipeline = std::fs::read_to_string(lab.path("pipelines/moe.yaml")).unwrap();
    lab.write("pipelines/moe.yaml", &format!("# another comment\n{pipeline}"));
    assert_eq!(lab.planned(&["tiny"]), Vec::<String>::new());
}

#[test]
fn two_clean_runs_give_the_same_bytes() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run_in("a", &["tiny"]);
    lab.run_in("b", &["tiny"]);
    let (a, b) = (lab.objects("a"), lab.objects("b"));
    assert!(a.len() > 10);
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert!(a == b, "objects of one name differ");
}

/// The digits as arrays, with labels of the caller's making.
fn arrays(lab: &Lab, shuffle: bool) {
    let at = moelab_data::DataDir {
        dir: lab.path("data"),
        download: false,
    };
    let options = moelab_data::Options {
        limit: Some(300),
        ..Default::default()
    };
    let loaded = moelab_data::load(&moelab_data::Source::Known("digits".into()), &options, &at).unwrap();
    let moelab_data::Loaded::Images(images) = loaded else {
        panic!("digits are images")
    };
    let mut labels = images.labels.unwrap().values;
    if shuffle {
        labels.rotate_left(101);
    }
    let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    npy(
        &lab.path("data/images.npy"),
        "|u1",
        &format!("({}, {}, {})", images.n, images.height, images.width),
        &images.data,
    );
    npy(&lab.path("data/labels.npy"), "<i8", &format!("({},)", images.n), &bytes);
}

fn npy(path: &std::path::Path, dtype: &str, shape: &str, data: &[u8]) {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

fn on_arrays(lab: &Lab) {
    lab.tiny("seeds: 1\n", "");
    let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
    let arrays = "dataset: {arrays: {images: images.npy, labels: labels.npy}}\n  limit: null";
    lab.write(
        "experiments/tiny.yaml",
        &text.replace("dataset: digits\n  limit: 300", arrays),
    );
}

#[test]
fn labels_reach_the_evaluation_and_nothing_else() {
    let lab = Lab::new();
    on_arrays(&lab);
    arrays(&lab, false);
    let first = lab.run(&["tiny"]);
    arrays(&lab, true);
    let second = lab.run(&["tiny"]);
    // Other labels: they are loaded again, and three evaluations differ. Whatever else had seen them would run, too.
    assert_eq!(second["executed"], 4);
    assert_eq!(
        second["cached"].as_u64().unwrap(),
        first["executed"].as_u64().unwrap() - 4
    );
}

#[test]
fn a_touched_or_moved_data_file_runs_nothing() {
    let lab = Lab::new();
    on_arrays(&lab);
    arrays(&lab, false);
    lab.run(&["tiny"]);
    arrays(&lab, false);
    assert_eq!(lab.run(&["tiny"])["executed"], 0);
    std::fs::rename(lab.path("data/images.npy"), lab.path("data/renamed.npy")).unwrap();
    let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
    lab.write("experiments/tiny.yaml", &text.replace("images.npy", "renamed.npy"));
    assert_eq!(lab.run(&["tiny"])["executed"], 0);
}

#[test]
fn a_table_is_made_where_the_folder_of_images_is_gone_and_a_renamed_one_runs_nothing() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
    let folder = "dataset: {folder: photos}\n  resize: 16";
    lab.write(
        "experiments/tiny.yaml",
        &text.replace("dataset: digits\n  limit: 300", folder),
    );
    photos(&lab, "photos");
    let first = lab.run(&["tiny"]);
    assert_eq!(first["failed"], 0, "{first}");
    let table = lab.moelab(&["table", "tiny"]);
    std::fs::rename(lab.path("data/photos"), lab.path("data/album")).unwrap();
    let gone = lab.moelab(&["table", "tiny"]);
    assert_eq!((gone.code, &gone.out), (table.code, &table.out), "{}", gone.err);
    assert!(gone.err.contains("last known content"), "{}", gone.err);
    let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
    lab.write("experiments/tiny.yaml", &text.replace("photos", "album"));
    assert_eq!(lab.run(&["tiny"])["executed"], 0);
    let forced = lab.run(&["tiny", "--force", "images"]);
    assert_eq!(forced["executed"], 1, "the same bytes under another name: {forced}");
}

#[test]
fn from_a_folder_within_a_project_its_store_is_found() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.moelab_in("artifacts", &["run", "tiny", "--only", "vae"]);
    let below = std::process::Command::new(env!("CARGO_BIN_EXE_moelab"))
        .current_dir(lab.path("experiments"))
        .args(["show", "tiny", "vae", "--seed", "0"])
        .output()
        .unwrap();
    assert!(below.status.success(), "{}", String::from_utf8_lossy(&below.stderr));
}

#[test]
fn a_wrong_form_of_a_data_set_is_told_by_its_fields() {
    let lab = Lab::new();
    for (dataset, part) in [
        ("{folders: x}", "did you mean `folder`?"),
        ("{arrays: {feature: x.npy}}", "did you mean `features`?"),
        ("{arrays: x.npy}", "expects a mapping"),
        ("{}", "got an empty one"),
        (
            "{folder: photos, split: test}",
            "`split` is a setting of `load` itself, beside `dataset`",
        ),
        (
            "{arrays: {features: x.npy}, limit: 9}",
            "no setting is called `limit` here",
        ),
        ("{blobs: {n: 9}, limit: 5}", "no setting is called `limit` here"),
        ("{folder: x, arrays: {}}", "no setting is called `arrays` here"),
        ("{blobs: {n: many}}", "expects a whole number"),
    ] {
        lab.tiny("seeds: 1\n", "");
        let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
        lab.write(
            "experiments/tiny.yaml",
            &text.replace("dataset: digits", &format!("dataset: {dataset}")),
        );
        let said = lab.moelab(&["plan", "tiny"]);
        assert!(said.code == 2 && said.err.contains(part), "{dataset}: {}", said.err);
    }
}

#[test]
fn nobody_listening_ends_no_run() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_moelab"))
        .current_dir(lab.path(""))
        .args(["--store", "store", "run", "tiny", "--only", "vae"])
        .stderr(full())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(lab.run(&["tiny", "--only", "vae"])["executed"], 0);
}

#[test]
fn nobody_reading_the_answer_is_no_panic() {
    use std::process::{Command, Stdio};
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run(&["tiny", "--only", "vae"]);
    for (full, code, folder) in [(true, 6, "a"), (false, 0, "b")] {
        let run = ["run", "tiny", "--only", "vae", "--format", "json"];
        for args in [&run[..], &["init", folder]] {
            let out = match full {
                true => Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap()),
                // Its reader is gone at once.
                false => Stdio::from(std::io::pipe().unwrap().1),
            };
            let mut moelab = Command::new(env!("CARGO_BIN_EXE_moelab"));
            let moelab = moelab.current_dir(lab.path("")).args(["--store", "store"]).args(args);
            let status = moelab.stdout(out).stderr(Stdio::null()).status().unwrap();
            assert_eq!(status.code(), Some(code), "{args:?}");
        }
    }
}

#[test]
fn a_device_that_is_not_there_is_said_before_anything_runs() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let said = lab.moelab(&["run", "tiny", "--device", "cuda:77"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("no cuda:77 here"), "{}", said.err);
    assert!(!lab.path("store/runs").exists() || std::fs::read_dir(lab.path("store/runs")).unwrap().count() == 0);
}

#[test]
fn a_table_is_written_in_the_format_of_its_file() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run(&["tiny", "--only", "evaluation"]);
    for (file, starts) in [("t.csv", "experiment,"), ("t.md", "| "), ("t.parquet", "PAR1")] {
        lab.moelab(&["table", "tiny", "--to", file]);
        let bytes = std::fs::read(lab.path(file)).unwrap();
        assert!(
            bytes.starts_with(starts.as_bytes()),
            "{file}: {:?}",
            String::from_utf8_lossy(&bytes[..40])
        );
    }
    lab.moelab(&["table", "tiny", "--to", "t.csv", "--format", "md"]);
    assert!(
        std::fs::read(lab.path("t.csv")).unwrap().starts_with(b"| "),
        "what is asked for counts"
    );
    let said = lab.moelab(&["table", "tiny", "--to", "t.xlsx"]);
    assert!(said.code == 2 && said.err.contains(".csv"), "{}", said.err);
    assert!(!lab.path("t.xlsx").exists());
}

#[test]
fn a_table_of_a_part_shows_that_part_alone() {
    let lab = Lab::new();
    lab.tiny(
        "seeds: 2\n",
        "reference:\n  - {dataset: digits, acc: 0.5, source: ours}\n  - {dataset: usps, acc: 0.6, source: theirs}\n",
    );
    let ran = lab.moelab(&["run", "tiny", "--seed", "1", "--where", "dataset=digits"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("ours") && !ran.out.contains("theirs"), "{}", ran.out);
    assert!(
        !ran.out.contains("missing"),
        "what was not asked for is no gap: {}",
        ran.out
    );
    let part = lab.moelab(&["table", "tiny", "--seed", "1", "--raw", "--format", "csv"]);
    assert_eq!(part.code, 0, "{}", part.err);
    assert!(
        part.out.contains(",1,acc,") && !part.out.contains(",0,acc,"),
        "{}",
        part.out
    );
    let all = lab.moelab(&["table", "tiny", "--where", "dataset=digits"]);
    assert_eq!(all.code, 4, "seed 0 is missing: {}", all.out);
    assert!(all.out.contains("missing for seed 0"), "{}", all.out);
    let none = lab.moelab(&["table", "tiny", "--where", "min_cluster_fraction=0.5"]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("tiny: nothing matches"), "{}", none.err);
    assert!(none.err.contains("min_cluster_fraction is 0.03, 0.05"), "{}", none.err);
}

/// Pictures of three kinds, in folders of their kinds: bright above, left or in the middle.
fn photos(lab: &Lab, name: &str) {
    for i in 0..120_usize {
        let bright = |x: u32, y: u32| match i % 3 {
            0 => y < 8,
            1 => x < 8,
            _ => (4..12).contains(&x) && (4..12).contains(&y),
        };
        let grey = |x, y| image::Luma([if bright(x, y) { 255 - i as u8 } else { i as u8 }]);
        let folder = lab.path("data").join(name).join(["above", "left", "middle"][i % 3]);
        std::fs::create_dir_all(&folder).unwrap();
        image::GrayImage::from_fn(16, 16, grey)
            .save(folder.join(format!("{i}.png")))
            .unwrap();
    }
}

#[test]
fn a_failed_stage_is_named_with_its_log_and_the_rest_goes_on_if_asked() {
    let lab = Lab::new();
    lab.tiny("seeds: 2\n", "");
    let said = lab.moelab(&["run", "tiny", "--keep-going", "--set", "min_samples=290"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(
        said.err.contains("FAILED candidates") && said.err.contains("min_cluster_size"),
        "{}",
        said.err
    );
    assert!(said.out.contains("(0/2)"), "{}", said.out);
}

#[test]
fn show_and_log_tell_of_one_action() {
    let lab = Lab::new();
    lab.tiny("seeds: 2\n", "");
    let said = lab.moelab(&["show", "tiny", "vae", "--seed", "1"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("has not run yet"), "{}", said.err);
    lab.run(&["tiny", "--only", "vae"]);
    let said = lab.moelab(&["show", "tiny", "vae", "--seed", "1"]);
    assert!(
        said.out.contains("latent_dim = ") && said.out.contains("libtorch"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(
        lab.moelab(&["log", "tiny", "vae", "--seed", "1"])
            .out
            .contains("epoch 2/2")
    );
    let said = lab.moelab(&["show", "tiny", "vae"]);
    assert!(
        said.code == 2 && said.err.contains("seed=0") && said.err.contains("seed=1"),
        "{}",
        said.err
    );
}

/// Ctrl-C in the middle of training: exit code 130, and the run that goes on ends in the bytes of an untouched one.
#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let args = ["tiny", "--only", "wide_vae", "--set", "epochs.wide=300"];
    lab.run_in("untouched", &args);
    let said = lab.interrupt("store", &args, "start  wide_vae");
    assert_eq!(said.code, 130, "{}", said.err);
    assert!(said.err.contains("Continue with:"), "{}", said.err);
    lab.run(&args);
    let log = lab.moelab(&["log", "tiny", "wide_vae", "--set", "epochs.wide=300"]).out;
    assert!(log.contains("resuming at epoch"), "{log}");
    assert!(lab.objects("store") == lab.objects("untouched"));
}
