#!/usr/bin/env python3
"""Recomputes the tables and comparisons of a store with pandas and SciPy, and reads the exports with pandas and Polars.

    pip install pandas scipy pyarrow polars
    scripts/check_tables.py --store artifacts EXPERIMENT… [--axis EXPERIMENT:method=moa,moa_plus]

Run it where `experiments/` lies. The numbers come from the manifests of the store and from nowhere else; every statistic
must agree to 1e-12.
"""

import argparse
import importlib.util
import io
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

TOLERANCE = 1e-12
spec = importlib.util.spec_from_file_location("peer", Path(__file__).parent / "fixtures/statistics.py")
peer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peer)


def moelab(args, *words):
    command = [args.moelab, "--store", args.store, "--data", args.data, *words]
    said = subprocess.run(command, capture_output=True)
    if said.returncode not in (0, 4):
        raise SystemExit(said.stderr.decode())
    return said.stdout


def near(what, found, wanted):
    if pd.isna(found) and pd.isna(wanted):
        return 0.0
    off = abs(found - wanted) / max(1.0, abs(wanted))
    assert off <= TOLERANCE, f"{what}: {found!r} is not {wanted!r}"
    return off


def formats(args, *words):
    """The same rows from CSV, JSON and Parquet, through pandas and Polars."""
    frame = pd.read_csv(io.BytesIO(moelab(args, *words, "--format", "csv")), dtype={"key": str})
    rows = pd.DataFrame(json.loads(moelab(args, *words, "--format", "json")))
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/table.parquet"
        moelab(args, *words, "--format", "parquet", "--to", file)
        parquet, polars = pd.read_parquet(file), pl.read_parquet(file)
    assert list(frame) == list(rows) == list(parquet) == polars.columns, words
    for name in parquet.select_dtypes("number"):
        wanted = parquet[name].to_numpy(float)
        for other in (frame[name], rows[name], polars[name].to_numpy()):
            assert np.array_equal(np.asarray(other, float), wanted, equal_nan=True), (words, name)
    return parquet


def check_table(args, experiment):
    raw, tidy = formats(args, "table", experiment, "--raw"), formats(args, "table", experiment)
    # Values against the manifests themselves.
    for row in raw[raw.status == "ok"].itertuples():
        manifest = json.loads((Path(args.store) / "actions" / row.key[:2] / f"{row.key[2:]}.json").read_text())
        metrics = manifest["values"].get("metrics", {})
        if row.metric in metrics:
            near(f"{experiment} {row.metric}", row.value, metrics[row.metric])
    fixed = ["experiment", "seed", "metric", "value", "status", "key", "device"]
    keys = ["experiment", *[name for name in raw if name not in fixed], "metric"]
    worst = 0.0
    groups = {tuple(map(str, key)): group for key, group in raw.groupby(keys, dropna=False, sort=False)}
    ours = tidy[tidy.kind == "ours"]
    assert len(groups) == len(ours)
    for row in ours.to_dict("records"):
        group = groups[tuple(str(row[key]) for key in keys)]
        values = group.value.dropna()
        assert (row["n"], row["expected"]) == (len(values), len(group))
        assert row["missing"] == (group.status == "missing").sum() and row["failed"] == (group.status == "failed").sum()
        low, high = peer.bootstrap(values.tolist()) if len(values) > 1 else (np.nan, np.nan)
        wanted = {"mean": values.mean(), "std": values.std(), "min": values.min(), "median": values.median(),
                  "max": values.max(), "ci_low": low, "ci_high": high}
        worst = max([worst, *(near(f"{experiment} {row['metric']} {k}", row[k], w) for k, w in wanted.items())])
    print(f"{experiment}: {len(ours)} cells, {len(raw)} values, worst deviation {worst:.1e}")


def check_comparison(args, text):
    experiment, axis = text.split(":")
    name, values = axis.split("=", 1)
    a, b = json.loads(f"[{values}]") if values.startswith(("[", '"')) else values.split(",")
    raw = formats(args, "table", experiment, "--raw")
    rows = formats(args, "compare", experiment, "--axis", axis)
    others = [n for n in rows if n in raw.columns and n not in (name, "metric")]
    worst = 0.0
    for row in rows[(rows.pairing == "paired") & rows.p.notna() & rows.d.notna()].to_dict("records"):
        here = raw[(raw.metric == row["metric"]) & np.all([raw[n].astype(str) == str(row[n]) for n in others] or [[True] * len(raw)], axis=0)]
        sides = [here[here[name].astype(str) == str(v)].set_index("seed").value for v in (a, b)]
        both = pd.concat(sides, axis=1).dropna()
        wanted = peer.paired(both.iloc[:, 0].tolist(), both.iloc[:, 1].tolist())
        names = {"difference": "difference", "ci_low": "low", "ci_high": "high", "p": "p", "p_t": "p_t", "d": "d", "g": "g"}
        worst = max([worst, *(near(f"{text} {ours}", row[ours], wanted[theirs]) for ours, theirs in names.items())])
        assert row["seeds_needed"] == wanted["needed"] or pd.isna(row["seeds_needed"])
    order = rows.p.dropna().sort_values()
    holm = (order * np.arange(len(order), 0, -1)).cummax().clip(upper=1)
    worst = max([worst, *(near("Holm", rows.p_holm[i], holm[i]) for i in holm.index)])
    print(f"{text}: {len(rows)} rows, worst deviation {worst:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*")
    parser.add_argument("--axis", action="append", default=[], metavar="EXPERIMENT:AXIS=A,B")
    parser.add_argument("--store", default="artifacts")
    parser.add_argument("--data", default="data")
    parser.add_argument("--moelab", default="moelab")
    args = parser.parse_args()
    for experiment in args.experiments:
        check_table(args, experiment)
    for text in args.axis:
        check_comparison(args, text)


if __name__ == "__main__":
    main()
