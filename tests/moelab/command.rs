//! `command` stages through the two programs, with `sh` and what stands beside it.

use crate::lab::{Lab, Said};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// A project with one pipeline, `p`, and an experiment `e` on it.
fn lab(stages: &str, rest: &str) -> Lab {
    let lab = Lab::new();
    lab.write(
        "pipelines/p.yaml",
        &format!("pipeline: p\nparams: {{text: hello, limit: 600}}\nstages:\n{stages}"),
    );
    lab.write("experiments/e.yaml", &format!("experiment: e\npipeline: p\n{rest}"));
    lab
}

/// `write` writes a text, `shout` reads it by a script of the project.
const TWO: &str = r#"
  write:
    stage: command
    run: [sh, -c, 'printf "%s" "$1" > "$2"', sh, "${text}", "{words}"]
    outputs: {words: file}
    timeout: ${limit}
  shout:
    stage: command
    inputs: {words: write}
    run: [sh, "{script}", "{words}", "{loud}"]
    files: {script: scripts/shout.sh}
    outputs: {loud: file}
"#;

fn two() -> Lab {
    let lab = lab(TWO, "");
    std::fs::create_dir(lab.path("scripts")).unwrap();
    lab.write("scripts/shout.sh", "tr a-z A-Z < \"$1\" > \"$2\"\n");
    lab
}

fn made(lab: &Lab) -> Vec<String> {
    lab.objects("store")
        .into_values()
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect()
}

/// The only failure of a run that fails.
fn failure(lab: &Lab, args: &[&str]) -> Value {
    let said = lab.moelab(&[&["run", "e", "--format", "json"], args].concat());
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    let report = said.json();
    assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{report}");
    report["failures"][0].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// One command that runs this script of the shell; its output is `out`.
fn one(script: &str, more: &str) -> Lab {
    let script = serde_json::to_string(script).unwrap();
    lab(
        &format!(
            "  only:\n    stage: command\n    run: [sh, -c, {script}, sh, \"{{out}}\"]\n    outputs: {{out: file}}\n{more}"
        ),
        "",
    )
}

#[test]
fn commands_run_once_and_are_cached_by_content() {
    let lab = two();
    assert_eq!(lab.run(&["e"])["executed"], 2);
    assert!(made(&lab).contains(&"HELLO".to_owned()));
    assert_eq!(lab.run(&["e"])["executed"], 0);
    // The time limit bears no meaning.
    assert_eq!(lab.run(&["e", "--set", "limit=10m"])["executed"], 0);
    assert_eq!(lab.run(&["e", "--set", "text=bye"])["executed"], 2);
}

#[test]
fn a_changed_script_reruns_its_stage_alone() {
    let lab = two();
    lab.run(&["e"]);
    lab.write("scripts/shout.sh", "cat \"$1\" > \"$2\"\n");
    assert_eq!(lab.planned(&["e"]), ["shout"]);
    let plan = lab.moelab(&["plan", "e"]);
    assert!(plan.out.contains("source script changed"), "{}", plan.out);
    assert_eq!(lab.run(&["e"])["executed"], 1);
}

#[test]
fn before_the_first_run_everything_is_planned() {
    let lab = two();
    // A checkout has the folder already, with nothing of a store in it.
    std::fs::create_dir(lab.path("store")).unwrap();
    lab.write("store/.gitignore", "*\n");
    assert_eq!(lab.planned(&["e"]), ["shout", "write"]);
}

#[test]
fn a_command_sees_the_declared_variables_and_a_few_others() {
    let script = "env | sed 's/=.*//' | grep -v -e '^_$' -e '^PWD$' -e SHLVL -e OLDPWD | sort > \"$1\"";
    let lab = one(script, "    env: {OMP_NUM_THREADS: 1}\n");
    lab.run(&["e"]);
    assert_eq!(made(&lab), ["HOME\nLANG\nOMP_NUM_THREADS\nPATH\nTMPDIR\n"]);
    lab.write(
        "pipelines/p.yaml",
        &std::fs::read_to_string(lab.path("pipelines/p.yaml"))
            .unwrap()
            .replace(": 1}", ": 2}"),
    );
    assert_eq!(lab.planned(&["e"]), ["only"]);
}

#[test]
fn a_command_starts_in_an_empty_folder_whose_files_go_away() {
    let lab = one("ls -A > \"$1\"; echo x > scratch; echo y > \"$TMPDIR/t\"", "");
    lab.run(&["e"]);
    assert_eq!(made(&lab), [""]);
    let left = Command::new("find")
        .arg(lab.path("store"))
        .args(["-name", "scratch", "-o", "-name", "t"])
        .output();
    assert_eq!(String::from_utf8(left.unwrap().stdout).unwrap(), "");
}

#[test]
fn a_run_without_metrics_ends_well_without_a_table() {
    let said = two().moelab(&["run", "e"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
}

#[test]
fn what_it_says_is_its_log_and_its_last_lines_are_in_the_error() {
    let lab = one("echo to out; echo to err >&2; exit 7", "");
    let failure = failure(&lab, &[]);
    assert_eq!(failure["kind"], "stage");
    let message = text(&failure["message"]);
    assert!(
        message.contains("status 7") && message.contains("to out") && message.contains("to err"),
        "{message}"
    );
    let log = std::fs::read_to_string(Path::new(text(&failure["log"]))).unwrap();
    assert!(log.contains("to out\nto err\n"), "{log}");
}

#[test]
fn a_signal_is_told_from_a_status() {
    let failure = failure(&one("kill -SEGV $$", ""), &[]);
    assert_eq!(failure["kind"], "killed");
    assert!(text(&failure["message"]).contains("signal 11"), "{failure}");
}

#[test]
fn outputs_that_are_missing_folders_links_or_undeclared_are_refused() {
    for (script, wanted) in [
        ("true", "`out`"),
        ("mkdir \"$1\"", "plain file"),
        ("ln -s /etc/hostname \"$1\"", "plain file"),
        ("echo > \"$1\"; echo > \"$1.npy\"", "`out.npy`"),
        ("echo > \"$1\"; echo > $(dirname \"$1\")/more", "`more`"),
        ("d=$(dirname \"$1\"); rm -r $d; ln -s /etc $d", "folder of its outputs"),
    ] {
        let lab = one(script, "");
        let failure = failure(&lab, &[]);
        assert_eq!(failure["kind"], "stage", "{script}");
        assert!(text(&failure["message"]).contains(wanted), "{script}: {failure}");
        assert!(lab.objects("store").is_empty(), "{script}");
    }
}

#[test]
fn a_command_that_changes_its_input_is_not_believed() {
    let stages = TWO.replace(
        "[sh, \"{script}\", \"{words}\", \"{loud}\"]",
        "[sh, -c, 'chmod u+w \"$1\"; echo x >> \"$1\"; echo > \"$2\"', sh, \"{words}\", \"{loud}\"]",
    );
    let lab = lab(&stages, "");
    std::fs::create_dir(lab.path("scripts")).unwrap();
    lab.write("scripts/shout.sh", "");
    let failure = failure(&lab, &[]);
    assert_eq!(
        (text(&failure["stage"]), text(&failure["kind"])),
        ("shout", "bad_input"),
        "{failure}"
    );
}

#[test]
fn the_time_limit_ends_all_that_a_command_has_started() {
    let lab = one(
        "sleep 1000 & echo $! > \"$1\"; cp \"$1\" ../pid; wait",
        "    timeout: 0.2\n",
    );
    let failure = failure(&lab, &[]);
    assert_eq!(failure["kind"], "timeout");
    assert!(text(&failure["message"]).contains("0.2 s"), "{failure}");
    let log = std::path::PathBuf::from(text(&failure["log"]));
    // Where the machine was too slow to start the second program there is none to look for.
    if let Ok(pid) = std::fs::read_to_string(log.with_file_name("pid")) {
        assert!(ended(pid.trim()));
    }
}

/// Whether a process has ended; one that nobody has waited for yet has.
fn ended(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
}

/// A command that tells its own number and that of a program it started, and never ends.
const ENDLESS: &str = "setsid sleep 1000 & echo $$ > ../own; echo $! > ../child; wait";

fn pids(lab: &Lab) -> Option<[String; 2]> {
    let found = Command::new("find")
        .arg(lab.path("store/work"))
        .args(["-name", "child"])
        .output()
        .unwrap();
    let child = String::from_utf8(found.stdout).unwrap();
    let child = Path::new(child.trim());
    let read = |path: &Path| std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'));
    Some([read(child)?, read(&child.with_file_name("own"))?].map(|pid| pid.trim().to_owned()))
}

/// Starts a run, sends it this signal when its command runs, and gives the numbers of the command's processes.
fn signalled(lab: &Lab, signal: &str) -> (std::process::ExitStatus, [String; 2]) {
    let mut run = Command::new(env!("CARGO_BIN_EXE_moelab"))
        .current_dir(lab.path(""))
        .args(["--store", "store", "run", "e"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pids = loop {
        if let Some(pids) = pids(lab) {
            break pids;
        }
        assert!(run.try_wait().unwrap().is_none(), "the run has ended");
    };
    assert!(
        Command::new("kill")
            .args([signal, &run.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    (run.wait().unwrap(), pids)
}

#[test]
fn without_its_runner_a_command_and_all_it_started_ends() {
    let lab = one(ENDLESS, "");
    let (_, pids) = signalled(&lab, "-KILL");
    while !pids.iter().all(|pid| ended(pid)) {
        std::thread::yield_now();
    }
}

#[test]
fn a_failed_run_says_so_also_where_nobody_reads_its_report() {
    let lab = one("exit 1", "");
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_moelab"))
        .current_dir(lab.path(""))
        .args(["--store", "store", "run", "e", "--format", "json"])
        // Its reader is gone at once.
        .stdout(std::io::pipe().unwrap().1)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_stopped_run_ends_its_command_and_is_no_failure() {
    let lab = one(ENDLESS, "");
    let (status, pids) = signalled(&lab, "-INT");
    assert_eq!(status.code(), Some(130));
    assert!(pids.iter().all(|pid| ended(pid)));
}

#[test]
fn a_signal_to_all_processes_of_a_run_is_no_failure_of_its_command() {
    // As a batch system ends a job: whoever watches over the command is hit with the others.
    let lab = one(
        "worker=$(cut -d' ' -f4 /proc/$PPID/stat); runner=$(cut -d' ' -f4 /proc/$worker/stat); \
         kill -TERM $runner $worker $PPID; sleep 1000",
        "",
    );
    let said = lab.moelab(&["run", "e", "--format", "json"]);
    assert_eq!(said.code, 143, "{}", said.err);
    assert_eq!(said.json()["failures"], serde_json::json!([]));
}

#[test]
fn a_closing_terminal_stops_a_run_as_ctrl_c_does() {
    let lab = one(ENDLESS, "");
    let (status, pids) = signalled(&lab, "-HUP");
    assert_eq!(status.code(), Some(129));
    assert!(pids.iter().all(|pid| ended(pid)));
}

#[test]
fn a_command_has_the_axis_of_seeds_only_if_it_asks_for_the_seed() {
    for (word, runs) in [("{seed}", 3), ("-", 1)] {
        let run = format!("[sh, -c, 'echo $1 > $2', sh, \"{word}\", \"{{out}}\"]");
        let lab = lab(
            &format!("  a: {{stage: command, run: {run}, outputs: {{out: file}}}}\n"),
            "seeds: 3\n",
        );
        assert_eq!(lab.run(&["e"])["executed"], runs, "{word}");
        assert_eq!(lab.objects("store").len(), runs, "{word}");
    }
}

#[test]
fn a_fan_in_is_several_arguments_in_the_order_of_its_axes() {
    let lab = lab(
        "  draw: {stage: command, run: [sh, -c, 'echo $0 > $1', \"${text}\", \"{out}\"], outputs: {out: file}}\n  \
         join:\n    stage: command\n    inputs: {parts: {from: draw.out, over: [text]}}\n    \
         run: [sh, -c, 'out=$1; shift; cat \"$@\" > $out', sh, \"{all}\", \"{parts}\"]\n    outputs: {all: file}\n",
        "matrix: {axes: {text: [b, c, a]}}\n",
    );
    assert_eq!(lab.run(&["e"])["executed"], 4);
    assert!(made(&lab).contains(&"a\nb\nc\n".to_owned()), "{:?}", made(&lab));
}

#[test]
fn a_value_feeds_a_setting_and_metrics_stand_in_the_table() {
    let lab = lab(
        "  find: {stage: command, run: [sh, -c, 'echo 3 > $0', \"{k}\"], outputs: {k: latent_dim}}\n  \
         data: {stage: load, dataset: {blobs: {n: 60, centers: 3, dims: 2, seed: 1}}}\n  \
         groups:\n    stage: kmeans\n    inputs: {points: data.features, n_clusters: find}\n  \
         score:\n    stage: command\n    inputs: {clusters: groups}\n    \
         run: [sh, -c, 'test -s \"$0\"; echo \"{{\\\"size\\\": 4.5}}\" > $1', \"{clusters}\", \"{metrics}\"]\n    outputs: {metrics: metrics}\n",
        "metrics: {size: score.size, K: find.k}\n",
    );
    lab.run(&["e"]);
    let table = lab.moelab(&["table", "e", "--format", "json"]);
    assert_eq!(table.code, 0, "{}", table.err);
    let rows = table.json();
    let mean = |metric: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["metric"] == metric)
            .unwrap()["mean"]
            .clone()
    };
    assert_eq!((mean("size"), mean("K")), (4.5.into(), 3.0.into()));
    let shown = lab.moelab(&["show", "e", "score"]);
    assert!(
        shown.out.contains("program") && shown.out.contains("size = 4.5"),
        "{}",
        shown.out
    );
}

#[test]
fn a_program_or_file_that_is_not_there_is_named_with_a_remedy() {
    let lab = lab(
        "  a: {stage: command, run: [no-such-program, \"{o}\"], outputs: {o: file}}\n",
        "",
    );
    assert!(text(&failure(&lab, &[])["message"]).contains("no program `no-such-program` in PATH"));

    let lab = two();
    std::fs::remove_file(lab.path("scripts/shout.sh")).unwrap();
    let said = lab.moelab(&["run", "e"]);
    assert!(said.code != 0 && said.err.contains("file `script`"), "{}", said.err);

    let lab = self::lab(
        "  a: {stage: command, run: [sh, script.sh, \"{o}\"], outputs: {o: file}}\n",
        "",
    );
    lab.write("script.sh", "");
    let failure = failure(&lab, &[]);
    assert!(
        text(&failure["message"]).contains("declare it under `files`"),
        "{failure}"
    );
}

#[test]
fn all_that_is_wrong_with_a_command_comes_in_one_report() {
    let lab = lab(
        "  a:\n    stage: command\n    run: [./go.sh, \"{tabel}\", \"{\"]\n    files: {up: ../x, root: /etc/passwd}\n    \
         outputs: {table: fil, ../y: file}\n    timeout: soon\n    env: {A-B: x}\n",
        "",
    );
    let said: Said = lab.moelab(&["plan", "e"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("expects one of") && said.err.contains("did you mean `file`?"),
        "{}",
        said.err
    );
    let text = std::fs::read_to_string(lab.path("pipelines/p.yaml"))
        .unwrap()
        .replace("fil,", "file,");
    lab.write("pipelines/p.yaml", &text);
    let said: Said = lab.moelab(&["plan", "e"]);
    for wanted in [
        "write `files: {go: go.sh}`",
        "did you mean `table`?",
        "is not closed",
        "leaves the project",
        "absolute path",
        "`../y` is no name",
        "is no time",
        "`A-B` cannot name a variable",
        "pipelines/p.yaml:6:",
    ] {
        assert!(said.err.contains(wanted), "{wanted} is not in\n{}", said.err);
    }
}

#[test]
fn the_schema_of_a_command_names_its_settings() {
    let said = Lab::new().moelab(&["schema", "command"]);
    for setting in ["run", "files", "outputs", "timeout", "env"] {
        assert!(
            said.json()["properties"][setting]["description"].is_string(),
            "{setting}"
        );
    }
}
