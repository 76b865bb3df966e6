//! Training: one loop, one optimiser, one augmentation and one checkpoint format for every network.

pub mod adam;
pub mod augment;
pub mod checkpoint;
pub mod fit;
pub mod images;
pub mod loss;
pub mod minimax;
pub mod objective;

#[cfg(test)]
mod objective_tests;
