//! The two programs as programs: what they link, how they refuse.

use crate::lab::Lab;

fn names(program: &str, library: &str) -> bool {
    let bytes = std::fs::read(program).unwrap();
    let needle: Vec<u8> = library.bytes().chain([0]).collect();
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The names of needed libraries are zero-terminated strings in an ELF file.
#[test]
#[cfg(all(target_os = "linux", feature = "tch"))]
fn moelab_links_no_libtorch_and_the_worker_does() {
    assert!(!names(env!("CARGO_BIN_EXE_moelab"), "libtorch_cpu.so"));
    assert!(names(env!("CARGO_BIN_EXE_moelab-worker"), "libtorch_cpu.so"));
}

#[test]
fn a_broken_spec_is_refused_whole() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "tabel: {rows: [dataset]}\n");
    let text = std::fs::read_to_string(lab.path("experiments/tiny.yaml")).unwrap();
    lab.write(
        "experiments/tiny.yaml",
        &text
            .replace("wide_latent: 8", "wide_latnt: 8")
            .replace("evaluation.acc", "evalution.acc"),
    );
    let said = lab.moelab(&["plan", "tiny"]);
    assert_eq!(said.code, 2);
    for wanted in [
        "tabel",
        "table",
        "wide_latnt",
        "wide_latent",
        "evalution",
        "evaluation",
        "experiments/tiny.yaml:",
    ] {
        assert!(said.err.contains(wanted), "{wanted} is not in\n{}", said.err);
    }
}

#[test]
fn every_shipped_experiment_plans() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("experiments")).unwrap().flatten() {
        let file = entry.path();
        let said = lab.moelab(&["graph", file.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{}: {}", file.display(), said.err);
        seen += 1;
    }
    assert!(seen >= 9);
}

#[test]
fn a_missing_experiment_lists_what_there_is() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let said = lab.moelab(&["run", "tinny"]);
    assert!(said.code == 2 && said.err.contains("tiny"), "{}", said.err);
}

#[test]
fn a_table_without_a_store_is_empty_and_incomplete() {
    let lab = Lab::new();
    lab.tiny("seeds: 2\n", "");
    let said = lab.moelab(&["table", "tiny"]);
    assert_eq!(said.code, 4);
    assert!(said.out.contains("(0/2)"), "{}", said.out);
    assert!(!lab.path("store").exists(), "reading makes no store");
}

#[test]
fn an_unknown_device_is_refused_with_the_choices() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let said = lab.moelab(&["run", "tiny", "--device", "gpu"]);
    assert_ne!(said.code, 0);
    assert!(said.err.contains("cuda:0"), "{}", said.err);
}
