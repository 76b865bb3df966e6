//! The operations of this module written in burn's own, for every backend without a faster form.

use super::conv::{BatchMoments, ConvBlock, Norm, Statistics};
use burn::tensor::activation::{leaky_relu, log_sigmoid, relu};
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorData};

/// See [`super::conv_chain`].
pub(super) fn conv_chain(x: Tensor<4>, blocks: Vec<ConvBlock>) -> (Tensor<4>, Vec<Option<BatchMoments>>) {
    let mut moments = Vec::with_capacity(blocks.len());
    let y = blocks.into_iter().fold(x, |x, block| {
        let (y, found) = conv_block(x, block);
        moments.push(found);
        y
    });
    (y, moments)
}

fn conv_block(x: Tensor<4>, block: ConvBlock) -> (Tensor<4>, Option<BatchMoments>) {
    let ConvBlock {
        weight,
        bias,
        norm,
        geometry,
        slope,
    } = block;
    let x = if geometry.upsample {
        interpolate(
            x,
            InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0, 2.0]),
        )
    } else {
        x
    };
    let (stride, padding) = ([geometry.stride; 2], [geometry.padding; 2]);
    let y = conv2d(
        x,
        weight,
        bias,
        ConvOptions::new(stride, padding, [1, 1], geometry.groups),
    );
    let (y, moments) = match norm {
        Some(norm) => batch_norm(y, norm),
        None => (y, None),
    };
    let y = match slope {
        Some(0.0) => relu(y),
        Some(slope) => leaky_relu(y, slope),
        None => y,
    };
    (y, moments)
}

fn batch_norm(y: Tensor<4>, norm: Norm) -> (Tensor<4>, Option<BatchMoments>) {
    let [batch, channels, height, width] = y.dims();
    let per_channel = |t: Tensor<1>| t.reshape([1, channels, 1, 1]);
    let (centred, var, moments) = match norm.statistics {
        Statistics::Batch => {
            let count = (batch * height * width) as f64;
            let mean = y.clone().mean_dims(&[0, 2, 3]);
            let centred = y - mean.clone();
            let var = centred.clone().square().mean_dims(&[0, 2, 3]);
            let moments = BatchMoments {
                mean: mean.inner().reshape([channels]),
                var: var.clone().inner().reshape([channels]) * (count / (count - 1.0)),
            };
            (centred, var, Some(moments))
        }
        Statistics::Running { mean, var } => (y - per_channel(mean.inner()), per_channel(var.inner()), None),
    };
    let scale = per_channel(norm.gamma) / (var + norm.eps).sqrt();
    (centred * scale + per_channel(norm.beta), moments)
}

/// See [`super::affine_sample`].
pub(super) fn affine_sample(images: Tensor<4>, theta: Tensor<3>) -> Tensor<4> {
    let [batch, _, height, width] = images.dims();
    let device = images.device();
    // Centres of the output's pixels as rows (x, y, 1) in the coordinates where the image spans -1 to 1.
    let mut centres = Vec::with_capacity(height * width * 3);
    for row in 0..height {
        for column in 0..width {
            centres.extend([centre(column, width), centre(row, height), 1.0]);
        }
    }
    let centres = Tensor::<3>::from_data(TensorData::new(centres, [1, height * width, 3]), &device);
    let grid = centres.repeat_dim(0, batch).matmul(theta.swap_dims(1, 2));
    let grid = grid.reshape([batch, height, width, 2]);
    images.grid_sample_2d(grid, InterpolateMode::Bilinear)
}

fn centre(index: usize, size: usize) -> f32 {
    (2 * index + 1) as f32 / size as f32 - 1.0
}

/// See [`super::bce_with_logits`].
pub(super) fn bce_with_logits<const D: usize>(logits: Tensor<D>, target: Tensor<D>) -> Tensor<D> {
    // max(x, 0) - x·t + ln(1 + e^-|x|) has the wrong derivative at exactly 0 when written with `relu` and `abs`.
    logits.clone() * (1.0 - target) - log_sigmoid(logits)
}
