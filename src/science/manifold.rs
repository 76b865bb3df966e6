//! Manifold learning: principal components, exact nearest neighbours, UMAP and trustworthiness.
//!
//! Everything here is exact or seeded: the same input, configuration and [`Draws`](crate::random::Draws) give the same
//! bytes whatever the number of threads. Data are rows of a [`Matrix`](crate::matrix::Matrix): N points × D features.
//!
//! - [`pca`]: centred, unscaled principal components and the spectrum the latent finder reads.
//! - [`knn`]: exact k nearest neighbours (Euclidean or cosine distance), the point itself first.
//! - [`fuzzy_graph`]: smoothed kNN distances and the fuzzy simplicial set (UMAP paper, arXiv 1802.03426, section 3).
//! - [`spectral`]: Laplacian eigenmap of the graph, the start of the layout.
//! - [`curve`]: the a, b of the low-dimensional membership curve.
//! - [`layout`]: stochastic gradient descent on the fuzzy cross entropy.
//! - [`umap`]: the whole method, [`umap::fit`] and [`umap::transform`].
//! - [`trustworthiness()`]: how far an embedding's neighbours were neighbours before.

pub mod curve;
mod eigen;
pub mod error;
pub mod fuzzy_graph;
pub mod knn;
pub mod lanczos;
pub mod layout;
pub mod pca;
mod registers;
pub mod spectral;
pub mod trustworthiness;
pub mod umap;

#[cfg(test)]
mod fixture;

pub use error::ManifoldError;
pub use fuzzy_graph::FuzzyGraph;
pub use knn::{Metric, Neighbours};
pub use pca::Pca;
pub use trustworthiness::trustworthiness;
pub use umap::{Umap, UmapConfig};
