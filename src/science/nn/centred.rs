//! An autoencoder with cluster centres among its codes: the network of DEC, IDEC and DynAE.

use super::autoencoder::{Autoencoder, AutoencoderShape};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What rebuilds an autoencoder with K clusters on its codes before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusteredShape {
    pub autoencoder: AutoencoderShape,
    pub clusters: usize,
}

#[derive(Module, Debug)]
pub struct Centred {
    pub autoencoder: Autoencoder,
    /// [K, L]
    pub centres: Param<Tensor<2>>,
}

impl Centred {
    pub fn new(autoencoder: Autoencoder, centres: Tensor<2>) -> Self {
        Self {
            autoencoder,
            centres: Param::from_tensor(centres),
        }
    }

    /// Logits of the soft assignment q of codes [B, L], [B, K].
    pub fn logits(&self, codes: Tensor<2>) -> Tensor<2> {
        student_t(codes, self.centres.val())
    }
}

/// −ln(1 + ‖z − μ‖²) for codes z [B, L] and centres μ [K, L]: [B, K]. Its softmax is the soft assignment by Student's
/// t-distribution with one degree of freedom (Xie et al. 2016, eq. 1).
pub fn student_t(codes: Tensor<2>, centres: Tensor<2>) -> Tensor<2> {
    let difference = codes.unsqueeze_dim::<3>(1) - centres.unsqueeze_dim::<3>(0);
    let squared = difference.powi_scalar(2).sum_dim(2).squeeze_dim::<2>(2);
    squared.add_scalar(1.0).log().neg()
}
