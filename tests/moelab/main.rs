//! Tests through the two programs.

mod choosing;
mod command;
mod comparing;
mod ease;
mod lab;
mod methods;
mod pipeline;
mod programs;
mod report;
mod status;
mod store;
mod using;
