//! A keeper as a process of its own: this very test program, started again for one hidden test.

use moelab_engine::keeper::{End, Keeper, Limits, Order, serve};
use std::cell::Cell;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const KEEPER: &str = "TEST_KEEPER";

/// Keeps programs if a test started it; as an ordinary test it does nothing.
#[test]
fn the_keeper_process() {
    if std::env::var_os(KEEPER).is_some() {
        serve(BufReader::new(stdin()), stdout()).unwrap();
        std::process::exit(0);
    }
}

struct Lab {
    dir: TempDir,
    keeper: Keeper,
}

impl Lab {
    fn new() -> Self {
        let here = std::env::current_exe().unwrap();
        let call = format!(
            "{KEEPER}=1 exec '{}' --exact the_keeper_process --nocapture",
            here.display()
        );
        Self {
            dir: tempfile::tempdir().unwrap(),
            keeper: Keeper::new("/bin/sh", &["-c", &call]),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn order(&self, script: &str) -> Order {
        Order {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            dir: self.dir.path().to_owned(),
            log: Some(self.path("log")),
        }
    }

    fn run(&self, script: &str) -> End {
        self.limited(script, None, &|| false)
    }

    fn limited(&self, script: &str, timeout: Option<Duration>, stop: &dyn Fn() -> bool) -> End {
        let grace = Duration::from_millis(10);
        let limits = Limits { timeout, grace, stop };
        self.keeper.run(self.order(script), &limits).unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Whether the process whose number a file holds is there; one that nobody has waited for yet is not.
    fn alive(&self, name: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.read(name).trim())).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        !state.is_empty() && !state.starts_with(['Z', 'X'])
    }
}

#[test]
fn one_program_after_another_gives_its_status_and_both_outputs() {
    let lab = Lab::new();
    assert!(matches!(lab.run("echo one; echo two >&2"), End::Exited(0)));
    assert!(matches!(lab.run("exit 3"), End::Exited(3)));
    assert!(matches!(lab.run("kill -SEGV $$"), End::Killed(11)));
    assert_eq!(lab.read("log"), "one\ntwo\n");
}

#[test]
fn a_program_sees_its_own_variables_and_no_input() {
    let lab = Lab::new();
    assert!(matches!(lab.run("env | sort; cat"), End::Exited(0)));
    let log = lab.read("log");
    assert!(
        log.contains("PATH=/usr/bin:/bin\n") && !log.contains(KEEPER) && !log.contains("HOME"),
        "{log}"
    );
}

#[test]
fn a_program_that_is_not_there_is_told_from_one_that_fails() {
    let lab = Lab::new();
    let order = Order {
        program: "no-such-program".into(),
        ..lab.order("")
    };
    let limits = Limits {
        timeout: None,
        grace: Duration::ZERO,
        stop: &|| false,
    };
    match lab.keeper.run(order, &limits).unwrap() {
        End::NotStarted(e) => assert_eq!(e.kind(), std::io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    assert!(matches!(lab.run("true"), End::Exited(0)), "the keeper goes on");
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let lab = Lab::new();
    let script = "sleep 1000 & echo $! > plain; setsid sh -c 'echo $$ > away; exec sleep 1000' & \
                  until [ -s away ]; do :; done";
    assert!(matches!(lab.run(script), End::Exited(0)));
    assert!(!lab.alive("plain") && !lab.alive("away"));
}

#[test]
fn the_time_limit_ends_a_program_and_all_it_started() {
    let lab = Lab::new();
    let script = "sh -c 'echo $$ > child; sleep 1000; :' & echo $$ > own; wait";
    let end = lab.limited(script, Some(Duration::from_millis(1)), &|| false);
    assert!(matches!(end, End::TimedOut), "{end:?}");
    for name in ["child", "own"] {
        assert!(!lab.path(name).exists() || !lab.alive(name));
    }
}

#[test]
fn a_program_that_does_not_heed_the_request_is_killed() {
    let lab = Lab::new();
    let ready = lab.path("ready");
    let stop = || ready.exists();
    let end = lab.limited(
        "trap '' TERM; echo $$ > pid; : > ready; while :; do :; done",
        None,
        &stop,
    );
    assert!(matches!(end, End::Stopped), "{end:?}");
    assert!(!lab.alive("pid"));
}

#[test]
fn a_program_that_is_asked_to_stop_may_clear_up() {
    let lab = Lab::new();
    let ready = lab.path("ready");
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        ready.exists()
    };
    let limits = Limits {
        timeout: None,
        grace: Duration::from_secs(600),
        stop: &stop,
    };
    let script = "trap 'echo bye > said; exit 0' TERM; : > ready; while :; do :; done";
    let end = lab.keeper.run(lab.order(script), &limits).unwrap();
    assert!(matches!(end, End::Stopped) && asked.get() > 0, "{end:?}");
    assert_eq!(lab.read("said"), "bye\n");
}

/// The keeper sees no more than the end of its input, whatever way its owner ended.
#[test]
fn without_its_owner_a_keeper_ends_everything_and_itself() {
    let lab = Lab::new();
    let mut keeper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_keeper_process", "--nocapture"])
        .env(KEEPER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > away; exec sleep 1000' & sleep 1000 & echo $! > plain; wait";
    let order = serde_json::json!({"run": lab.order(script)});
    let mut stdin = keeper.stdin.take().unwrap();
    writeln!(stdin, "{order}").unwrap();
    let mut lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("started")));
    let written = |path: &Path| std::fs::read(path).is_ok_and(|text| text.ends_with(b"\n"));
    while !["away", "plain"].iter().all(|name| written(&lab.path(name))) {
        std::thread::yield_now();
    }
    drop(stdin);
    keeper.wait().unwrap();
    assert!(!lab.alive("away") && !lab.alive("plain"));
}

#[test]
fn a_keeper_that_is_killed_is_replaced_and_its_program_ended() {
    let lab = Lab::new();
    let limits = Limits {
        timeout: None,
        grace: Duration::ZERO,
        stop: &|| false,
    };
    let order = lab.order("echo $$ > pid; kill -KILL $PPID; exec sleep 1000");
    let error = lab.keeper.run(order, &limits).unwrap_err();
    assert!(error.to_string().contains("has died"), "{error}");
    while lab.alive("pid") {
        std::thread::yield_now();
    }
    assert!(matches!(lab.run("true"), End::Exited(0)));
}
