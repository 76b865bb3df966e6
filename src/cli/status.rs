//! `moelab status`.

use crate::args::{Common, RunFormat, Status};
use crate::exit::Exit;
use console::Term;
use moelab_engine::plan::select::describe;
use moelab_engine::run::duration;
use moelab_engine::run::live::{JobState, Life, Monitor, RunState};
use moelab_engine::store::{Store, StoreError};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks of `--watch`.
const PERIOD: Duration = Duration::from_secs(1);

pub fn main(common: &Common, args: &Status) -> Result<ExitCode, Exit> {
    let store = match Store::open_read_only(&common.store) {
        Err(StoreError::Missing(dir)) => {
            let what = format!("there is no store at {} yet: `moelab run` makes it", dir.display());
            return Err(Exit::Usage(what));
        }
        store => store?,
    };
    let mut monitor = Monitor::new(&store);
    let mut screen = Screen::new(args.format);
    loop {
        let all = monitor.look()?;
        let shown = choose(all, &args.experiments)?;
        screen.show(&shown, args.watch)?;
        if !args.watch || shown.iter().all(|state| state.life != Life::Running) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(PERIOD);
    }
}

/// The runs asked for; else those that live, else the last.
fn choose(all: Vec<RunState>, experiments: &[String]) -> Result<Vec<RunState>, Exit> {
    let unknown = experiments
        .iter()
        .find(|name| all.iter().all(|state| state.experiment != **name));
    if let Some(unknown) = unknown {
        let mut known: Vec<&str> = all.iter().map(|state| state.experiment.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let known = match known[..] {
            [] => "nothing ran in this store yet".to_owned(),
            _ => format!("runs of {} are", known.join(", ")),
        };
        return Err(Exit::Usage(format!("no run of `{unknown}` is in the store; {known}")));
    }
    if !experiments.is_empty() {
        return Ok(all
            .into_iter()
            .filter(|state| experiments.contains(&state.experiment))
            .collect());
    }
    let lives = |state: &RunState| state.life == Life::Running;
    match all.iter().any(lives) {
        true => Ok(all.into_iter().filter(lives).collect()),
        false => Ok(all.into_iter().next_back().into_iter().collect()),
    }
}

/// Where reports go: a terminal is drawn over, elsewhere each report that says something new is appended.
struct Screen {
    format: RunFormat,
    term: Option<Term>,
    lines: usize,
    said: String,
}

impl Screen {
    fn new(format: RunFormat) -> Self {
        let term = stdout().is_terminal().then(Term::stdout);
        Self {
            format,
            term,
            lines: 0,
            said: String::new(),
        }
    }

    fn show(&mut self, runs: &[RunState], watch: bool) -> Result<(), Exit> {
        let text = match self.format {
            RunFormat::Json if watch => serde_json::to_string(runs).expect("a state is plain data") + "\n",
            RunFormat::Json => serde_json::to_string_pretty(runs).expect("a state is plain data") + "\n",
            RunFormat::Text if runs.is_empty() => "nothing ran in this store yet\n".into(),
            RunFormat::Text if watch && self.term.is_none() => runs.iter().map(line).collect(),
            RunFormat::Text => runs.iter().map(report).collect::<Vec<_>>().join("\n"),
        };
        match &self.term {
            Some(term) if watch && self.format == RunFormat::Text => {
                let (height, width) = term.size();
                term.clear_last_lines(self.lines)?;
                // What does not fit would scroll away and could not be drawn over.
                let fits = |line: &str| console::truncate_str(line, usize::from(width), "…").into_owned();
                let lines: Vec<String> = text
                    .lines()
                    .take(usize::from(height).saturating_sub(1))
                    .map(fits)
                    .collect();
                lines.iter().try_for_each(|line| term.write_line(line))?;
                self.lines = lines.len();
            }
            _ => {
                // Times go on by themselves: what counts as new is what was done.
                let news: String = runs.iter().map(gist).collect();
                if news != self.said || !watch {
                    let mut out = stdout().lock();
                    out.write_all(text.as_bytes())?;
                    out.flush()?;
                }
                self.said = news;
            }
        }
        Ok(())
    }
}

/// What tells one report from the next.
fn gist(state: &RunState) -> String {
    let jobs: Vec<_> = state.running.iter().map(|job| (&job.key, job.attempt)).collect();
    format!("{} {:?} {:?} {jobs:?};", state.run, state.life, state.counts())
}

fn report(state: &RunState) -> String {
    let mut text = heading(state) + "\n";
    let wide = state
        .stages
        .iter()
        .map(|stage| stage.stage.len())
        .max()
        .unwrap_or(0)
        .max(5);
    if !state.stages.is_empty() {
        let _ = writeln!(text, "  {:wide$}   done  running  failed  left", "stage");
    }
    for stage in &state.stages {
        let total = stage.done + stage.running + stage.failed + stage.left;
        let done = format!("{}/{total}", stage.done);
        let number = |n: usize| if n == 0 { String::new() } else { n.to_string() };
        let row = format!(
            "  {:wide$}  {done:>5}  {:>7}  {:>6}  {:>4}",
            stage.stage,
            number(stage.running),
            number(stage.failed),
            number(stage.left)
        );
        text += row.trim_end();
        text.push('\n');
    }
    for one in &state.running {
        let _ = writeln!(text, "  {}", job(one));
    }
    for failed in &state.failures {
        let what = failed.message.lines().next().unwrap_or_default();
        let _ = writeln!(text, "  FAILED {}{}: {what}", failed.stage, axes(&failed.axes));
    }
    if state.life == Life::Killed || state.life == Life::Interrupted {
        let _ = writeln!(
            text,
            "  `moelab run {}`, with the options it had, goes on from where it was",
            state.experiment
        );
    }
    text
}

fn heading(state: &RunState) -> String {
    let took = duration(state.seconds);
    let [all, done, failed] = state.counts();
    let mut text = format!("{}: ", state.experiment);
    text += &match state.life {
        Life::Running => format!("running for {took}"),
        Life::Finished if failed > 0 => format!("ended after {took}"),
        Life::Finished => format!("finished after {took}"),
        Life::Interrupted => format!("interrupted after {took}"),
        Life::Killed => format!("killed after {took}: its process is gone"),
    };
    if let Some(left) = state.seconds_left {
        let _ = write!(text, ", about {} left", duration(left));
    }
    if all > 0 {
        let _ = write!(text, "; {done} of {all} actions done");
    }
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    let by = match (state.life, state.pid, &state.host) {
        (Life::Running, Some(pid), Some(host)) => format!(", process {pid} on {host}"),
        _ => String::new(),
    };
    text + &format!(" (run {}{by})", state.run)
}

/// One line for a log.
fn line(state: &RunState) -> String {
    let mut text = heading(state);
    for one in &state.running {
        text += "; ";
        text += &job(one);
    }
    text + "\n"
}

fn job(job: &JobState) -> String {
    let mut text = format!("{}{}", job.stage, axes(&job.axes));
    if let Some(holder) = &job.waits_for {
        return text + &format!("  waits for {holder}");
    }
    // What a narrow terminal cuts off comes last.
    if let Some(at) = &job.position {
        let _ = write!(text, "  {} {}/{}", at.unit, at.done, at.total);
    }
    let _ = write!(text, "  {} on {}", duration(job.seconds), job.device);
    if let Some(left) = job.seconds_left.filter(|left| *left > 0.0) {
        let _ = write!(text, ", {} left", duration(left));
    }
    if let Some(at) = job.position.as_ref().filter(|at| !at.values.is_empty()) {
        let _ = write!(text, "  {}", crate::progress::values(&at.values));
    }
    text
}

fn axes(axes: &moelab_engine::plan::Axes) -> String {
    if axes.is_empty() {
        String::new()
    } else {
        format!(" [{}]", describe(axes))
    }
}
