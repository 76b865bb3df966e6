//! Tests through the two programs.

mod lab;
mod pipeline;
mod programs;
mod store;
