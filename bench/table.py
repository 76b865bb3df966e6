#!/usr/bin/env python3
"""How long `moelab table` takes over 1,000 runs of 20 metrics: 100 rows, 10 seeds, in a store made for it.

    bench/table.py [--moelab target/release/moelab]
"""

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROWS, SEEDS, METRICS, REPEATS = 100, 10, 20, 9
NAMES = [f"m{i:02}" for i in range(METRICS)]
# A few digits of the row and the seed are all the numbers need: they must differ, nothing more.
SCRIPT = (
    's=$1; r=$2; printf "{" > "$3"; c=""; for m in ' + " ".join(NAMES)
    + '; do printf "%s\\"%s\\": 0.%s%s%s" "$c" $m "${s%????????????????}" $r "${m#m}" >> "$3"; c=", "; done; printf "}" >> "$3"'
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moelab", default="target/release/moelab")
    program = str(Path(parser.parse_args().moelab).resolve())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("pipelines", "experiments"):
            (root / name).mkdir()
        (root / "score.sh").write_text(SCRIPT + "\n")
        (root / "pipelines/bench.yaml").write_text(
            "pipeline: bench\nparams: {row: 0}\nstages:\n"
            '  score: {stage: command, run: [sh, "{script}", "{seed}", "${row}", "{scores}"],'
            " files: {script: score.sh}, outputs: {scores: metrics}}\n"
        )
        metrics = "\n".join(f"  {name}: score.{name}" for name in NAMES)
        (root / "experiments/bench.yaml").write_text(
            f"experiment: bench\npipeline: bench\nseeds: {SEEDS}\n"
            f"matrix: {{axes: {{row: {list(range(100, 100 + ROWS))}}}}}\nmetrics:\n{metrics}\n"
            f"table: {{better: {{{', '.join(f'{name}: higher' for name in NAMES)}}}}}\n"
        )
        subprocess.run([program, "run", "bench"], cwd=root, check=True, capture_output=True)
        for form in ("text", "csv", "json", "latex"):
            times, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
            for _ in range(REPEATS):
                start = time.perf_counter()
                subprocess.run([program, "table", "bench", "--format", form], cwd=root, check=True, capture_output=True)
                times.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / REPEATS
            print(
                f"{form}: median {statistics.median(times):.3f} s, least {min(times):.3f} s of {REPEATS};"
                f" {used:.3f} s of processor time"
            )


if __name__ == "__main__":
    main()
