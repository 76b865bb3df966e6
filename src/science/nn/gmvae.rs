//! The Gaussian mixture VAE (Dilokthanakul et al. 2016, arXiv 1611.02648, final version).
//!
//! w ~ N(0, I), z ~ Cat(1/K), x | z, w ~ N(μ_z(w), σ²_z(w)), y | x. Recognised are q(x | y) and q(w | y); p(z | x, w) follows
//! from them and the prior network, so there is no network for z.

use super::architecture::Architecture;
use super::autoencoder::LOG_VARIANCE;
use super::decoder::{Decoder, linear};
use super::dense::Dense;
use super::encoder::Encoder;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::{log_softmax, tanh};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Bounds of log σ² of the K components: within them densities of hundreds of dimensions stay comparable.
const COMPONENT_LOG_VARIANCE: (f64, f64) = (-6.0, 4.0);

/// What rebuilds a [`Gmvae`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GmvaeShape {
    pub data: Data,
    /// K.
    pub clusters: usize,
    /// Size of x, the code that the data are generated from.
    pub x_dim: usize,
    /// Size of w, the code that the components are generated from.
    pub w_dim: usize,
    /// Width of the prior network, and of the dense layers for points.
    pub hidden: usize,
}

/// What is modelled, and so by which layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    Images(Architecture),
    Points { dims: usize },
}

#[derive(Module, Debug)]
pub struct Gmvae {
    recogniser: Recogniser,
    x: Heads,
    w: Heads,
    generator: Generator,
    prior: Prior,
}

/// Diagonal normals, the last axis their dimensions.
#[derive(Clone, Debug)]
pub struct Normal<const D: usize> {
    pub mean: Tensor<D>,
    pub log_variance: Tensor<D>,
}

/// q(x | y), [B, Dx], and q(w | y), [B, Dw].
pub struct Recognised {
    pub x: Normal<2>,
    pub w: Normal<2>,
}

/// p(y | x).
#[expect(clippy::large_enum_variant, reason = "made once a step")]
pub enum Generated {
    /// Pixel logits [B, C, D, D].
    Logits(Tensor<4>),
    /// A normal with its own variance, [B, D].
    Points(Normal<2>),
}

impl Gmvae {
    pub fn new(shape: &GmvaeShape, device: &Device) -> Self {
        let hidden = shape.hidden;
        let (recogniser, features, generator) = match &shape.data {
            Data::Images(architecture) => (
                Recogniser::Images(Encoder::new(architecture, device)),
                architecture.features(),
                Generator::Images(Decoder::new(architecture, shape.x_dim, device)),
            ),
            Data::Points { dims } => (
                Recogniser::Points(Dense::new(&[*dims, hidden, hidden], device)),
                hidden,
                Generator::Points(PointGenerator {
                    dense: Dense::new(&[shape.x_dim, hidden, hidden], device),
                    heads: Heads::new(hidden, *dims, device),
                }),
            ),
        };
        Self {
            recogniser,
            x: Heads::new(features, shape.x_dim, device),
            w: Heads::new(features, shape.w_dim, device),
            generator,
            prior: Prior {
                hidden: linear(shape.w_dim, hidden, device),
                heads: Heads::new(hidden, shape.clusters * shape.x_dim, device),
                clusters: shape.clusters,
            },
        }
    }

    /// Sets the components' means apart by `biases`, K · Dx draws of N(0, 1): components that start alike stay alike.
    pub fn apart(mut self, biases: Vec<f32>) -> Self {
        let device = self.prior.heads.mean.weight.val().device();
        let n = biases.len();
        let bias = Tensor::from_data(TensorData::new(biases, [n]), &device);
        self.prior.heads.mean.bias = Some(Param::from_tensor(bias));
        self
    }

    /// Images [B, C, D, D] in [0, 1], or points as [B, D, 1, 1].
    pub fn recognise(&self, data: Tensor<4>) -> Recognised {
        let features = match &self.recogniser {
            Recogniser::Images(trunk) => trunk.forward(data),
            Recogniser::Points(dense) => dense.forward(data.flatten(1, 3)),
        };
        Recognised {
            x: self.x.forward(features.clone(), LOG_VARIANCE),
            w: self.w.forward(features, LOG_VARIANCE),
        }
    }

    /// x [B, Dx] → p(y | x).
    pub fn generate(&self, x: Tensor<2>) -> Generated {
        match &self.generator {
            Generator::Images(decoder) => Generated::Logits(decoder.forward(x)),
            Generator::Points(points) => Generated::Points(points.heads.forward(points.dense.forward(x), LOG_VARIANCE)),
        }
    }

    /// Dx.
    pub fn x_dim(&self) -> usize {
        self.x.mean.weight.dims()[1]
    }

    /// w [B, Dw] → the K components of p(x | z, w), [B, K, Dx].
    pub fn components(&self, w: Tensor<2>) -> Normal<3> {
        let [batch, _] = w.dims();
        let hidden = tanh(self.prior.hidden.forward(w));
        let flat = self.prior.heads.forward(hidden, COMPONENT_LOG_VARIANCE);
        let k = self.prior.clusters;
        let apart = |tensor: Tensor<2>| {
            let [_, values] = tensor.dims();
            tensor.reshape([batch, k, values / k])
        };
        Normal {
            mean: apart(flat.mean),
            log_variance: apart(flat.log_variance),
        }
    }
}

impl Normal<2> {
    /// μ + σ ε with ε like μ from N(0, 1).
    pub fn sample(&self, noise: Tensor<2>) -> Tensor<2> {
        self.mean.clone() + self.log_variance.clone().mul_scalar(0.5).exp() * noise
    }
}

impl Normal<3> {
    /// log p(z = k | x, w), [B, K], of x [B, Dx] under the components at w. Exact, since z has a uniform prior: the softmax
    /// over k of log densities.
    pub fn log_responsibilities(&self, x: Tensor<2>) -> Tensor<2> {
        let distance = (x.unsqueeze_dim::<3>(1) - self.mean.clone()).powi_scalar(2) / self.log_variance.clone().exp();
        let twice = (self.log_variance.clone() + distance).sum_dim(2).squeeze_dim(2);
        log_softmax(twice.mul_scalar(-0.5), 1)
    }
}

#[derive(Module, Debug)]
enum Recogniser {
    Images(Encoder),
    Points(Dense),
}

#[derive(Module, Debug)]
enum Generator {
    Images(Decoder),
    Points(PointGenerator),
}

#[derive(Module, Debug)]
struct PointGenerator {
    dense: Dense,
    heads: Heads,
}

/// One hidden layer, then a mean and a log variance for each of the K components.
#[derive(Module, Debug)]
struct Prior {
    hidden: Linear,
    heads: Heads,
    #[module(skip)]
    clusters: usize,
}

#[derive(Module, Debug)]
struct Heads {
    mean: Linear,
    log_variance: Linear,
}

impl Heads {
    fn new(input: usize, output: usize, device: &Device) -> Self {
        Self {
            mean: linear(input, output, device),
            log_variance: linear(input, output, device),
        }
    }

    fn forward(&self, x: Tensor<2>, (least, most): (f64, f64)) -> Normal<2> {
        Normal {
            mean: self.mean.forward(x.clone()),
            log_variance: self.log_variance.forward(x).clamp(least, most),
        }
    }
}
