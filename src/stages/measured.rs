//! What stages that train say of themselves, by name: for tables, and for the reference of stages. No labels are needed for
//! any of it.

/// What [`crate::moe_train`] and [`crate::mixture_train`] leave.
pub const OF_MIXTURE: &[(&str, &str)] = &[
    ("experts", "K"),
    (
        "dead_experts",
        "experts whose mean share stayed below 0.1 / K for the last 5 epochs, or for all of fewer",
    ),
    ("smallest_share", "least share of rows assigned to one expert"),
    ("largest_share", "greatest share of rows assigned to one expert"),
    ("assignment_entropy", "mean over rows of the entropy of p, in nats"),
    (
        "agreement",
        "share of rows where what decides and the expert with the least cost agree",
    ),
];

/// [`crate::vade_train`], and below with a word of their own: [`crate::dec_train`], [`crate::dynae_train`].
pub const OF_CLUSTERED: &[(&str, &str)] = &[MOVED, CLUSTERS, SMALLEST, LARGEST, ENTROPY];
pub const OF_DEC: &[(&str, &str)] = &[
    EPOCHS,
    (
        "changed",
        "share of rows whose cluster changed at the last update of the targets",
    ),
    MOVED,
    CLUSTERS,
    SMALLEST,
    LARGEST,
    ENTROPY,
];
pub const OF_DYNAE: &[(&str, &str)] = &[
    EPOCHS,
    (
        "conflicted",
        "share of rows that are still reconstructed, not pulled to a centre",
    ),
    ("lowered", "how often the thresholds were lowered"),
    CLUSTERS,
    SMALLEST,
    LARGEST,
    ENTROPY,
];

const EPOCHS: (&str, &str) = ("epochs", "epochs until it settled or had to end");
const MOVED: (&str, &str) = (
    "moved",
    "share of rows in another cluster than at the start; rows that were noise count",
);
const CLUSTERS: (&str, &str) = ("clusters", "K");
const SMALLEST: (&str, &str) = ("smallest_share", "least share of rows in one cluster");
const LARGEST: (&str, &str) = ("largest_share", "greatest share of rows in one cluster");
const ENTROPY: (&str, &str) = ("assignment_entropy", "mean over rows of the entropy of p, in nats");

/// [`crate::gmvae_train`]; the terms are those of the last epoch.
pub const OF_GMVAE: &[(&str, &str)] = &[
    ("loss", "the objective, in nats"),
    ("reconstruction", "its reconstruction term"),
    ("conditional_prior", "its conditional prior term"),
    ("w_prior", "its prior term of w"),
    ("z_prior", "its prior term of the cluster"),
    ("used_clusters", "clusters that some row is assigned to"),
    (
        "effective_clusters",
        "exp of the mutual information of rows and clusters",
    ),
    SMALLEST,
    LARGEST,
    ENTROPY,
];

/// [`crate::stability`].
pub const OF_STABILITY: &[(&str, &str)] = &[
    ("candidates", "clusterings compared"),
    ("least_clusters", "least number of clusters"),
    ("most_clusters", "greatest number of clusters"),
    (
        "plateau",
        "the number of clusters that most candidates found; of several, the greatest",
    ),
    ("agreement", "mean adjusted Rand index over pairs of candidates"),
    ("labelled", "mean share of rows that are not noise"),
];

/// [`crate::stable_split`].
pub const OF_STABLE_SPLIT: &[(&str, &str)] = &[
    CLUSTERS,
    (
        "minor_clusters",
        "clusters that do not stand alone because they are far smaller than the median",
    ),
    ("questions", "parts and pairs of clusters that were looked at"),
    (
        "closest_call",
        "least distance of an agreement from the bound; null if nothing could be split",
    ),
];

/// [`crate::subclusters`].
pub const OF_SUBCLUSTERS: &[(&str, &str)] = &[
    ("clusters", "sub-clusters of all experts together"),
    ("divided", "experts with more than one sub-cluster"),
];

/// [`crate::evaluate`]: the one that needs labels.
pub const OF_EVALUATION: &[(&str, &str)] = &[
    (
        "acc",
        "clustering accuracy: clusters matched to classes one to one (Hungarian)",
    ),
    ("nmi", "normalised mutual information, arithmetic mean"),
    ("nmi_geometric", "the same with the geometric mean"),
    ("ari", "adjusted Rand index"),
    ("ami", "adjusted mutual information"),
    ("homogeneity", "whether clusters hold one class each"),
    ("completeness", "whether classes lie in one cluster each"),
    ("v_measure", "the harmonic mean of both"),
    ("clusters", "K found: clusters that rows are assigned to"),
    ("classes", "classes of the labels"),
    ("labelled", "share of rows that are not noise"),
    ("acc_labelled", "accuracy over those rows"),
    ("nmi_labelled", "NMI over those rows"),
    ("ari_labelled", "ARI over those rows"),
    ("acc_noise_wrong", "accuracy where noise counts as wrong"),
    (
        "acc_assigned",
        "accuracy where a noise row goes to the cluster of its greatest membership",
    ),
    (
        "acc_representative",
        "each cluster takes the class of its surest row; never comparable with `acc`",
    ),
    (
        "acc_cheapest_expert",
        "accuracy if the expert with the least cost decides",
    ),
    ("nmi_cheapest_expert", "NMI of that"),
    ("ari_cheapest_expert", "ARI of that"),
    (
        "neighbours_alike",
        "with `points`: mean share of a row's 15 nearest with its class, over 2,000 rows at most; what clustering starts from",
    ),
    ("agreement", "share of rows where both ways to assign agree"),
];
