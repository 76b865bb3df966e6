#!/usr/bin/env python3
"""What only a device can show, in one call: is an experiment deterministic on it, does a killed run go on to the same bytes,
how does it stand beside the CPU, and what does an epoch cost.

    scripts/check_device.py --moelab PATH --device cuda:0 --data DIR [--seed 0] [--paper STAGE=EPOCHS] EXPERIMENT [--set k=v]

Run it where `experiments/` lies. Three stores are made in a temporary folder: an untouched run, one that is killed
(SIGKILL) every --kill-after seconds until it is through, and one on the CPU. Results of training stages go by key, so two
stores with equal keys and unequal digests are a difference. Times are those of the untouched run, as its manifests have
them. Exits with 1 if a check fails.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = Path(tempfile.mkdtemp(prefix="check-device-"))
        self.failed = False

    def command(self, store, device):
        a = self.args
        words = [a.moelab, "run", a.experiment, "--store", str(self.folder / store), "--data", a.data, "--device", device]
        words += ["--seed", str(a.seed), "--jobs", "1", "--threads", str(a.threads)]
        return words + [word for value in a.set for word in ("--set", value)]

    def tell(self, good, what):
        print(f"{'ok    ' if good else 'FAILED'} {what}", flush=True)
        self.failed |= not good

    def run(self, store, device):
        """Runs to the end; returns the seconds."""
        began = time.monotonic()
        with open(self.folder / f"{store}.log", "w") as log:
            code = subprocess.run(self.command(store, device), stdout=log, stderr=log).returncode
        seconds = time.monotonic() - began
        self.tell(code == 0, f"{store}: ran on {device} in {seconds:.1f} s (exit {code})")
        if code:
            print((self.folder / f"{store}.log").read_text()[-3000:])
            sys.exit(1)
        return seconds

    def run_killed(self, store, device):
        """Kills the run again and again, a little later each time, until it ends by itself; returns how often."""
        env = {**os.environ, "MOELAB_CHECKPOINT_SECONDS": "1"}
        for kills in range(1000):
            with open(self.folder / f"{store}.log", "a") as log:
                words = self.command(store, device)
                child = subprocess.Popen(words, stdout=log, stderr=log, env=env, start_new_session=True)
                try:
                    code = child.wait(self.args.kill_after * (1 + kills / 10))
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
                    continue
            self.tell(code == 0, f"{store}: went on after {kills} kills (exit {code})")
            return kills
        self.tell(False, f"{store}: never came through")
        return 1000

    def manifests(self, store):
        """Key → manifest."""
        found = {}
        for file in (self.folder / store / "actions").glob("*/*.json"):
            found[file.parent.name + file.stem] = json.loads(file.read_text())
        return found


def digests(manifest):
    return {name: output["digest"] for name, output in manifest["outputs"].items()}


def epochs(manifest):
    value = manifest["action"]["config"].get("epochs")
    return value if isinstance(value, int) and value > 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moelab", default="target/release/moelab")
    parser.add_argument("--device", required=True)
    parser.add_argument("--data", default="data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kill-after", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--paper", action="append", default=[], metavar="STAGE=EPOCHS", help="extrapolate a stage's time")
    parser.add_argument("--set", action="append", default=[], metavar="PARAM=VALUE")
    parser.add_argument("experiment")
    args = parser.parse_args()
    bench = Bench(args)

    bench.run("untouched", args.device)
    kills = bench.run_killed("killed", args.device)
    bench.tell(kills > 0, f"killed: {kills} kills (with none, give a shorter --kill-after)")
    bench.run("cpu", "cpu")

    untouched, killed, cpu = (bench.manifests(store) for store in ("untouched", "killed", "cpu"))
    bench.tell(untouched.keys() == killed.keys(), f"the same {len(untouched)} actions, killed or not")
    for key, manifest in untouched.items():
        if key in killed and digests(manifest) != digests(killed[key]):
            bench.tell(False, f"{manifest['provenance']['origin']['stage']}: other bytes after a kill ({key[:12]})")
    same = sum(digests(untouched[key]) == digests(killed[key]) for key in untouched.keys() & killed.keys())
    bench.tell(same == len(untouched), f"{same} of {len(untouched)} results are the same bytes")
    devices = {m["provenance"]["device"] for m in untouched.values()}
    wanted = args.device.split(":")[0]
    bench.tell(any(device.startswith(wanted) for device in devices), f"stages ran on {', '.join(sorted(devices))}")

    def by_stage(manifests):
        order = sorted(manifests.values(), key=lambda m: m["provenance"]["started"])
        return {(m["provenance"]["origin"]["stage"], str(m["provenance"]["origin"]["axes"])): m for m in order}

    here, beside = by_stage(untouched), by_stage(cpu)
    print(f"\n| stage | device | seconds | CPU | times | ms an epoch | {'extrapolated |' if args.paper else ''}")
    print(f"|---|---|---:|---:|---:|---:|{'---:|' if args.paper else ''}")
    sizes = dict(one.split("=") for one in args.paper)
    for (stage, axes), manifest in here.items():
        seconds, n = manifest["provenance"]["seconds"], epochs(manifest)
        other = beside.get((stage, axes))
        cpu_seconds = other["provenance"]["seconds"] if other else float("nan")
        epoch = f"{1000 * seconds / n:.1f}" if n else ""
        line = f"| {stage} | {manifest['provenance']['device']} | {seconds:.2f} | {cpu_seconds:.2f} "
        line += f"| {cpu_seconds / max(seconds, 1e-9):.1f} | {epoch} |"
        if args.paper:
            more = seconds / n * float(sizes[stage]) if n and stage in sizes else None
            line += f" {more / 60:.0f} min for {sizes[stage]} epochs |" if more else " |"
        print(line)

    print("\n| stage | metric | device | CPU |\n|---|---|---:|---:|")
    for key, manifest in here.items():
        if manifest["action"]["stage"] == "evaluate" and key in beside:
            ours, theirs = (m["values"]["metrics"] for m in (manifest, beside[key]))
            for metric in ("acc", "nmi", "clusters"):
                print(f"| {key[0]} | {metric} | {ours[metric]:.4f} | {theirs[metric]:.4f} |")
    print(f"\nlogs and stores: {bench.folder}")
    sys.exit(bench.failed)


if __name__ == "__main__":
    main()
