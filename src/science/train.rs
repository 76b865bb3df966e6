//! Training: one loop, one optimiser, one augmentation and one checkpoint format for every network; one file per objective.

pub mod adam;
pub mod augment;
pub mod checkpoint;
pub mod damic;
pub mod dec;
pub mod dynae;
pub mod experts;
pub mod fit;
pub mod gmvae;
pub mod images;
pub mod k_dae;
pub mod loss;
pub mod mice;
pub mod minimax;
pub mod mixae;
pub mod mixture;
pub mod objective;
pub mod vade;
pub mod vae_em;
pub mod views;

#[cfg(test)]
mod embedded_run_tests;
#[cfg(test)]
mod embedded_tests;
#[cfg(test)]
mod objective_tests;
#[cfg(test)]
mod testing;
