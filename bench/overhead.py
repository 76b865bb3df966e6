#!/usr/bin/env python3
"""What moelab adds to the commands it runs, beside DVC and Snakemake on the same graph.

The graph has DEEP levels of WIDE stages. Each stage is `sh -c` that copies its parent's output and adds a line, so no two
stages are the same action. Runs alternate between the tools; medians are printed as a Markdown table.

DVC takes a second a stage on large graphs, so its cold run is measured on --dvc-deep levels unless --full is given; its
no-op run is measured on the whole graph either way, after `dvc commit` has recorded outputs made by a plain loop.
--full also runs (does not only plan) the 10,000 stages.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FIRST = 'echo {name} > "$0"'
COPY = 'cat "$0" > "$1"; echo {name} >> "$1"'


def stages(deep, wide):
    """Name, and the parent's name, of every stage; parents first."""
    for level in range(deep):
        for lane in range(wide):
            yield f"s{level}_{lane}", f"s{level - 1}_{lane}" if level else None


def write_moelab(root, deep, wide):
    lines = ["pipeline: bench", "stages:"]
    for name, parent in stages(deep, wide):
        script = (COPY if parent else FIRST).format(name=name)
        inputs, words = (f"inputs: {{parent: {parent}}}, ", '"{parent}", ') if parent else ("", "")
        lines.append(
            f"  {name}: {{stage: command, {inputs}run: [sh, -c, '{script}', {words}\"{{out}}\"], outputs: {{out: file}}}}"
        )
    for folder in ("pipelines", "experiments"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "pipelines/bench.yaml").write_text("\n".join(lines) + "\n")
    (root / "experiments/bench.yaml").write_text("experiment: bench\npipeline: bench\n")


def shell(name, parent):
    """The command as a line of a shell, for the others."""
    script = (COPY if parent else FIRST).format(name=name)
    return " ".join(["sh -c", f"'{script}'"] + ([f"out/{parent}"] if parent else []) + [f"out/{name}"])


def write_snakemake(root, deep, wide):
    root.mkdir(parents=True)
    last = ", ".join(f'"out/s{deep - 1}_{lane}"' for lane in range(wide))
    rules = [f"rule all:\n    input: {last}"]
    for name, parent in stages(deep, wide):
        source = f'    input: "out/{parent}"\n' if parent else ""
        rules.append(f'rule {name}:\n{source}    output: "out/{name}"\n    shell: """{shell(name, parent)}"""')
    (root / "Snakefile").write_text("\n\n".join(rules) + "\n")


def write_dvc(root, deep, wide, programs):
    (root / "out").mkdir(parents=True)
    lines = ["stages:"]
    for name, parent in stages(deep, wide):
        lines += [f"  {name}:", f"    cmd: {shell(name, parent)}"]
        lines += ["    deps:", f"    - out/{parent}"] if parent else []
        lines += ["    outs:", f"    - out/{name}"]
    (root / "dvc.yaml").write_text("\n".join(lines) + "\n")
    quiet(["git", "init", "-q"], root)
    quiet([programs / "dvc", "init", "-q"], root)
    quiet([programs / "dvc", "config", "core.analytics", "false"], root)


def write_loop(root, deep, wide):
    """Each lane is a script of its own, so that lanes can run at the same time."""
    (root / "out").mkdir(parents=True, exist_ok=True)
    lanes = [[] for _ in range(wide)]
    for i, (name, parent) in enumerate(stages(deep, wide)):
        lanes[i % wide].append(shell(name, parent))
    for lane, lines in enumerate(lanes):
        (root / f"lane{lane}.sh").write_text("\n".join(lines) + "\n")


def run_loop(root, wide, jobs):
    lanes = "\n".join(f"lane{lane}.sh" for lane in range(wide))
    subprocess.run(["xargs", "-P", str(jobs), "-n", "1", "sh"], input=lanes, text=True, cwd=root, check=True)


def quiet(args, cwd):
    done = subprocess.run([str(a) for a in args], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, args))} failed:\n{done.stdout[-3000:]}")


def timed(args, cwd):
    """Seconds, and the peak memory in MB of that very process, without its children."""
    peak = 0
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen([str(a) for a in args], cwd=cwd, stdout=said, stderr=subprocess.STDOUT)
        done = threading.Event()

        def watch():
            nonlocal peak
            while not done.wait(0.005):
                try:
                    status = Path(f"/proc/{child.pid}/status").read_text()
                except OSError:
                    return
                found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
                peak = max([peak] + [int(kb) / 1024 for kb in found])

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = child.wait()
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
        if code != 0:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, args))} failed:\n{said.read()[-3000:].decode()}")
    return seconds, peak


def remove(*paths):
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def environment(venv):
    """Programs of the two others, installed once."""
    programs = venv / "bin"
    if not (programs / "snakemake").exists() or not (programs / "dvc").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([programs / "pip", "install", "-q", "dvc", "snakemake"], check=True)
    return programs


def version(program):
    return subprocess.run([str(program), "--version"], capture_output=True, text=True).stdout.strip()


def middle(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parent.parent
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--moelab", type=Path, default=here / "target/release/moelab")
    parser.add_argument("--venv", type=Path, default=cache / "moelab/bench")
    parser.add_argument("--deep", type=int, default=100)
    parser.add_argument("--wide", type=int, default=10)
    parser.add_argument("--dvc-deep", type=int, default=10, help="levels of DVC's cold run")
    parser.add_argument("--full", action="store_true", help="DVC's cold run on the whole graph; 10,000 stages run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=["moelab"], help="leave the others out")
    args = parser.parse_args()
    others = args.only is None
    programs = environment(args.venv) if others else None
    work = Path(tempfile.mkdtemp(prefix="moelab-bench-"))
    try:
        report(args, work, programs, others)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def report(args, work, programs, others):
    deep, wide, moelab = args.deep, args.wide, args.moelab.resolve()
    ours, snake, dvc, loop = (work / name for name in ("moelab", "snakemake", "dvc", "loop"))
    load = [os.getloadavg()[0]]
    write_moelab(ours, deep, wide)
    write_loop(loop, deep, wide)
    if others:
        write_snakemake(snake, deep, wide)
        write_dvc(dvc, deep, wide, programs)
        write_dvc(work / "dvc-cold", deep if args.full else args.dvc_deep, wide, programs)
        write_loop(dvc, deep, wide)
        run_loop(dvc, wide, args.jobs)
        remove(*dvc.glob("lane*.sh"))
        quiet([programs / "dvc", "commit", "-q", "--force"], dvc)

    run = {"moelab": ([moelab, "run", "bench", "--jobs", args.jobs, "--threads", 1, "--format", "json"], ours)}
    if others:
        run["snakemake"] = ([programs / "snakemake", "--cores", args.jobs, "--quiet", "all"], snake)
        run["dvc"] = ([programs / "dvc", "repro", "-q"], dvc)

    cold = {name: [] for name in ["loop", *run]}
    peaks = []
    for i in range(args.repeats):
        remove(loop / "out")
        (loop / "out").mkdir()
        start = time.perf_counter()
        run_loop(loop, wide, args.jobs)
        cold["loop"].append(time.perf_counter() - start)
        remove(ours / "artifacts")
        seconds, peak = timed(*run["moelab"])
        cold["moelab"].append(seconds)
        peaks.append(peak)
        if others:
            remove(snake / "out", snake / ".snakemake")
            cold["snakemake"].append(timed(*run["snakemake"])[0])
            if i == 0:
                cold["dvc"].append(timed(run["dvc"][0], work / "dvc-cold")[0])
        load.append(os.getloadavg()[0])
    noop = {name: [] for name in run}
    for _ in range(args.repeats):
        for name, (command, folder) in run.items():
            noop[name].append(timed(command, folder)[0])
        load.append(os.getloadavg()[0])

    count = deep * wide
    big = work / "big"
    write_moelab(big, 100, 100)
    plans = [timed([moelab, "plan", "bench"], big) for _ in range(args.repeats)]
    load.append(os.getloadavg()[0])

    print(f"\n{count} stages, {deep} deep and {wide} wide, {args.jobs} jobs, medians of {args.repeats} (least to most).")
    print(f"Load average {min(load):.1f} to {max(load):.1f} on {os.cpu_count()} cores; {version(moelab)}.\n")
    print("| | no-op run, s | cold run, s |\n|---|---:|---:|")
    names = {"moelab": "moelab"}
    if others:
        names |= {"snakemake": f"Snakemake {version(programs / 'snakemake')}", "dvc": f"DVC {version(programs / 'dvc')}"}
    for name, title in names.items():
        note = ""
        if name == "dvc" and not args.full:
            note = f" for {args.dvc_deep * wide} stages, once"
        print(f"| {title} | {middle(noop[name])} | {middle(cold[name])}{note} |")
    print(f"| the commands in a plain loop | | {middle(cold['loop'])} |\n")

    job = statistics.median(a - b for a, b in zip(cold["moelab"], cold["loop"])) / count * 1000
    print("| | measured | goal |\n|---|---:|---:|")
    print(f"| no-op run | {statistics.median(noop['moelab']):.3f} s | < 0.1 s |")
    if others:
        times = min(statistics.median(noop[name]) for name in ("snakemake", "dvc")) / statistics.median(noop["moelab"])
        print(f"| faster than the faster of the two | {times:.0f} times | ≥ 20 times |")
    print(f"| plan of 10,000 stages | {middle([seconds for seconds, _ in plans])} s | < 1 s |")
    print(f"| overhead of a job, elapsed | {job:.2f} ms | |")
    print(f"| overhead of a job, in one of {args.jobs} slots | {job * args.jobs:.2f} ms | < 5 ms |")
    print(f"| memory of `moelab`, {count} stages run | {max(peaks):.0f} MB | < 200 MB |")
    print(f"| memory of `moelab`, 10,000 stages planned | {max(peak for _, peak in plans):.0f} MB | < 200 MB |")
    if args.full:
        seconds, peak = timed([*run["moelab"][0]], big)
        print(f"| memory of `moelab`, 10,000 stages run in {seconds:.0f} s | {peak:.0f} MB | < 200 MB |")


if __name__ == "__main__":
    main()
