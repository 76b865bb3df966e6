//! `moelab doctor`: whether everything is there that a run needs.

mod place;
mod worker;

use crate::args::{Common, Doctor};
use crate::exit::Exit;
use crate::setup::print;
use moelab_data::{DataDir, known};
use moelab_engine::spec;
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
}

/// One line.
#[derive(Serialize)]
struct Check {
    what: &'static str,
    verdict: Verdict,
    /// What was found.
    said: String,
    /// What to do next; empty if nothing has to be done.
    next: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Check {
    fn ok(what: &'static str, said: impl Into<String>) -> Self {
        Self::new(what, Verdict::Ok, said, "")
    }

    fn warn(what: &'static str, said: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(what, Verdict::Warn, said, next)
    }

    fn fail(what: &'static str, said: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(what, Verdict::Fail, said, next)
    }

    fn new(what: &'static str, verdict: Verdict, said: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what,
            verdict,
            said: said.into(),
            next: next.into(),
        }
    }
}

pub fn main(common: &Common, args: &Doctor) -> Result<ExitCode, Exit> {
    let mut checks = vec![Check::ok("moelab", env!("MOELAB_BUILD"))];
    checks.extend(worker::checks());
    checks.extend(place::checks(&common.store));
    checks.push(data(common));
    checks.push(project());
    let report = Report { checks };
    print(&report, args.format)?;
    let failed = report.checks.iter().any(|check| check.verdict == Verdict::Fail);
    Ok(ExitCode::from(if failed { 2 } else { 0 }))
}

/// Only names are looked at: content is checked when a set is loaded.
fn data(common: &Common) -> Check {
    let at = DataDir {
        dir: common.data.clone(),
        download: false,
    };
    let found: Vec<&str> = known::names().filter(|name| known::present(name, &at)).collect();
    let said = format!("{}: {}", common.data.display(), found.join(", "));
    if common.data.is_dir() || found.len() > 1 {
        return Check::ok("data", said);
    }
    Check::warn(
        "data",
        format!(
            "there is no folder {}; {} needs none",
            common.data.display(),
            found.join(", ")
        ),
        "name the folder of your data sets with --data or MOELAB_DATA; those with a public home are downloaded to it",
    )
}

fn project() -> Check {
    let here = std::env::current_dir().unwrap_or_default();
    match spec::experiments(&here).len() {
        0 => Check::warn(
            "project",
            "no folder `experiments` with specs here or above",
            "`moelab init DIR` makes a small project",
        ),
        1 => Check::ok("project", "1 experiment"),
        n => Check::ok("project", format!("{n} experiments")),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.checks.iter().map(|check| check.what.len()).max().unwrap_or(0);
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            writeln!(
                f,
                "{verdict:4}  {:wide$}  {}",
                check.what,
                check.said.replace('\n', " ")
            )?;
            if !check.next.is_empty() {
                writeln!(f, "      {:wide$}  → {}", "", check.next)?;
            }
        }
        Ok(())
    }
}
