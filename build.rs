//! The identity of a build, and where the worker finds libtorch.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn main() {
    identity();
    rpath();
}

/// A digest over the sources: the same for the two programs of one build, another as soon as a line differs. A worker
/// refuses the jobs of another build.
fn identity() {
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(std::fs::read(file).unwrap_or_default());
    }
    let digest: String = hash
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=MOELAB_BUILD={}-{digest}", env!("CARGO_PKG_VERSION"));
    println!("cargo::rerun-if-changed=src");
}

/// The worker alone links libtorch; a run path in it spares its users `LD_LIBRARY_PATH`.
fn rpath() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if let Some(libtorch) = std::env::var_os("LIBTORCH") {
        let lib = Path::new(&libtorch).join("lib");
        println!("cargo::rustc-link-arg-bin=moelab-worker=-Wl,-rpath,{}", lib.display());
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
