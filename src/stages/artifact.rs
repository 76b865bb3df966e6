//! Artifact types: what ports match on. All are open formats that Python reads.

/// safetensors: `images` u8 [N, C, H, W]; metadata `name`, `split`. Scaling to [0, 1] is the consumer's.
pub const IMAGES: &str = "images";
/// safetensors: `labels` i64 [N]; metadata `classes` (a JSON list of names). Read by `evaluate` alone.
pub const LABELS: &str = "labels";
/// safetensors: `features` f32 [N, D], as given by the user.
pub const FEATURES: &str = "features";
/// safetensors: `points` f32 [N, D], an embedding.
pub const POINTS: &str = "points";
/// safetensors: weights by module path; metadata `architecture` (JSON).
pub const MODEL: &str = "model";
/// Like [`MODEL`], for the manager of a mixture.
pub const MANAGER: &str = "manager";
/// Parquet: row u32, cluster i32 (−1 noise), probability f32, outlier_score f32, membership list f32[K].
pub const CLUSTERS: &str = "clusters";
/// Parquet: row u32, cluster i32, manager_p list f32[K], reconstruction list f32[K] (one value where all clusters share an
/// autoencoder, none where nothing reconstructs).
pub const ASSIGNMENTS: &str = "assignments";
/// Parquet: epoch u32, step u64, then one f64 column per quantity.
pub const HISTORY: &str = "history";
/// Parquet: parent u32, child u32, lambda f64, size u32, selected bool: the condensed tree.
pub const TREE: &str = "tree";
/// Parquet: left u32, right u32, distance f64, size u32: the N - 1 merges of a single-linkage tree, distances ascending.
/// Numbers below N are rows, N + i is what merge i made.
pub const LINKAGE: &str = "linkage";
/// Parquet: row u32, col u32, weight f32: the fuzzy simplicial set.
pub const GRAPH: &str = "graph";
/// Parquet: cluster i32 (−1 for all data), component u32, variance f64, ratio f64, cumulative f64.
pub const SPECTRUM: &str = "spectrum";
/// Parquet: class i64, class_name str, cluster i32, count u32, matched bool, in Hungarian order.
pub const CONFUSION: &str = "confusion";
/// Parquet: one row per candidate clustering, see `stability`.
pub const REPORT: &str = "report";
/// PNG.
pub const PICTURE: &str = "picture";
/// Any bytes, for commands to hand to each other.
pub const FILE: &str = "file";
/// JSON: an integer, or a list with one per cluster.
pub const LATENT_DIM: &str = "latent_dim";
/// JSON: name → number.
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
