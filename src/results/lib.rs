//! Result tables: from what the store holds to mean ± spread over seeds, with how many seeds stand behind each number.
//!
//! ```text
//! plan + store ─▶ Input ─▶ raw frame ─▶ tidy frame ─▶ md, LaTeX, terminal (pivoted), csv, json, parquet (tidy)
//!   source.rs    input.rs  collect.rs   aggregate.rs   grid.rs, render/
//! ```
//!
//! Rules that hold throughout:
//!
//! - Grouped is by everything but the seed. `n` counts the *actions* that gave a value and `expected` those that were
//!   asked for: an action shared by several cells counts once, a stage that draws no random numbers gives one value
//!   however many seeds there are, and two seeds with equal results are two.
//! - A mean never hides a gap: `n + missing + failed = expected` in the tidy table, `(2/3)` in the others. A finished
//!   action whose number is null or not finite has failed.
//! - A row never mixes settings: an axis that changes a metric and was left out of the rows is added, with a note.
//! - The standard deviation is the sample's, and absent at n = 1.

mod aggregate;
#[cfg(test)]
mod bench;
mod collect;
pub mod compare;
mod definition;
pub mod diff;
mod error;
pub mod export;
pub mod figure;
mod gaps;
mod grid;
mod history;
pub mod input;
pub mod lineage;
mod mark;
mod number;
mod pairing;
mod reading;
mod reference;
pub mod render;
mod report;
mod rows;
mod source;
mod statistics;
mod stored;
mod survey;
mod table;
mod tensors;
#[cfg(test)]
mod testing;

pub use error::ResultsError;
pub use input::Input;
pub use mark::Mark;
pub use reference::Published;
pub use render::{Format, Lines, render};
pub use report::{Program, report};
pub use source::Source;
pub use stored::Stored;
pub use table::{Cell, Table};
