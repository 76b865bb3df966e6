//! Convolution blocks: (upsample →) convolution (→ batch norm) (→ leaky ReLU), alone or in a row.

use super::composed;
use burn::tensor::Tensor;

/// How a block's convolution walks over its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Step in both directions, at least 1.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Channel groups; the weight is `[out, in / groups, h, w]`.
    pub groups: usize,
    /// Double height and width, by repeating pixels, before the convolution.
    pub upsample: bool,
}

impl Default for ConvGeometry {
    /// Stride 1, padding 1, one group, no upsampling: what keeps the size under a 3 × 3 kernel.
    fn default() -> Self {
        Self {
            stride: 1,
            padding: 1,
            groups: 1,
            upsample: false,
        }
    }
}

/// Which statistics a batch norm normalises with.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few per network, gone with the forward pass")]
pub enum Statistics {
    /// Those of the batch itself (training). The block then reports them.
    Batch,
    /// Given ones, `[channels]` each (evaluation): constants, no gradient flows into them.
    Running { mean: Tensor<1>, var: Tensor<1> },
}

/// A batch norm over the output channels of a block.
#[derive(Clone, Debug)]
pub struct Norm {
    /// Scale, `[channels]`.
    pub gamma: Tensor<1>,
    /// Shift, `[channels]`.
    pub beta: Tensor<1>,
    /// Added to the variance under the root.
    pub eps: f64,
    pub statistics: Statistics,
}

/// One block with its parameters.
#[derive(Clone, Debug)]
pub struct ConvBlock {
    /// `[out, in / groups, h, w]`.
    pub weight: Tensor<4>,
    /// `[out]`.
    pub bias: Option<Tensor<1>>,
    pub norm: Option<Norm>,
    pub geometry: ConvGeometry,
    /// Slope of the leaky ReLU for negative values (0 is the plain ReLU); `None` for no activation.
    pub slope: Option<f64>,
}

/// Mean and variance of one batch over batch, height and width, `[channels]` each, without autodiff.
#[derive(Clone, Debug)]
pub struct BatchMoments {
    pub mean: Tensor<1>,
    /// The **unbiased** variance (divided by `n - 1`), which PyTorch puts into the running average; the normalisation
    /// itself uses the biased one.
    pub var: Tensor<1>,
}

/// What [`conv_block`] returns.
#[derive(Clone, Debug)]
pub struct ConvBlockOutput {
    /// `[batch, out, h, w]`.
    pub y: Tensor<4>,
    /// The batch's mean per channel, if the block has a norm. Without autodiff.
    pub mean: Option<Tensor<1>>,
    /// The batch's unbiased variance per channel, if the block has a norm. Without autodiff.
    pub var: Option<Tensor<1>>,
}

/// One block in training mode: `norm` is `(gamma, beta, eps)` and uses the batch's statistics.
///
/// `x` is `[batch, in, h, w]`. Gradients flow to `x`, weight, bias, gamma and beta, as far as they are tracked. Where
/// nothing is tracked no graph is kept.
///
/// # Panics
///
/// On shapes that do not fit, and on batch statistics over a single value per channel.
pub fn conv_block(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    norm: Option<(Tensor<1>, Tensor<1>, f64)>,
    geometry: ConvGeometry,
    slope: Option<f64>,
) -> ConvBlockOutput {
    let norm = norm.map(|(gamma, beta, eps)| Norm {
        gamma,
        beta,
        eps,
        statistics: Statistics::Batch,
    });
    let (y, mut moments) = conv_chain(
        x,
        vec![ConvBlock {
            weight,
            bias,
            norm,
            geometry,
            slope,
        }],
    );
    let (mean, var) = moments.pop().flatten().map(|m| (m.mean, m.var)).unzip();
    ConvBlockOutput { y, mean, var }
}

/// One block in evaluation mode: `norm` is `(gamma, beta, eps, mean, var)` with the running statistics.
///
/// # Panics
///
/// On shapes that do not fit.
pub fn conv_block_inference(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    norm: Option<(Tensor<1>, Tensor<1>, f64, Tensor<1>, Tensor<1>)>,
    geometry: ConvGeometry,
    slope: Option<f64>,
) -> Tensor<4> {
    let norm = norm.map(|(gamma, beta, eps, mean, var)| Norm {
        gamma,
        beta,
        eps,
        statistics: Statistics::Running { mean, var },
    });
    conv_chain(
        x,
        vec![ConvBlock {
            weight,
            bias,
            norm,
            geometry,
            slope,
        }],
    )
    .0
}

/// Blocks in a row, each fed the one before: the fastest form, since libtorch then differentiates the whole row and burn
/// sees one node. Prefer it to single blocks wherever a network has no branch in between.
///
/// Returns the last output, `[batch, out, h, w]`, and for each block the moments of its batch if it has a norm on
/// [`Statistics::Batch`]. No block at all gives `x` back.
///
/// # Panics
///
/// On shapes that do not fit, and on batch statistics over a single value per channel.
pub fn conv_chain(x: Tensor<4>, blocks: Vec<ConvBlock>) -> (Tensor<4>, Vec<Option<BatchMoments>>) {
    check(&x, &blocks);
    #[cfg(feature = "tch")]
    if super::torch::holds(&x) {
        return super::torch::conv_chain(x, blocks);
    }
    composed::conv_chain(x, blocks)
}

/// Follows the shapes through the row, so that both implementations refuse the same calls with the same words.
fn check(x: &Tensor<4>, blocks: &[ConvBlock]) {
    let [batch, mut channels, mut height, mut width] = x.dims();
    for (index, block) in blocks.iter().enumerate() {
        let [out, inner, kernel_h, kernel_w] = block.weight.dims();
        let ConvGeometry {
            stride,
            padding,
            groups,
            upsample,
        } = block.geometry;
        assert!(
            stride > 0 && groups > 0,
            "conv block {index}: stride and groups must be at least 1"
        );
        assert!(
            channels == inner * groups && out % groups == 0,
            "conv block {index}: a weight of {out} × {inner} × {kernel_h} × {kernel_w} in {groups} groups does not fit \
             {channels} channels"
        );
        let scale = if upsample { 2 } else { 1 };
        let size = |input: usize, kernel: usize| {
            let room = input * scale + 2 * padding;
            assert!(
                room >= kernel,
                "conv block {index}: a kernel of {kernel} does not fit {room} padded pixels"
            );
            (room - kernel) / stride + 1
        };
        (height, width, channels) = (size(height, kernel_h), size(width, kernel_w), out);
        if let Some(norm) = &block.norm {
            let [gamma] = norm.gamma.dims();
            let [beta] = norm.beta.dims();
            assert!(
                gamma == out && beta == out,
                "conv block {index}: a norm of {gamma} and {beta} values does not fit {out} channels"
            );
            assert!(
                batch * height * width > 1 || matches!(norm.statistics, Statistics::Running { .. }),
                "conv block {index}: batch statistics need more than one value per channel"
            );
        }
    }
}
