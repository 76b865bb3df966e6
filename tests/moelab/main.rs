//! Tests through the two programs.

mod command;
mod lab;
mod methods;
mod pipeline;
mod programs;
mod report;
mod store;
