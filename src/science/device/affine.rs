//! Sampling images under affine maps, for augmentation.

use super::composed;
use burn::tensor::Tensor;

/// Each image seen through its own affine map: bilinear, zeros outside, `align_corners = false`.
///
/// `images` is `[batch, channels, h, w]` and `theta` `[batch, 2, 3]`. Row by row, `theta` takes a point of the *output*,
/// `(x, y, 1)` with the image spanning -1 to 1 from edge to edge and y pointing down, to the point of the *input* to read.
/// The result has the shape of `images` and carries no gradient.
///
/// # Panics
///
/// On shapes that do not fit.
pub fn affine_sample(images: Tensor<4>, theta: Tensor<3>) -> Tensor<4> {
    let [batch, ..] = images.dims();
    assert_eq!(theta.dims(), [batch, 2, 3], "affine_sample: one 2 × 3 map per image");
    let (images, theta) = (images.inner(), theta.inner());
    #[cfg(feature = "tch")]
    if super::torch::holds(&images) {
        return super::torch::affine_sample(images, theta);
    }
    composed::affine_sample(images, theta)
}
