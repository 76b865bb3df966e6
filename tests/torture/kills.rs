//! SIGKILL, SIGINT and SIGTERM at random moments.

use crate::lab::{Lab, random, rounds};
use crate::processes::{assert_gone, descendants, kill};
use rand::RngExt;
use rand::rngs::StdRng;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

/// A run is struck within so many seconds of its start; most do not get to their end in that time.
const SECONDS: f64 = 1.5;

/// What happened, for the figures of docs/store.md.
#[derive(Debug, Default)]
struct Figures {
    strikes: usize,
    resumes: usize,
    /// Runs that reached their end, each compared with the untouched one.
    ends: usize,
    finished_stages_kept: usize,
}

/// Strikes `n` runs at random moments; each is followed by a resume, which may be struck in its turn.
fn torment(name: &str, n: usize, strike: impl Fn(&mut StdRng, &mut Child)) {
    let mut rng = random(name);
    let lab = Lab::new();
    let mut figures = Figures::default();
    let mut kept: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    while figures.strikes < n {
        let mut run = lab.start();
        figures.resumes += usize::from(!kept.is_empty());
        std::thread::sleep(Duration::from_secs_f64(rng.random_range(0.0..SECONDS)));
        if run.try_wait().unwrap().is_none() {
            strike(&mut rng, &mut run);
            figures.strikes += 1;
        }
        let ended = run.wait_with_output().unwrap().status.success();
        let now = lab.manifests();
        for (path, text) in &kept {
            assert_eq!(now.get(path), Some(text), "{} was finished and is lost", path.display());
        }
        figures.finished_stages_kept += kept.len();
        kept = now;
        if ended {
            lab.assert_untouched();
            figures.ends += 1;
            lab.clear();
            kept.clear();
        }
    }
    figures.resumes += 1;
    lab.finish();
    lab.assert_untouched();
    figures.ends += 1;
    println!("{name}: {figures:?}, 0 losses");
}

#[test]
fn killing_the_whole_process_tree_loses_nothing() {
    torment("tree", rounds(6, 300), |rng, run| {
        let mut tree: Vec<u32> = descendants(run.id()).iter().map(|process| process.pid).collect();
        // Sometimes the runner goes first, sometimes last.
        tree.insert(rng.random_range(0..=tree.len()), run.id());
        tree.into_iter().for_each(|pid| kill(pid, Signal::KILL));
    });
}

#[test]
fn killing_the_runner_ends_its_workers_and_loses_nothing() {
    torment("runner", rounds(4, 100), |_, run| {
        let below = descendants(run.id());
        kill(run.id(), Signal::KILL);
        assert_gone(&below);
    });
}

#[test]
fn killing_a_worker_loses_nothing() {
    torment("worker", rounds(4, 100), |rng, run| {
        let below = descendants(run.id());
        let workers: Vec<_> = below
            .iter()
            .filter(|process| process.name.starts_with("moelab-worker"))
            .collect();
        if !workers.is_empty() {
            kill(workers[rng.random_range(0..workers.len())].pid, Signal::KILL);
        }
    });
}

#[test]
fn an_interrupt_loses_nothing() {
    for (name, signal) in [
        ("SIGINT", Signal::INT),
        ("SIGTERM", Signal::TERM),
        ("SIGHUP", Signal::HUP),
    ] {
        torment(name, rounds(2, 50), |_, run| kill(run.id(), signal));
    }
}

#[test]
fn a_second_interrupt_ends_the_run_at_once_and_loses_nothing() {
    torment("two SIGINTs", rounds(2, 50), |_, run| {
        kill(run.id(), Signal::INT);
        kill(run.id(), Signal::INT);
    });
}
