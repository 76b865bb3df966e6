//! The runner with real worker processes.
//!
//! The worker is this very test program, started again for one hidden test: [`the_worker_process`].

mod cache;
mod clean;
mod failures;
mod kills;
mod lab;
mod order;
mod retry;
mod scale;
mod several;
mod stop;
mod workbench;
mod worker;

/// Serves jobs if a runner started it; as an ordinary test it does nothing.
#[test]
fn the_worker_process() {
    if std::env::var_os(lab::WORKER).is_some() {
        worker::serve();
    }
}

/// Is a runner in a folder of its own choice if a test started it; see `several` and `kills`.
#[test]
fn the_runner_process() {
    if let Some(dir) = std::env::var_os(lab::RUNNER) {
        several::runner(dir.as_ref());
    }
}
