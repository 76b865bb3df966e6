#!/usr/bin/env python3
"""Whether HDBSCAN gives the labels, tree weights and soft memberships of hdbscan (exact tree) and of scikit-learn.

    bench/hdbscan_fidelity.py --data DIR [--work DIR] [--each 25] [--program FILE]

DIR holds `mnist/*-images-idx3-ubyte.gz` and `fashion-mnist/…`, of which random parts are projected on a few principal
components; the other half of the inputs are random groups. With more than one sample, mutual reachability distances tie
almost always, because a core distance hides many distances, and where a tie decides, a peer's labels depend on the order of
rows. So labels and memberships are compared on *untied* inputs, on which all weights of the spanning tree differ: up to
1,000 rows with one sample, and up to 60 rows with more, drawn until enough are untied. The weights are compared on all that
are drawn. Of noise rows the shares of memberships are compared, because hdbscan takes their sum from the first of several
clusters that tie; and inputs are left out on which hdbscan loses a cluster. Prints a Markdown table; fails where a goal is
missed.
"""

import argparse
import gzip
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
os.environ.setdefault("OMP_NUM_THREADS", "1")  # The inputs are small.
sys.path += [str(HERE), str(HERE.parent / "scripts/fixtures")]

GOALS = dict(ari=0.9999, weight=1e-9, soft=1e-6)

SELECTIONS = [
    dict(min_cluster_size=5),
    dict(min_cluster_size=15),
    dict(min_cluster_size=6, cluster_selection_method="leaf"),
    dict(min_cluster_size=5, cluster_selection_epsilon=1.0),
    dict(min_cluster_size=5, cluster_selection_method="leaf", cluster_selection_epsilon=1.5),
    dict(min_cluster_size=5, max_cluster_size=30),
    dict(min_cluster_size=5, allow_single_cluster=True),
    dict(min_cluster_size=5, allow_single_cluster=True, cluster_selection_epsilon=1.0),
    dict(min_cluster_size=7, alpha=0.8),
]


def ours(program, x, setting, folder):
    """Labels, ascending weights of the spanning tree, memberships."""
    import numpy as np

    x.tofile(folder / "in")
    config = "config=" + json.dumps(setting, separators=(",", ":"))
    call = [program, "hdbscan_parts", folder / "in", *map(str, x.shape), folder / "out", "threads=2", config]
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    parts, n = (folder / "out").read_bytes(), len(x)
    labels = np.frombuffer(parts, "<i4", n)
    weights = np.frombuffer(parts, "<f8", n - 1, 4 * n)
    return labels, weights, np.frombuffer(parts, "<f4", -1, 12 * n - 8).reshape(n, -1)


def images(data, name):
    import numpy as np

    with gzip.open(data / name / "t10k-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float64)


def draw(rng, least, most, real, peer):
    """`least` to `most` rows in f32: random groups, or a projection of a random part of real images."""
    import numpy as np
    from sklearn.decomposition import PCA

    rows, cols = int(rng.integers(least, most)), int(rng.choice([2, 3, 5, 10, 25]))
    if rng.random() < 0.5:
        groups, _ = peer.blobs(rng, rows, cols, int(rng.integers(2, 4 if most < 100 else 8)))
        return (groups + rng.normal(size=groups.shape) * 1e-3).astype(np.float32)
    chosen = real[int(rng.integers(len(real)))]
    part = chosen[rng.choice(len(chosen), rows, replace=False)]
    # hdbscan reads exemplars as if rows lay one after another, whatever the array says.
    return np.ascontiguousarray(PCA(min(cols, rows), svd_solver="full").fit_transform(part / 255).astype(np.float32))


def keeps_clusters(model):
    """Whether the peer finds its clusters again: it takes the first that holds a row of a label, which may be too far down."""
    import numpy as np

    tree = model.condensed_tree_._raw_tree
    parent = dict(zip(tree["child"], tree["parent"]))

    def below(node, cluster):
        while node in parent and node != cluster:
            node = parent[node]
        return node == cluster

    found = enumerate(model.condensed_tree_._select_clusters())
    return all(below(row, cluster) for label, cluster in found for row in np.flatnonzero(model.labels_ == label))


def soft_difference(x, setting, labels, memberships, peer):
    """The largest difference to the peer's memberships; None where the peer has none."""
    import hdbscan
    import numpy as np

    if not (labels >= 0).any() or not peer.model_has_splits(x, setting):
        return None
    model = peer.fit(x, setting, prediction_data=True, core_dist_n_jobs=1)
    theirs = hdbscan.all_points_membership_vectors(model)
    if theirs.ndim == 1 or not np.isfinite(theirs).all() or not keeps_clusters(model):
        return None
    # The peer may number its clusters otherwise.
    columns = [labels[np.flatnonzero(model.labels_ == k)[0]] for k in range(theirs.shape[1])]
    mine = memberships[:, columns].astype(np.float64)
    # What a noise row's sum is measured by may tie, and the peer takes the first: of those rows the shares are compared.
    noise = labels < 0
    mine[noise] /= np.maximum(mine[noise].sum(1, keepdims=True), 1e-300)
    theirs[noise] /= np.maximum(theirs[noise].sum(1, keepdims=True), 1e-300)
    return np.abs(mine - theirs).max()


def scikit_weight(x, setting):
    """The weight of scikit-learn's spanning tree, which no choice of clusters touches."""
    from sklearn.cluster import HDBSCAN

    plain = HDBSCAN(copy=True, min_cluster_size=2, min_samples=setting["min_samples"] + 1, alpha=setting.get("alpha", 1.0))
    return plain.fit(x)._single_linkage_tree_["value"].sum()


def compare(options, program):
    import cluster as peer
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    real = [images(options.data, name) for name in ("mnist", "fashion-mnist")]
    folder = pathlib.Path(tempfile.mkdtemp())
    print("| setting | inputs | clusters | least ARI to hdbscan | to scikit-learn | memberships | tied | weights |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    compared, missed = 0, False
    more = [dict(setting, min_samples=samples) for setting, samples in zip(SELECTIONS, [5, 4, 6, 3, 3, 4, 4, 5, 5])]
    for index, setting in enumerate([*(dict(setting, min_samples=1) for setting in SELECTIONS), *more]):
        sizes = (60, 1000) if setting["min_samples"] == 1 else (20, 60)
        hdbscan, scikit, soft, weight, tied, clusters, seed = [], [], [], [], 0, 0, 0
        while len(hdbscan) < options.each:
            seed += 1
            x = draw(np.random.default_rng([index, seed]), *sizes, real, peer)
            wide = x.astype(np.float64)
            model = peer.fit(wide, setting, core_dist_n_jobs=1)
            weights = np.sort(model.minimum_spanning_tree_._mst[:, 2])
            untied = (np.diff(weights) > 0).all()
            tied += not untied
            if not untied and tied > options.each:
                continue  # Enough of these for the weights.
            labels, mine, memberships = ours(program, x, setting, folder)
            weight += [np.abs(mine / weights - 1).max(), abs(mine.sum() / scikit_weight(wide, setting) - 1)]
            if untied:
                clusters += labels.max() + 1
                hdbscan.append(adjusted_rand_score(labels, model.labels_))
                theirs = peer.sklearn_labels(wide, setting)
                scikit += [] if theirs is None else [adjusted_rand_score(labels, theirs)]
                difference = soft_difference(wide, setting, labels, memberships, peer)
                soft += [] if difference is None else [difference]
        compared += len(hdbscan)
        missed |= min(hdbscan + scikit) < GOALS["ari"] or max(weight) > GOALS["weight"]
        missed |= max(soft, default=0) > GOALS["soft"]
        name = ", ".join(f"{key} {value}" for key, value in setting.items())
        print(
            f"| {name} | {len(hdbscan)} | {clusters} | {min(hdbscan):.5f} | {min(scikit, default=1):.5f} on {len(scikit)} "
            f"| {max(soft, default=0):.0e} on {len(soft)} | {min(tied, options.each)} | {max(weight):.0e} |",
            flush=True,
        )
    print(f"\n{compared} inputs compared. Differences of memberships are absolute, those of weights relative: of any edge to")
    print("hdbscan's, of the sum to scikit-learn's, on untied and tied inputs.")
    return not missed


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=pathlib.Path, required=True)
    options.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/moelab-bench"))
    options.add_argument("--each", type=int, default=25, help="inputs to compare per setting")
    options.add_argument("--program", type=pathlib.Path, help="the built benchmark program")
    given = options.parse_args()
    import manifold

    program = given.program or manifold.program()
    if importlib.util.find_spec("hdbscan"):
        sys.exit(0 if compare(given, program) else 1)
    given.work.mkdir(parents=True, exist_ok=True)
    call = [manifold.environment(given.work), __file__, "--data", given.data, "--each", str(given.each)]
    sys.exit(subprocess.run([*call, "--program", program]).returncode)


if __name__ == "__main__":
    main()
