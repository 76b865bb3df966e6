//! The pipeline engine: specs, plans, keys, the store, and the runner.
//!
//! It knows no machine learning: what a stage *is* comes in as a [`stage::Registry`], what a stage *does* runs in another
//! program (see [`job`]).  The order within the crate is one way: `spec → plan → run`; `store` knows no stage.

pub mod digest;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod job;
pub mod keeper;
pub mod key;
pub mod oom;
pub mod plan;
pub mod run;
pub mod shell;
pub mod signals;
pub mod spec;
pub mod stage;
pub mod store;
