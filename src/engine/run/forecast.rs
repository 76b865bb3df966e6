//! How long a run will take and how much it will store, judged by earlier results.

use super::history::Basis;
use super::schedule::{Schedule, ranks};
use super::status::{NodeStatus, Status, distinct};
use crate::plan::Plan;
use petgraph::graph::NodeIndex;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::fmt;
use std::time::Duration;

/// Sums over the actions that are not cached. Some of those that wait for an unknown input may turn out to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// Actions to run, as far as is known.
    pub actions: usize,
    /// Of one job after the other.
    pub seconds: f64,
    /// With so many jobs at a time.
    pub jobs: usize,
    pub seconds_with_jobs: f64,
    /// Size of the outputs; checkpoints and logs come on top.
    pub bytes: u64,
    /// Earlier results behind it.
    pub results: usize,
    /// Actions of which only results with other settings are known.
    pub other_settings: usize,
    /// Stage kinds of which nothing is known, with their numbers of actions: they are in none of the sums.
    pub unknown: BTreeMap<String, usize>,
}

/// Sums up what is known of the actions that [`plan_status`](super::plan_status) gave.
pub fn forecast(plan: &Plan, actions: &[NodeStatus], jobs: usize) -> Forecast {
    let mut forecast = Forecast {
        jobs: jobs.max(1),
        ..Forecast::default()
    };
    let mut times: HashMap<NodeIndex, Duration> = HashMap::new();
    // Several actions are judged by the same results, so these are not added up.
    let mut behind: BTreeMap<&str, usize> = BTreeMap::new();
    for action in distinct(actions) {
        if !matches!(action.status, Status::WillRun | Status::Waiting) {
            continue;
        }
        let kind = &plan.graph[action.node].kind;
        forecast.actions += 1;
        match action.estimate {
            Some(estimate) => {
                forecast.seconds += estimate.seconds;
                forecast.bytes += estimate.bytes;
                forecast.other_settings += usize::from(estimate.basis == Basis::SameKind);
                times.insert(action.node, Duration::from_secs_f64(estimate.seconds));
                let most = behind.entry(kind).or_default();
                *most = estimate.results.max(*most);
            }
            None => *forecast.unknown.entry(kind.clone()).or_default() += 1,
        }
    }
    forecast.results = behind.values().sum();
    let nodes = actions.iter().map(|action| action.node).collect();
    forecast.seconds_with_jobs = makespan(plan, &nodes, &times, forecast.jobs).as_secs_f64();
    forecast
}

/// The time until all nodes are done when the longest path goes first, as the runner has it; what has no time takes none.
fn makespan(plan: &Plan, nodes: &BTreeSet<NodeIndex>, times: &HashMap<NodeIndex, Duration>, jobs: usize) -> Duration {
    let time = |node: NodeIndex| times.get(&node).copied().unwrap_or_default();
    let numbered = plan.graph.map(|node, _| node, |_, ()| ());
    let ranks = ranks(&numbered, |node| time(*node).as_millis() as u64);
    let mut schedule = Schedule::new(&plan.graph, nodes);
    let (mut queue, mut running) = (BTreeSet::new(), BinaryHeap::new());
    let mut now = Duration::ZERO;
    loop {
        while let Some(node) = schedule.take() {
            match time(node) {
                Duration::ZERO => schedule.done(node),
                _ => drop(queue.insert(ranks[&node])),
            }
        }
        while running.len() < jobs
            && let Some(rank) = queue.pop_first()
        {
            running.push(Reverse((now + time(rank.1), rank.1)));
        }
        let Some(Reverse((end, node))) = running.pop() else {
            return now;
        };
        now = end;
        schedule.done(node);
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.results > 0 {
            write!(f, "about {} of work", duration(self.seconds))?;
            if self.jobs > 1 {
                write!(f, ", {} with {} jobs", duration(self.seconds_with_jobs), self.jobs)?;
            }
            let plural = if self.results == 1 { "" } else { "s" };
            write!(
                f,
                ", {} of disk; from {} earlier result{plural}",
                bytes(self.bytes),
                self.results
            )?;
        }
        if self.other_settings > 0 {
            write!(f, "; {} judged by other settings", actions(self.other_settings))?;
        }
        if self.unknown.is_empty() {
            return Ok(());
        }
        let between = if self.results > 0 { "; " } else { "" };
        let count: usize = self.unknown.values().sum();
        let kinds: Vec<_> = self.unknown.keys().map(String::as_str).collect();
        write!(
            f,
            "{between}nothing is known of {} ({})",
            actions(count),
            kinds.join(", ")
        )
    }
}

fn actions(count: usize) -> String {
    if count == 1 {
        "1 action".into()
    } else {
        format!("{count} actions")
    }
}

/// `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`.
pub fn duration(seconds: f64) -> String {
    let rounded = seconds.round() as u64;
    match rounded {
        0 if seconds > 0.0 => "1 s".into(),
        0..90 => format!("{rounded} s"),
        _ => {
            let minutes = (seconds / 60.0).round() as u64;
            let pair = |large: u64, a: &str, small: u64, b: &str| match small {
                0 => format!("{large} {a}"),
                _ => format!("{large} {a} {small} {b}"),
            };
            match minutes {
                0..90 => format!("{minutes} min"),
                90..2880 => pair(minutes / 60, "h", minutes % 60, "min"),
                _ => pair(minutes / 1440, "d", minutes % 1440 / 60, "h"),
            }
        }
    }
}

/// Three digits at most, in powers of 1000.
fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "B" || value >= 10.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::Estimate;
    use super::*;
    use crate::digest::Digest;
    use crate::plan::{Axes, Node};
    use petgraph::graph::DiGraph;
    use serde_json::json;
    use std::sync::Arc;

    /// A plan of actions that take so many seconds (`None`: nobody knows), and its edges.
    fn planned(seconds: &[Option<f64>], edges: &[(u32, u32)]) -> (Plan, Vec<NodeStatus>) {
        let mut graph = DiGraph::new();
        for i in 0..seconds.len() {
            graph.add_node(Node {
                stage: format!("s{i}"),
                kind: "toy".into(),
                settings: Arc::new(json!({})),
                seed: None,
                axes: Axes::new(),
                inputs: vec![],
            });
        }
        for (from, to) in edges {
            graph.add_edge(NodeIndex::from(*from), NodeIndex::from(*to), ());
        }
        let status = |(i, seconds): (usize, &Option<f64>)| NodeStatus {
            node: NodeIndex::new(i),
            stage: format!("s{i}"),
            seed: None,
            axes: Axes::new(),
            key: None,
            status: Status::WillRun,
            why: String::new(),
            estimate: seconds.map(|seconds| Estimate {
                seconds,
                bytes: 1000,
                device_memory: None,
                results: 14,
                basis: Basis::SameKind,
            }),
        };
        let all = seconds.iter().enumerate().map(status).collect();
        (
            Plan {
                graph,
                cells: vec![],
                project: std::path::PathBuf::new(),
            },
            all,
        )
    }

    fn with_jobs(seconds: &[Option<f64>], edges: &[(u32, u32)], jobs: usize) -> f64 {
        let (plan, actions) = planned(seconds, edges);
        forecast(&plan, &actions, jobs).seconds_with_jobs
    }

    #[test]
    fn one_job_takes_the_sum_and_more_jobs_the_longest_path() {
        let seconds = [Some(10.0), Some(20.0), Some(30.0), Some(5.0)];
        let diamond = [(0, 1), (0, 2), (1, 3), (2, 3)];
        assert_eq!(with_jobs(&seconds, &diamond, 1), 65.0);
        assert_eq!(with_jobs(&seconds, &diamond, 2), 45.0);
        assert_eq!(with_jobs(&seconds, &diamond, 9), 45.0);
    }

    #[test]
    fn slots_are_shared_by_independent_actions() {
        assert_eq!(with_jobs(&[Some(10.0); 5], &[], 2), 30.0);
    }

    #[test]
    fn cached_actions_cost_nothing_and_hold_nobody_up() {
        let (plan, mut actions) = planned(&[Some(10.0), Some(20.0)], &[(0, 1)]);
        (actions[0].status, actions[0].estimate) = (Status::Cached, None);
        let forecast = forecast(&plan, &actions, 2);
        assert_eq!(
            (forecast.actions, forecast.seconds, forecast.seconds_with_jobs),
            (1, 20.0, 20.0)
        );
        assert_eq!(forecast.bytes, 1000);
    }

    #[test]
    fn nodes_with_one_key_cost_once() {
        let (plan, mut actions) = planned(&[Some(10.0), Some(10.0), Some(20.0)], &[]);
        let key = Some(Digest::of(b"twins"));
        (actions[0].key, actions[1].key) = (key, key);
        let forecast = forecast(&plan, &actions, 1);
        assert_eq!(
            (forecast.actions, forecast.seconds, forecast.seconds_with_jobs),
            (2, 30.0, 30.0)
        );
    }

    #[test]
    fn what_nothing_is_known_of_is_named_and_not_guessed() {
        let (plan, actions) = planned(&[Some(100.0), None], &[]);
        let some = forecast(&plan, &actions, 1);
        assert_eq!(
            some.to_string(),
            "about 2 min of work, 1.0 kB of disk; from 14 earlier results; 1 action judged by other settings; \
             nothing is known of 1 action (toy)"
        );
        let (plan, actions) = planned(&[None, None], &[]);
        assert_eq!(
            forecast(&plan, &actions, 2).to_string(),
            "nothing is known of 2 actions (toy)"
        );
    }

    #[test]
    fn times_and_sizes_are_said_in_the_unit_that_fits() {
        let said = [0.2, 45.0, 89.6, 720.0, 7200.0, 12000.0, 200_000.0].map(duration);
        assert_eq!(said, ["1 s", "45 s", "1 min", "12 min", "2 h", "3 h 20 min", "2 d 7 h"]);
        assert_eq!(
            [0, 999, 1500, 340_000_000].map(bytes),
            ["0 B", "999 B", "1.5 kB", "340 MB"]
        );
    }
}
