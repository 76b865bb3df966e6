//! Runs one of kNN, PCA, UMAP and HDBSCAN on a file of numbers and says what it took; `bench/manifold.py` runs it beside
//! the Python packages that researchers use.
//!
//! `manifold TASK INPUT ROWS COLS OUTPUT [name=value …]`: INPUT holds ROWS × COLS f32, little-endian, row by row. OUTPUT
//! gets the result in the same form (labels as i32, neighbours as u32). `hdbscan_parts` writes labels, then the ascending
//! weights of the spanning tree as f64, then the memberships as f32, for `bench/hdbscan_fidelity.py`. Prints seconds,
//! processor seconds, the memory held before and the peak (MiB) of the call alone, without reading and writing.

use moelab_science::cluster::{Hdbscan, HdbscanConfig, hdbscan};
use moelab_science::manifold::{Metric, Pca, UmapConfig, knn, umap};
use moelab_science::matrix::Matrix;
use moelab_science::random::Draws;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    // cargo adds `--bench`.
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [task, input, rows, cols, output, rest @ ..] = &given[..] else {
        println!("run by bench/manifold.py: TASK INPUT ROWS COLS OUTPUT [name=value …]");
        return;
    };
    let settings: BTreeMap<&str, &str> = rest.iter().filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str| settings[name].parse::<usize>().expect("settings are whole numbers");
    let (rows, cols): (usize, usize) = (rows.parse().expect("rows"), cols.parse().expect("columns"));
    rayon::ThreadPoolBuilder::new()
        .num_threads(number("threads"))
        .build_global()
        .expect("the first pool of this process");
    let bytes = std::fs::read(input).expect("the input");
    let values = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let data = Matrix::new(rows, cols, values.collect());
    drop(bytes);
    forget_peak();
    let (before, clock, processor) = (memory("VmRSS:"), Instant::now(), processor_seconds());
    let result = run(task, &data, &settings, number);
    let seconds = clock.elapsed().as_secs_f64();
    let processor = processor_seconds() - processor;
    println!(
        "{{\"seconds\": {seconds}, \"processor\": {processor}, \"before_mib\": {before}, \"peak_mib\": {}}}",
        memory("VmHWM:")
    );
    std::fs::write(output, result).expect("the output");
}

fn run(task: &str, data: &Matrix, settings: &BTreeMap<&str, &str>, number: impl Fn(&str) -> usize) -> Vec<u8> {
    match task {
        "knn" => {
            let found = knn::exact(data, number("k"), Metric::Euclidean).expect("kNN");
            found.indices.iter().flat_map(|index| index.to_le_bytes()).collect()
        }
        "pca" => {
            let pca = Pca::fit(data, number("components")).expect("PCA");
            bytes(&pca.transform(data).expect("PCA"))
        }
        "umap" => {
            let draws = Draws::new(number("seed") as u64);
            bytes(&umap::fit(data, &umap_config(&number), &draws).expect("UMAP").embedding)
        }
        // Embeds all rows but every tenth and then places those.
        "umap_place" => {
            let (config, draws) = (umap_config(&number), Draws::new(number("seed") as u64));
            let (new, old): (Vec<usize>, Vec<usize>) = (0..data.rows()).partition(|row| row % 10 == 0);
            let (new, old) = (data.select(&new), data.select(&old));
            let fitted = umap::fit(&old, &config, &draws).expect("UMAP");
            bytes(&umap::transform(&config, &old, &fitted.embedding, &new, &draws).expect("placing"))
        }
        "hdbscan" => labels(&hdbscan(data, &hdbscan_config(settings)).expect("HDBSCAN")),
        "hdbscan_parts" => {
            let found = hdbscan(data, &hdbscan_config(settings)).expect("HDBSCAN");
            let merges = found.single_linkage.merges().iter();
            let weights = merges.flat_map(|merge| merge.distance.to_le_bytes()).collect();
            [labels(&found), weights, bytes(&found.memberships(data))].concat()
        }
        other => panic!("no task `{other}`"),
    }
}

fn hdbscan_config(settings: &BTreeMap<&str, &str>) -> HdbscanConfig {
    serde_json::from_str(settings["config"]).expect("`config` is a HdbscanConfig in JSON")
}

fn labels(found: &Hdbscan) -> Vec<u8> {
    found.labels.iter().flat_map(|label| label.to_le_bytes()).collect()
}

fn umap_config(number: &impl Fn(&str) -> usize) -> UmapConfig {
    UmapConfig {
        n_neighbors: number("k"),
        n_components: number("components"),
        min_dist: 0.0,
        ..UmapConfig::default()
    }
}

fn bytes(matrix: &Matrix) -> Vec<u8> {
    matrix.data().iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Starts the kernel's record of this process's largest memory anew.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux has it");
}

/// A line of the kernel's record in MiB: memory held now, or the most since [`forget_peak`].
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("Linux says it");
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .expect("kilobytes")
        >> 10
}

/// What this process has computed so far; the kernel counts in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    // After the name, which may hold anything but a second closing bracket at the end: user and system time.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0)
        .sum()
}
