//! Training: one loop, one optimiser, one augmentation and one checkpoint format for every network.

pub mod adam;
pub mod augment;
pub mod checkpoint;
pub mod dec;
pub mod dynae;
pub mod fit;
pub mod images;
pub mod loss;
pub mod minimax;
pub mod objective;
pub mod vade;

#[cfg(test)]
mod embedded_run_tests;
#[cfg(test)]
mod embedded_tests;
#[cfg(test)]
mod objective_tests;
#[cfg(test)]
mod testing;
