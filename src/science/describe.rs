//! What images look like by rules that nothing had to learn.

pub mod deskew;
pub mod gradients;

pub use deskew::deskew;
pub use gradients::Gradients;

#[cfg(test)]
pub(crate) mod fixtures;
