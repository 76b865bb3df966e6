#!/usr/bin/env python3
"""kNN, PCA, UMAP and HDBSCAN beside the packages researchers use: seconds, peak memory, and whether the answers agree.

    bench/manifold.py --data DIR [--work DIR] [--repeat 3] [--only umap …] [--threads N]

Makes a virtual environment with the peers, takes PCA-50 of MNIST's 70,000 images and umap-learn's embeddings of it, and
runs both sides alternately, each call in a process of its own after a warm-up on a few rows (the peers compile at their
first call). Prints a Markdown table of medians. DIR holds `mnist/*-images-idx3-ubyte.gz`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

PEERS = ["numpy", "scikit-learn", "umap-learn", "pynndescent", "hdbscan", "fast_hdbscan"]
HERE = pathlib.Path(__file__).resolve().parent

# name, ours (task and settings), peers (name → expression of `x`, `np` and `threads`), input
TASKS = [
    ("PCA 784 → 50", "pca components=50", {"scikit-learn": "PCA(50, svd_solver='covariance_eigh').fit_transform(x)"}, "raw"),
    *[
        (f"kNN k {k}", f"knn k={k}", {"pynndescent": f"NNDescent(x, n_neighbors={k}, n_jobs=threads).neighbor_graph[0]"}, "pca")
        for k in (30, 100, 233)
    ],
    *[
        (
            f"UMAP k {k}, {d}-D",
            f"umap k={k} components={d} seed=0",
            {
                "umap-learn, seeded": f"UMAP(n_neighbors={k}, n_components={d}, min_dist=0, random_state=0).fit_transform(x)",
                "umap-learn, parallel": f"UMAP(n_neighbors={k}, n_components={d}, min_dist=0, n_jobs=threads).fit_transform(x)",
            },
            "pca",
        )
        for k, d in ((30, 2), (233, 10))
    ],
    *[
        (
            f"HDBSCAN {d}-D, min_cluster_size {m}",
            f'hdbscan config={{"min_cluster_size":{m}}}',
            {
                "hdbscan": f"hdbscan.HDBSCAN(min_cluster_size={m}, core_dist_n_jobs=threads).fit(x).labels_",
                "hdbscan, exact": f"hdbscan.HDBSCAN(min_cluster_size={m}, approx_min_span_tree=False, core_dist_n_jobs=threads).fit(x).labels_",
                "fast_hdbscan": f"fast_hdbscan.HDBSCAN(min_cluster_size={m}).fit(x.astype(np.float64)).labels_",
            },
            f"embedding{d}",
        )
        for d in (2, 10)
        for m in (5, 100)
    ],
]

PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
path, rows, cols, out, threads, expression = sys.argv[1:]
rows, cols, threads = int(rows), int(cols), int(threads)
from sklearn.decomposition import PCA
if "UMAP" in expression:
    from umap import UMAP
if "NNDescent" in expression:
    from pynndescent import NNDescent
if "hdbscan" in expression:
    import hdbscan, fast_hdbscan
everything = np.fromfile(path, dtype="<f4").reshape(rows, cols)
call = eval("lambda x: " + expression)
call(everything[:2000].copy())
open("/proc/self/clear_refs", "w").write("5")
started = time.perf_counter()
result = call(everything)
seconds = time.perf_counter() - started
peak = next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
kind = "<i4" if "HDBSCAN" in expression else "<u4" if "NNDescent" in expression else "<f4"
np.ascontiguousarray(result).astype(kind).tofile(out)
print(json.dumps({"seconds": seconds, "peak_mib": peak}))
"""

PREPARE = """
import gzip, sys
import numpy as np
from sklearn.decomposition import PCA
from umap import UMAP
data, work = sys.argv[1:]
images = [np.frombuffer(gzip.open(f"{data}/mnist/{part}-images-idx3-ubyte.gz").read(), np.uint8, offset=16) for part in ("train", "t10k")]
raw = (np.concatenate(images).reshape(-1, 784) / 255).astype("<f4")
raw.tofile(f"{work}/raw.f32")
x = PCA(50, svd_solver="covariance_eigh").fit_transform(raw).astype("<f4")
x.tofile(f"{work}/pca.f32")
for d in (2, 10):
    UMAP(n_neighbors=30, n_components=d, min_dist=0, random_state=1).fit_transform(x).astype("<f4").tofile(f"{work}/embedding{d}.f32")
"""

AGREE = """
import sys
import numpy as np
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
task, data, rows, cols, ours, theirs = sys.argv[1:]
rows, cols = int(rows), int(cols)
if task == "hdbscan":
    a, b = np.fromfile(ours, "<i4"), np.fromfile(theirs, "<i4")
    print(f"ARI {adjusted_rand_score(a, b):.5f}, K {a.max() + 1} and {b.max() + 1}")
elif task == "knn":
    a, b = (np.fromfile(f, "<u4").reshape(rows, -1) for f in (ours, theirs))
    print(f"recall of the peer {np.mean([len(np.intersect1d(p, q)) / len(p) for p, q in zip(a, b)]):.4f}")
elif task == "pca":
    a, b = (np.fromfile(f, "<f4").reshape(rows, -1) for f in (ours, theirs))
    signs = np.sign((a * b).sum(0))
    print(f"largest difference {np.abs(a - signs * b).max() / np.abs(b).max():.1e} of the largest score")
else:
    x = np.fromfile(data, "<f4").reshape(rows, cols)
    chosen = np.random.default_rng(0).choice(rows, min(rows, 5000), replace=False)
    both = [trustworthiness(x[chosen], np.fromfile(f, "<f4").reshape(rows, -1)[chosen], n_neighbors=15) for f in (ours, theirs)]
    print(f"trustworthiness {both[0]:.4f} and {both[1]:.4f}")
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(work):
    python = work / "venv/bin/python"
    if not python.exists():
        say("installing the peers")
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    return python


def program():
    """The benchmark program, built if need be."""
    command = ["cargo", "build", "--release", "--workspace", "--bench", "manifold", "--message-format", "json"]
    built = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return [m["executable"] for m in messages if m.get("target", {}).get("name") == "manifold" and m.get("executable")][-1]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=pathlib.Path, required=True)
    options.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/moelab-bench"))
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--only", action="append", default=[], help="part of a task's name")
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    python, ours = environment(given.work), program()
    if not (given.work / "embedding10.f32").exists():
        say("preparing the inputs")
        subprocess.run([python, "-c", PREPARE, given.data, given.work], check=True)
    shapes = {"raw": 784, "pca": 50, "embedding2": 2, "embedding10": 10}
    env = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "NUMBA_NUM_THREADS": str(given.threads)}
    print(f"Load at the start: {os.getloadavg()[0]:.1f}; {given.threads} threads; medians of {given.repeat}.\n")
    print("| work | moelab s | MiB | peer | s | MiB | ratio | agreement |\n|---|---:|---:|---|---:|---:|---:|---|")
    for name, task, peers, source in TASKS:
        if given.only and not any(part in name for part in given.only):
            continue
        cols = shapes[source]
        path = given.work / f"{source}.f32"
        rows = path.stat().st_size // (4 * cols)
        kind, *settings = task.split()
        calls = {"moelab": [ours, kind, path, str(rows), str(cols), given.work / "moelab.out", f"threads={given.threads}", *settings]}
        for number, (peer, expression) in enumerate(peers.items()):
            out = given.work / f"peer{number}.out"
            calls[peer] = [python, "-c", PEER, path, str(rows), str(cols), out, str(given.threads), expression]
        taken = {who: [] for who in calls}
        for _ in range(given.repeat):
            for who, call in calls.items():
                done = subprocess.run(call, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
                taken[who].append(json.loads(done.splitlines()[-1]))
                say(f"{name}: {who} {taken[who][-1]['seconds']:.2f} s")
        median = {
            who: [statistics.median(run[what] for run in runs) for what in ("seconds", "peak_mib")] for who, runs in taken.items()
        }
        mine = median.pop("moelab")
        for number, (peer, theirs) in enumerate(median.items()):
            agree = [python, "-c", AGREE, kind, path, str(rows), str(cols), given.work / "moelab.out", given.work / f"peer{number}.out"]
            agreement = subprocess.run(agree, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            print(
                f"| {name} | {mine[0]:.2f} | {mine[1]:.0f} | {peer} | {theirs[0]:.2f} | {theirs[1]:.0f} "
                f"| {theirs[0] / mine[0]:.2f} | {agreement} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
