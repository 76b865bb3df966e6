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

const EPOCH: (&str, &str) = ("epoch", "from 1");
const STEP: (&str, &str) = ("step", "steps done by then");
const LOSS: (&str, &str) = (
    "loss",
    "what descends; like all below it the mean over the steps of an epoch",
);
const RECONSTRUCTION: (&str, &str) = ("reconstruction", "reconstruction cost");
const SAMPLE_ENTROPY: (&str, &str) = ("sample_entropy", "mean entropy of a row's p, in nats");
const BATCH_ENTROPY: (&str, &str) = (
    "batch_entropy",
    "negative entropy of the mean p of a batch: −log K where all clusters have the same share",
);

/// Learning curves of [`crate::pretrain_vae`], and of the others below.
pub const CURVES_OF_AUTOENCODER: &[(&str, &str)] = &[
    EPOCH,
    STEP,
    LOSS,
    RECONSTRUCTION,
    ("kl", "KL divergence of the posterior from N(0, I); of a vae"),
    ("mmd", "maximum mean discrepancy of codes and prior; of a wae"),
    ("l1", "L1 norm of the code, where `l1_weight` is above 0"),
];
pub const CURVES_OF_MANAGER: &[(&str, &str)] = &[EPOCH, STEP, LOSS, ("entropy", "mean entropy of a row's p, in nats")];
pub const CURVES_OF_MIXTURE: &[(&str, &str)] = &[
    EPOCH,
    STEP,
    LOSS,
    ("reconstruction", "the experts' reconstruction costs, weighed by p"),
    ("divergence", "their KL divergences or discrepancies, weighed by p"),
    SAMPLE_ENTROPY,
    BATCH_ENTROPY,
    ("share_K", "mean p of each expert, from `share_0`"),
];
pub const CURVES_OF_DEC: &[(&str, &str)] = &[
    EPOCH,
    STEP,
    LOSS,
    ("kl", "KL divergence of the soft assignments from their targets"),
    (
        "reconstruction",
        "reconstruction cost, where `reconstruction_weight` is above 0",
    ),
    (
        "changed",
        "share of rows whose cluster the last update of the targets changed",
    ),
];
pub const CURVES_OF_DYNAE: &[(&str, &str)] = &[
    EPOCH,
    STEP,
    LOSS,
    ("code", "mean square to the target code"),
    ("reconstruction", "mean square to the target image"),
    (
        "conflicted",
        "share of rows that are reconstructed, not pulled to a centre",
    ),
];
pub const CURVES_OF_VADE: &[(&str, &str)] = &[
    EPOCH,
    STEP,
    LOSS,
    RECONSTRUCTION,
    ("kl_code", "KL divergence of the posterior from the clusters' Gaussians"),
    ("kl_cluster", "KL divergence of γ from the clusters' weights"),
];
pub const CURVES_OF_GMVAE: &[(&str, &str)] = &[
    EPOCH,
    STEP,
    LOSS,
    ("reconstruction", "the reconstruction term, in nats"),
    ("conditional_prior", "the conditional prior term"),
    ("w_prior", "the prior term of w"),
    ("z_prior", "the prior term of the cluster, before the constraint"),
];
pub const CURVES_OF_MICE: &[(&str, &str)] = &[EPOCH, STEP, LOSS, SAMPLE_ENTROPY, BATCH_ENTROPY];

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
        "least distance of an agreement that decided from the bound; null if none did",
    ),
];

/// The report of [`crate::stable_split`]: a row per question.
pub const REPORT_OF_STABLE_SPLIT: &[(&str, &str)] = &[
    ("rows", "rows of the part, or of the first of two clusters"),
    ("other_rows", "rows of the second cluster; 0 for a part"),
    (
        "pieces",
        "pieces that the clusterings agree on, or the two that remain where they do not; 1 where there is nothing to split",
    ),
    (
        "agreement",
        "mean adjusted Rand index between the clusterings in terms of these pieces, noise rows each on its own",
    ),
    (
        "nearest",
        "how near an agreement, also one before pieces were joined, came to the bound; missing where none decided: nothing to split, or all points, which are always split",
    ),
    ("labelled", "mean share of the rows that a clustering puts in a cluster"),
    ("apart", "the answer: the part is split, the two clusters stay two"),
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
