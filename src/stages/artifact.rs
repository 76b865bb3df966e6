//! Artifact types: what ports match on. All are open formats that Python reads; [`CONTENTS`] says what each holds.

pub const IMAGES: &str = "images";
pub const LABELS: &str = "labels";
pub const FEATURES: &str = "features";
pub const POINTS: &str = "points";
pub const MODEL: &str = "model";
pub const MANAGER: &str = "manager";
pub const CLUSTERS: &str = "clusters";
pub const ASSIGNMENTS: &str = "assignments";
pub const HISTORY: &str = "history";
pub const TREE: &str = "tree";
pub const LINKAGE: &str = "linkage";
pub const GRAPH: &str = "graph";
pub const SPECTRUM: &str = "spectrum";
pub const CONFUSION: &str = "confusion";
pub const REPORT: &str = "report";
pub const PICTURE: &str = "picture";
pub const FILE: &str = "file";
pub const LATENT_DIM: &str = "latent_dim";
pub const METRICS: &str = "metrics";

/// Those that are small JSON documents: they can feed settings and metrics.
pub const VALUES: [&str; 2] = [LATENT_DIM, METRICS];

/// All of them.
pub const ALL: [&str; 19] = [
    IMAGES,
    LABELS,
    FEATURES,
    POINTS,
    MODEL,
    MANAGER,
    CLUSTERS,
    ASSIGNMENTS,
    HISTORY,
    TREE,
    LINKAGE,
    GRAPH,
    SPECTRUM,
    CONFUSION,
    REPORT,
    PICTURE,
    FILE,
    LATENT_DIM,
    METRICS,
];

/// What each holds, for the reference of stages.
pub const CONTENTS: [(&str, &str); 19] = [
    (
        IMAGES,
        "safetensors: `images` u8 [N, C, H, W]; metadata `name`, `split`. Scaling to [0, 1] is the consumer's.",
    ),
    (
        LABELS,
        "safetensors: `labels` i64 [N]; metadata `classes` (a JSON list of names). Read by `evaluate` alone.",
    ),
    (FEATURES, "safetensors: `features` f32 [N, D], as given by the user."),
    (POINTS, "safetensors: `points` f32 [N, D], an embedding."),
    (
        MODEL,
        "safetensors: weights by module path; metadata `architecture` (JSON).",
    ),
    (MANAGER, "Like `model`, for the manager of a mixture."),
    (
        CLUSTERS,
        "Parquet: row u32, cluster i32 (−1 noise), probability f32, outlier_score f32, membership list f32[K].",
    ),
    (
        ASSIGNMENTS,
        "Parquet: row u32, cluster i32, manager_p list f32[K], reconstruction list f32[K] (one value where all clusters share an autoencoder, none where nothing reconstructs; `assign` leaves it out for models of `dec_train`, `vade_train` and `dynae_train`).",
    ),
    (
        HISTORY,
        "Parquet: epoch u32, step u64, then one f64 column per quantity.",
    ),
    (
        TREE,
        "Parquet: parent u32, child u32, lambda f64, size u32, selected bool: the condensed tree.",
    ),
    (
        LINKAGE,
        "Parquet: left u32, right u32, distance f64, size u32: the N - 1 merges of a single-linkage tree, distances ascending. Numbers below N are rows, N + i is what merge i made.",
    ),
    (
        GRAPH,
        "Parquet: row u32, col u32, weight f32: the fuzzy simplicial set.",
    ),
    (
        SPECTRUM,
        "Parquet: cluster i32 (−1 for all data), component u32, variance f64, ratio f64, cumulative f64.",
    ),
    (
        CONFUSION,
        "Parquet: class i64, class_name str, cluster i32, count u32, matched bool, in Hungarian order.",
    ),
    (
        REPORT,
        "Parquet: what a choice rests on. One row per candidate clustering (see `stability`); of `stable_split` per question, of `subclusters` per sub-cluster.",
    ),
    (PICTURE, "PNG."),
    (FILE, "Any bytes, for commands to hand to each other."),
    (LATENT_DIM, "JSON: an integer, or a list with one per cluster."),
    (METRICS, "JSON: name → number."),
];
