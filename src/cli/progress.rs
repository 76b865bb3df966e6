//! Progress on standard error: bars where a person watches, plain lines elsewhere.

use crate::say::say;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use moelab_engine::digest::Digest;
use moelab_engine::job::{Event, Memory};
use moelab_engine::run::{Ended, JobInfo, Observer};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};

pub struct Progress {
    bars: MultiProgress,
    total: ProgressBar,
    running: BTreeMap<Digest, ProgressBar>,
    /// Nobody watches: one line per event that matters.
    plain: bool,
    cached: usize,
}

impl Progress {
    pub fn new() -> Self {
        let plain = !stderr().is_terminal();
        let bars = MultiProgress::with_draw_target(if plain {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        });
        let total = bars.add(ProgressBar::new(0).with_style(style("{wide_bar} {pos}/{len} actions, {elapsed}")));
        Self {
            bars,
            total,
            running: BTreeMap::new(),
            plain,
            cached: 0,
        }
    }

    fn say(&self, line: &str) {
        if self.plain {
            say!("{line}");
        } else {
            self.total.suspend(|| say!("{line}"));
        }
    }

    /// Takes the bars away.
    pub fn finish(self) {
        self.total.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant of ours")
}

pub fn values(values: &BTreeMap<String, f64>) -> String {
    // Per-expert shares belong in the history; a line has room for the rest.
    let shown = values.iter().filter(|(name, _)| !name.starts_with("share_"));
    shown
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Observer for Progress {
    fn planned(&mut self, actions: usize) {
        self.total.set_length(actions as u64);
    }

    fn cached(&mut self, _: &JobInfo) {
        self.cached += 1;
        self.total.inc(1);
    }

    fn job_started(&mut self, job: &JobInfo) {
        if self.plain {
            let again = if job.attempt > 1 {
                format!(" (attempt {})", job.attempt)
            } else {
                String::new()
            };
            self.say(&format!("start  {job} on {}{again}", job.device));
            return;
        }
        let bar = ProgressBar::new(0).with_style(style("{spinner} {prefix} {elapsed} {wide_msg}"));
        bar.set_prefix(job.to_string());
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        self.running.insert(job.key, self.bars.insert_before(&self.total, bar));
    }

    fn job_progress(&mut self, job: &JobInfo, event: &Event) {
        match event {
            Event::Waiting { holder } => self.say(&format!("wait   {job}: {holder}")),
            Event::Note { text } => self.say(&format!("note   {job}: {text}")),
            Event::Started { .. } => {}
            Event::Progress {
                done,
                total,
                unit,
                values: named,
            } => {
                let Some(bar) = self.running.get(&job.key) else { return };
                if bar.length() != Some(*total) {
                    bar.set_length(*total);
                    bar.set_style(style("{spinner} {prefix} {bar:20} {elapsed}<{eta} {wide_msg}"));
                }
                bar.set_position(*done);
                bar.set_message(format!("{unit} {done}/{total} {}", values(named)));
            }
        }
    }

    fn job_finished(&mut self, job: &JobInfo, ended: &Ended) {
        if let Some(bar) = self.running.remove(&job.key) {
            bar.finish_and_clear();
        }
        match ended {
            Ended::Done { seconds } => {
                self.total.inc(1);
                self.say(&format!("done   {job} in {seconds:.1} s"));
            }
            Ended::AlreadyThere => {
                self.total.inc(1);
                self.say(&format!("there  {job}: another process made it"));
            }
            Ended::Busy => {}
            Ended::Retried { failure, memory } => {
                let how = match memory {
                    Memory::Normal => "",
                    Memory::Alone => " alone",
                    Memory::Saver => " alone and saving memory",
                };
                self.say(&format!("again  {job}{how}: {failure}"));
            }
            Ended::Interrupted => self.say(&format!("stop   {job}: its checkpoint is kept")),
            Ended::Failed(failure) => self.say(&format!("FAILED {job}: {failure}")),
        }
    }

    fn note(&mut self, text: &str) {
        self.say(&format!("note   {text}"));
    }
}
