//! Tests through the two programs.

mod command;
mod lab;
mod pipeline;
mod programs;
mod store;
