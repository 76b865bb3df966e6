//! MiCE, a mixture of contrastive experts (Tsai, Li & Zhu, ICLR 2021): student, teacher, and what both remember.

use super::decoder::linear;
use super::resnet::{ResNet, ResNetShape};
use super::state::replace;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, RunningState};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What rebuilds a [`Mice`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiceShape {
    pub trunk: ResNetShape,
    /// K.
    pub experts: usize,
    /// Size of an embedding, at least K − 1.
    pub embedding: usize,
    /// ν, embeddings of the teacher that positives compete with.
    pub queue: usize,
    /// What scores are divided by.
    pub temperature: f64,
}

/// The student, and beside it state that steps change: the teacher's weights, the queue, the prototypes.
#[derive(Module, Debug)]
pub struct Mice {
    pub student: Student,
    gate: Linear,
    /// All tensors of the teacher, one after another in the order of the student's: its parameters follow the student's, the
    /// running statistics of its norms are its own.
    teacher: RunningState<Tensor<1>>,
    /// [ν, K · d], the oldest first.
    queue: RunningState<Tensor<2>>,
    /// μ [K, d], of length 1, or 0 before the first epoch's end and for an expert that nobody chose.
    prototypes: RunningState<Tensor<2>>,
    /// Sums of the embeddings assigned to each expert in this epoch, [K, d].
    sums: RunningState<Tensor<2>>,
    /// ω [K, d], constant.
    centres: RunningState<Tensor<2>>,
}

/// The trunk with the experts' heads, which student and teacher both have.
#[derive(Module, Debug)]
pub struct Student {
    trunk: ResNet,
    experts: Linear,
}

/// What the teacher makes of a batch, [B, K, d] of length 1 each; no gradient flows into it.
pub struct Taught(pub Tensor<3>);

impl Mice {
    pub fn new(shape: &MiceShape, device: &Device) -> Self {
        let (k, d, features) = (shape.experts, shape.embedding, shape.trunk.features());
        let student = Student {
            trunk: ResNet::new(&shape.trunk, device),
            experts: linear(features, k * d, device),
        };
        let centres = TensorData::new(centres(k, d), [k, d]);
        let size = values(&student).dims()[0];
        Self {
            student,
            gate: linear(features, d, device),
            teacher: RunningState::new(Tensor::zeros([size], device)),
            queue: RunningState::new(Tensor::zeros([shape.queue, k * d], device)),
            prototypes: RunningState::new(Tensor::zeros([k, d], device)),
            sums: RunningState::new(Tensor::zeros([k, d], device)),
            centres: RunningState::new(Tensor::from_data(centres, device)),
        }
    }

    /// The state training starts from: a teacher like the student, and a queue of directions drawn by `noise`, ν · K · d draws
    /// of N(0, 1).
    pub fn begin(self, noise: Vec<f32>) -> Self {
        let [rows, width] = self.queue.value().dims();
        let [experts, size] = self.prototypes.value().dims();
        let device = self.queue.value().device();
        let noise = Tensor::<3>::from_data(TensorData::new(noise, [rows, experts, size]), &device);
        replace(&self.queue, unit(noise).reshape([rows, width]).inner());
        replace(&self.teacher, values(&self.student));
        self
    }

    /// Moves the teacher's parameters: θ' ← m θ' + (1 − m) θ.
    pub fn follow(&self, momentum: f64) {
        let mut follow = Follow {
            teacher: self.teacher.value().inner(),
            momentum,
            used: 0,
            moved: vec![],
        };
        self.student.visit(&mut follow);
        replace(&self.teacher, Tensor::cat(follow.moved, 0));
    }

    /// The teacher's embeddings of images (without autodiff): under batch statistics in training, which its running ones
    /// follow, and under those otherwise. Shuffling a batch would change nothing, since one device holds it whole.
    pub fn teach(&self, images: Tensor<4>, training: bool) -> Taught {
        let teacher = self.student.valid().map(&mut Fill {
            values: self.teacher.value().inner(),
            used: 0,
        });
        let features = match training {
            true => teacher.trunk.forward_by_batch(images.inner()),
            false => teacher.trunk.forward(images.inner()),
        };
        let embeddings = self.split(teacher.experts.forward(features));
        if !training {
            return Taught(embeddings);
        }
        replace(&self.teacher, values(&teacher));
        Taught(Tensor::from_inner(embeddings))
    }

    /// The student's embeddings, [B, K, d].
    pub fn embed(&self, images: Tensor<4>) -> Tensor<3> {
        self.split(self.student.experts.forward(self.student.trunk.forward(images)))
    }

    /// ω_k · g, [B, K]: what the gate's softmax is taken of.
    pub fn gate(&self, images: Tensor<4>) -> Tensor<2> {
        let g = self.gate.forward(self.student.trunk.forward(images));
        let g: Tensor<2> = unit(g.unsqueeze_dim::<3>(1)).squeeze_dim(1);
        g.matmul(self.centres.value().transpose())
    }

    /// Scores of candidates under each expert, (u_k · f_k + u_k · μ_k) / τ before the division: first the image's own
    /// embedding by the teacher, then those of the queue. f [B, K, d] → [B, K, 1 + ν].
    pub fn scores(&self, f: Tensor<3>, taught: &Taught) -> Tensor<3> {
        let towards = f + self.prototypes.value().unsqueeze_dim::<3>(0);
        let positive = (taught.0.clone() * towards.clone()).sum_dim(2);
        let [_, experts, size] = towards.dims();
        let [rows, _] = self.queue.value().dims();
        // An expert's queue stands against its own embeddings: [K, B, d] times [K, d, ν].
        let queue = self.queue.value().reshape([rows, experts, size]).swap_dims(0, 1);
        let negative = towards.swap_dims(0, 1).matmul(queue.swap_dims(1, 2)).swap_dims(0, 1);
        Tensor::cat(vec![positive, negative], 2)
    }

    /// Puts a batch's embeddings at the end of the queue, the oldest leave; and adds those of each row's expert, the greatest of
    /// `responsibilities` [B, K], to its sum.
    pub fn remember(&self, taught: &Taught, responsibilities: Tensor<2>) {
        let newest = taught.0.clone().inner();
        let [batch, experts, size] = newest.dims();
        let queue = self.queue.value().inner();
        let rows = queue.dims()[0];
        let all = Tensor::cat(vec![queue, newest.clone().reshape([batch, experts * size])], 0);
        replace(&self.queue, all.narrow(0, batch, rows));
        let chosen = responsibilities.inner().argmax(1).squeeze_dim::<1>(1);
        let chosen: Tensor<2> = chosen.one_hot::<2>(experts).float();
        let added = (chosen.unsqueeze_dim::<3>(2) * newest).sum_dim(0).squeeze_dim(0);
        replace(&self.sums, self.sums.value().inner() + added);
    }

    /// μ_k ← the direction of its sum; the sums begin again.
    pub fn renew_prototypes(&self) {
        let sums = self.sums.value().inner();
        replace(&self.sums, sums.zeros_like());
        replace(&self.prototypes, unit(sums.unsqueeze_dim::<3>(0)).squeeze_dim(0));
    }

    fn split(&self, flat: Tensor<2>) -> Tensor<3> {
        let [batch, _] = flat.dims();
        let [experts, size] = self.prototypes.value().dims();
        unit(flat.reshape([batch, experts, size]))
    }
}

/// Max-Mahalanobis centres (Pang et al. 2018): K unit vectors of size d ≥ K − 1 whose inner products are all −1 / (K − 1).
fn centres(k: usize, d: usize) -> Vec<f32> {
    assert!(k >= 2 && d + 1 >= k, "{k} centres need {} dimensions", k - 1);
    let mut rows: Vec<Vec<f64>> = vec![];
    for i in 0..k {
        let mut row = vec![0.0; d];
        for (j, other) in rows.iter().enumerate() {
            let product: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            row[j] = -(1.0 / (k - 1) as f64 + product) / other[j];
        }
        // The last centre lies in the span of the others.
        if i < k - 1 {
            row[i] = (1.0 - row.iter().map(|v| v * v).sum::<f64>()).sqrt();
        }
        rows.push(row);
    }
    rows.concat().into_iter().map(|v| v as f32).collect()
}

/// Vectors along the last axis brought to length 1; 0 stays 0.
fn unit(x: Tensor<3>) -> Tensor<3> {
    let length = x.clone().powi_scalar(2).sum_dim(2).clamp_min(1e-24).sqrt();
    x / length
}

/// All tensors of a module, one after another, without autodiff.
fn values<M: Module>(module: &M) -> Tensor<1> {
    let mut gather = Gather(vec![]);
    module.visit(&mut gather);
    Tensor::cat(gather.0, 0)
}

struct Gather(Vec<Tensor<1>>);

impl ModuleVisitor for Gather {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(plain(param.val()).flatten(0, D - 1));
    }
}

/// Without autodiff.
fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.device().is_autodiff() {
        true => tensor.inner(),
        false => tensor,
    }
}

/// Takes a teacher's parameters along with the student's; what is no parameter stays.
struct Follow {
    teacher: Tensor<1>,
    momentum: f64,
    used: usize,
    moved: Vec<Tensor<1>>,
}

impl ModuleVisitor for Follow {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let size = tensor.dims().iter().product();
        let kept = self.teacher.clone().narrow(0, self.used, size);
        self.used += size;
        self.moved.push(match tensor.is_require_grad() {
            true => {
                let student = plain(tensor).flatten(0, D - 1);
                kept.mul_scalar(self.momentum) + student.mul_scalar(1.0 - self.momentum)
            }
            false => kept,
        });
    }
}

/// Puts [`values`] back in the same order.
struct Fill {
    values: Tensor<1>,
    used: usize,
}

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let shape = tensor.dims();
            let size = shape.iter().product();
            let part = self.values.clone().narrow(0, self.used, size);
            self.used += size;
            part.reshape(shape)
        })
    }
}

#[cfg(test)]
#[path = "mice_tests.rs"]
mod tests;
