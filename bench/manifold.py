#!/usr/bin/env python3
"""kNN, PCA, UMAP and HDBSCAN beside the packages researchers use: seconds, peak memory, and whether the answers agree.

    bench/manifold.py --data DIR [--work DIR] [--repeat 3] [--only umap …] [--threads N] [--program FILE]
    bench/manifold.py --data DIR --quality [--rows 10000]
    bench/manifold.py --data DIR --scaling

Makes a virtual environment with the peers, takes PCA-50 of MNIST's 70,000 images and umap-learn's embeddings of it, and
runs both sides alternately, each call in a process of its own after a warm-up on 6,000 rows (the peers compile at their
first call, and umap-learn takes another path below 4,096 rows). Prints a Markdown table of medians. "own MiB" is the
peak less what the process held before the call: the input and, in Python, the interpreter and its libraries. DIR holds
`mnist/*-images-idx3-ubyte.gz`.

`--quality` embeds MNIST, Fashion-MNIST, USPS and COIL-20 (PCA-50, k 30, three seeds, 2-D and 10-D) with umap-learn and here,
and prints trustworthiness (5,000 rows, k 15), how many clusters hdbscan finds, and the trustworthiness of every tenth point
when it is placed afterwards. Embeddings are kept in the work folder, so a run that was cut off goes on where it was. It
also reads `fashion-mnist`, `usps/*.bz2` and `coil20/*.zip`.

`--scaling` prints seconds against n, 1,000 to 70,000, with the slope of log seconds on log n, and plots them.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

PEERS = ["numpy", "pillow", "matplotlib", "scikit-learn", "umap-learn", "pynndescent", "hdbscan", "fast_hdbscan"]
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
call(everything[:6000].copy())
def memory(name):
    return next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith(name))
open("/proc/self/clear_refs", "w").write("5")
before, started, processor = memory("VmRSS"), time.perf_counter(), time.process_time()
result = call(everything)
seconds, processor = time.perf_counter() - started, time.process_time() - processor
kind = "<i4" if "HDBSCAN" in expression else "<u4" if "NNDescent" in expression else "<f4"
np.ascontiguousarray(result).astype(kind).tofile(out)
print(json.dumps({"seconds": seconds, "processor": processor, "before_mib": before, "peak_mib": memory("VmHWM")}))
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


SETS = '''
import bz2, gzip, io, os, sys, zipfile
import numpy as np
from PIL import Image
from sklearn.datasets import load_svmlight_file
from sklearn.decomposition import PCA
data, work, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
def idx(name):
    parts = [gzip.open(f"{data}/{name}/{part}-images-idx3-ubyte.gz").read() for part in ("train", "t10k")]
    return np.concatenate([np.frombuffer(part, np.uint8, offset=16) for part in parts]).reshape(-1, 784) / 255
def usps():
    return np.concatenate([load_svmlight_file(f"{data}/usps/{part}", n_features=256)[0].toarray() for part in ("usps.bz2", "usps.t.bz2")])
def coil20():
    images = zipfile.ZipFile(f"{data}/coil20/coil-20-proc.zip")
    names = sorted(name for name in images.namelist() if name.endswith(".png"))
    return np.stack([np.asarray(Image.open(io.BytesIO(images.read(name)))).ravel() / 255 for name in names])
for name, read in (("mnist", lambda: idx("mnist")), ("fashion-mnist", lambda: idx("fashion-mnist")), ("usps", usps), ("coil20", coil20)):
    if not os.path.exists(f"{work}/{name}.f32"):
        raw = read()[:most].astype("<f4")
        PCA(50, svd_solver="full" if len(raw) < 2000 else "covariance_eigh").fit_transform(raw).astype("<f4").tofile(f"{work}/{name}.f32")
'''

# Writes umap-learn's embedding, or where it places every tenth row.
UMAP_LEARN = '''
import sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
from umap import UMAP
task, path, out, d, seed = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
x = np.fromfile(path, "<f4").reshape(-1, 50)
umap = UMAP(n_neighbors=30, n_components=d, min_dist=0, random_state=seed)
new = np.arange(len(x)) % 10 == 0
result = umap.fit_transform(x) if task == "umap" else umap.fit(x[~new]).transform(x[new])
np.ascontiguousarray(result).astype("<f4").tofile(out)
'''

# Mean trustworthiness of the embeddings of some rows, and the clusters found in each.
JUDGE = '''
import json, sys
import numpy as np, hdbscan
from sklearn.manifold import trustworthiness
path, every, d, *files = sys.argv[1:]
x = np.fromfile(path, "<f4").reshape(-1, 50)[:: int(every)]
chosen = np.random.default_rng(0).choice(len(x), min(len(x), 5000), replace=False)
trust, clusters = [], []
for file in files:
    y = np.fromfile(file, "<f4").reshape(-1, int(d))
    y = y[:: int(every)] if len(y) > len(x) else y
    trust.append(trustworthiness(x[chosen], y[chosen], n_neighbors=min(15, len(chosen) // 2 - 1)))
    clusters.append(int(hdbscan.HDBSCAN(min_cluster_size=max(5, len(y) // 200)).fit_predict(y).max()) + 1)
print(json.dumps([trust, clusters]))
'''


PLOT = """
import json, sys
import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt
plt.rcParams.update({"svg.hashsalt": "moelab", "font.size": 10})
figure, axes = plt.subplots(figsize=(7.5, 5))
colours = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"]
for line, colour, mark in zip(json.loads(sys.argv[1]), colours, "os^Dv*"):
    axes.loglog(line["n"], line["seconds"], marker=mark, color=colour, label=line["name"])
axes.set(xlabel="rows", ylabel="seconds")
axes.grid(True, which="major", alpha=0.3)
axes.legend(frameon=False)
figure.tight_layout()
figure.savefig(sys.argv[2], metadata={"Date": None})
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


def run(call, env=None):
    return subprocess.run([str(part) for part in call], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def quality(given, python, ours):
    work = given.work / f"quality-{given.rows}"
    work.mkdir(exist_ok=True)
    run([python, "-c", SETS, given.data, work, given.rows])
    print("| data | n | dimensions | trustworthiness | umap-learn | difference | clusters | umap-learn | placed later, less fitted | umap-learn |")
    print("|---|---:|---:|---:|---:|---:|---|---|---:|---:|", flush=True)
    for name in ("coil20", "usps", "mnist", "fashion-mnist"):
        if given.only and not any(part in name for part in given.only):
            continue
        source = work / f"{name}.f32"
        rows = source.stat().st_size // 200
        for d in (2, 10):
            found = {}
            for who in ("moelab", "umap-learn"):
                for task, seeds in (("umap", (0, 1, 2)), ("umap_place", (0,))):
                    for seed in seeds:
                        out = work / f"{name}-{d}-{seed}-{task}-{who}.f32"
                        if not out.exists():
                            part = out.with_suffix(".part")
                            mine = [ours, task, source, rows, 50, part, f"threads={given.threads}", "k=30", f"components={d}", f"seed={seed}"]
                            run(mine if who == "moelab" else [python, "-c", UMAP_LEARN, task, source, part, d, seed])
                            part.rename(out)
                            say(f"{name} {d}-D: {who} {task} {seed}")
                        found.setdefault((who, task), []).append(out)
            trust, clusters, placed = {}, {}, {}
            for who in ("moelab", "umap-learn"):
                values, clusters[who] = json.loads(run([python, "-c", JUDGE, source, 1, d, *found[who, "umap"]]))
                trust[who] = statistics.mean(values)
                # The same rows, placed afterwards and embedded with the others.
                both = [found[who, "umap_place"][0], found[who, "umap"][0]]
                (later, fitted), _ = json.loads(run([python, "-c", JUDGE, source, 10, d, *both]))
                placed[who] = later - fitted
            print(
                f"| {name} | {rows} | {d} | {trust['moelab']:.4f} | {trust['umap-learn']:.4f} | {trust['moelab'] - trust['umap-learn']:+.4f} "
                f"| {clusters['moelab']} | {clusters['umap-learn']} | {placed['moelab']:+.4f} | {placed['umap-learn']:+.4f} |",
                flush=True,
            )


def scaling(given, python, ours):
    """Each task on the first n rows, as a table and as one plot."""
    sizes = (1000, 2000, 5000, 10000, 20000, 40000, 70000)
    tasks = (
        ("kNN k 30", "knn k=30", "pca", 50),
        ("kNN k 30, 2-D", "knn k=30", "embedding2", 2),
        ("UMAP k 30, 2-D", "umap k=30 components=2 seed=0", "pca", 50),
        ("PCA 784 → 50", "pca components=50", "raw", 784),
        ("HDBSCAN, 2-D", 'hdbscan config={"min_cluster_size":100}', "embedding2", 2),
        ("HDBSCAN, 10-D", 'hdbscan config={"min_cluster_size":100}', "embedding10", 10),
    )
    lines = []
    print("| work | " + " | ".join(f"n = {n}" for n in sizes) + " | slope |\n|---|" + "---:|" * (len(sizes) + 1))
    for name, task, source, cols in tasks:
        if given.only and not any(part in name for part in given.only):
            continue
        kind, *settings = task.split()
        seconds = []
        for n in sizes:
            part, out = given.work / "scaling.f32", given.work / "scaling.out"
            with open(given.work / f"{source}.f32", "rb") as whole:
                part.write_bytes(whole.read(4 * cols * n))
            call = [ours, kind, part, n, cols, out, f"threads={given.threads}", *settings]
            seconds.append(statistics.median(json.loads(run(call))["seconds"] for _ in range(given.repeat)))
        slope = statistics.linear_regression([math.log(n) for n in sizes], [math.log(s) for s in seconds]).slope
        print(f"| {name} | " + " | ".join(f"{s:.3f}" for s in seconds) + f" | {slope:.2f} |", flush=True)
        lines.append({"name": f"{name} (slope {slope:.2f})", "n": sizes, "seconds": seconds})
    run([python, "-c", PLOT, json.dumps(lines), given.work / "scaling.svg"])
    say(f"the plot is {given.work / 'scaling.svg'}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=pathlib.Path, required=True)
    options.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/moelab-bench"))
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--only", action="append", default=[], help="part of a task's name")
    options.add_argument("--program", type=pathlib.Path, help="the benchmark program, built before")
    options.add_argument("--quality", action="store_true")
    options.add_argument("--rows", type=int, default=70000, help="take this many rows of each set for --quality")
    options.add_argument("--scaling", action="store_true")
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    python, ours = environment(given.work), given.program or program()
    if given.quality:
        return quality(given, python, ours)
    if not (given.work / "embedding10.f32").exists():
        say("preparing the inputs")
        subprocess.run([python, "-c", PREPARE, given.data, given.work], check=True)
    if given.scaling:
        return scaling(given, python, ours)
    shapes = {"raw": 784, "pca": 50, "embedding2": 2, "embedding10": 10}
    env = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "NUMBA_NUM_THREADS": str(given.threads)}
    print(f"Load at the start: {os.getloadavg()[0]:.1f}; {given.threads} threads; medians of {given.repeat}.\n")
    print("| work | moelab s | processor s | peak MiB | own MiB | peer | s | processor s | peak MiB | own MiB | ratio | agreement |")
    print("|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---|", flush=True)
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
                taken[who].append(json.loads(run(call, env).splitlines()[-1]))
                taken[who][-1]["own_mib"] = taken[who][-1]["peak_mib"] - taken[who][-1]["before_mib"]
                say(f"{name}: {who} {taken[who][-1]['seconds']:.2f} s")
        median = {
            who: [statistics.median(one[what] for one in runs) for what in ("seconds", "processor", "peak_mib", "own_mib")]
            for who, runs in taken.items()
        }
        mine = median.pop("moelab")
        for number, (peer, theirs) in enumerate(median.items()):
            agreement = run([python, "-c", AGREE, kind, path, rows, cols, given.work / "moelab.out", given.work / f"peer{number}.out"])
            figures = [f"{s:.2f} | {processor:.2f} | {peak:.0f} | {own:.0f}" for s, processor, peak, own in (mine, theirs)]
            ratio = theirs[0] / mine[0]
            print(f"| {name} | {figures[0]} | {peer} | {figures[1]} | {ratio:.2f} | {agreement.strip()} |", flush=True)


if __name__ == "__main__":
    main()
