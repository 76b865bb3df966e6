//! The runner with real worker processes.
//!
//! The worker is this very test program, started again for one hidden test: [`the_worker_process`].

mod cache;
mod clean;
mod failures;
mod kills;
mod lab;
mod order;
mod stop;
mod worker;

/// Serves jobs if a runner started it; as an ordinary test it does nothing.
#[test]
fn the_worker_process() {
    if std::env::var_os(lab::WORKER).is_some() {
        worker::serve();
    }
}

/// Runs a job that never ends if a test started it; see `kills`.
#[test]
fn the_runner_process() {
    if let Some(dir) = std::env::var_os(lab::RUNNER) {
        let mut lab = lab::Lab::at(dir.as_ref());
        lab.stage("a", lab::behaves("a", "for_ever"), &[]);
        lab.run();
    }
}
