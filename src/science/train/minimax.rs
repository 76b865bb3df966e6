//! The objectives of MoA+: a mixture whose experts are weighed by the minimax weights of its gate.
//!
//! P [n, M] are the gate's shares, E [n, M] the experts' costs, Γ = Pᵀ P / n + ε I and S = Pᵀ E / n, both [M, M]. The
//! columns of P Γ⁻¹ / n (ε = 0) are the weights of least norm that give each component's mean without bias
//! (Miroshnichenko & Maiboroda, VMSTA 7(4), 2020, for known shares; here they are estimated, so only the form carries
//! over). The exact objective is trace(Γ⁻¹ S); its bound is ‖Γ⁻¹‖_F √(Σ_k S_kk²).
//!
//! Both depend on rows through two M × M matrices alone. Their slopes are found on the host in f64, since Γ is close to
//! singular at the start; what descends is linear in E and quadratic in P with these slopes as constants, which has the
//! objective's own gradients.

use super::experts::{Descent, Weighing};
use super::fit::Step;
use super::loss::{AutoencoderLoss, negative_batch_entropy, sample_entropy};
use super::objective::Noise;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::manager::Manager;
use crate::tensors::host;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, MatRef};

/// Which of the two objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Bound,
    Exact,
}

/// An objective at one point.
struct Slopes {
    value: f64,
    /// ∂L/∂S
    by_errors: Mat<f64>,
    /// ∂L/∂Γ
    by_gram: Mat<f64>,
}

fn slopes(form: Form, gram: MatRef<'_, f64>, errors: MatRef<'_, f64>) -> Slopes {
    let m = gram.nrows();
    let inverse = gram.partial_piv_lu().inverse();
    match form {
        Form::Bound => {
            let norm = inverse.norm_l2();
            // The guard keeps the slope of the root finite where all costs vanish.
            let size = ((0..m).map(|k| errors[(k, k)].powi(2)).sum::<f64>() + 1e-12).sqrt();
            let cube = &inverse * &inverse * &inverse;
            Slopes {
                value: norm * size,
                by_errors: Mat::from_fn(m, m, |i, k| if i == k { norm * errors[(k, k)] / size } else { 0.0 }),
                by_gram: Mat::from_fn(m, m, |i, k| -size * cube[(i, k)] / norm),
            }
        }
        Form::Exact => {
            let inner = &inverse * errors * &inverse;
            Slopes {
                value: (0..m)
                    .map(|k| (0..m).map(|j| inverse[(k, j)] * errors[(j, k)]).sum::<f64>())
                    .sum(),
                by_errors: inverse.transpose().to_owned(),
                by_gram: Mat::from_fn(m, m, |i, k| -inner[(k, i)]),
            }
        }
    }
}

/// One step of MoA+ on images [B, C, D, D]. `noise` has one entry per expert; `ridge` is ε.
pub fn minimax_step(
    gate: &Manager,
    experts: &[Autoencoder],
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    (form, ridge): (Form, f64),
) -> Step {
    let logits = gate.forward(images.clone());
    let p = softmax(logits.clone(), 1);
    let shares = p.clone().detach();
    let device = p.device();
    let slopes = |costs: &Tensor<2>| {
        let m = experts.len();
        slopes(
            form,
            (gram(&shares, &shares) + ridge * Mat::<f64>::identity(m, m)).as_ref(),
            gram(&shares, costs).as_ref(),
        )
    };
    let weigh = |costs: &Tensor<2>| shares.clone().matmul(upload(&slopes(costs).by_errors, &device));
    let mut descent = Descent::of(experts, loss, &images, noise, Weighing::FromCosts(&weigh));
    let Slopes {
        value,
        by_errors,
        by_gram,
    } = slopes(&descent.costs);
    let by_errors = upload(&by_errors, &device);
    let by_gram = upload(&by_gram, &device);
    // The gate sees its shares under fixed costs.
    let towards_gate = p.clone().matmul(by_errors) * descent.costs.clone() + p.clone().matmul(by_gram) * p;
    descent.gradients.push(towards_gate.sum_dim(1).mean().backward().into());
    let value = Tensor::from_data(TensorData::new(vec![value as f32], [1]), &device);
    let entropies = [sample_entropy(logits.clone()), negative_batch_entropy(logits)];
    Step {
        values: descent.values(value, &shares, entropies),
        gradients: descent.gradients,
    }
}

/// Aᵀ B / n of two matrices [n, M], in f64.
fn gram(a: &Tensor<2>, b: &Tensor<2>) -> Mat<f64> {
    let [n, m] = a.dims();
    let host = |x: &Tensor<2>| -> Vec<f64> { host(x.clone().inner()).into_iter().map(f64::from).collect() };
    let (a, b) = (host(a), host(b));
    let (a, b) = (
        MatRef::from_row_major_slice(&a, n, m),
        MatRef::from_row_major_slice(&b, n, m),
    );
    a.transpose() * b * faer::Scale(1.0 / n as f64)
}

fn upload(matrix: &Mat<f64>, device: &burn::tensor::Device) -> Tensor<2> {
    let (rows, cols) = (matrix.nrows(), matrix.ncols());
    let values: Vec<f32> = (0..rows)
        .flat_map(|i| (0..cols).map(move |k| (i, k)))
        .map(|at| matrix[at] as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, cols]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Γ and S of shares whose rows are softmaxes, and costs.
    fn point(logits: &[f64], costs: &[f64], m: usize) -> (Mat<f64>, Mat<f64>) {
        let n = logits.len() / m;
        let shares = Mat::from_fn(n, m, |i, k| {
            let row = &logits[i * m..(i + 1) * m];
            row[k].exp() / row.iter().map(|l| l.exp()).sum::<f64>()
        });
        let errors = Mat::from_fn(n, m, |i, k| costs[i * m + k]);
        let scale = faer::Scale(1.0 / n as f64);
        (
            shares.transpose() * &shares * scale + 0.01 * Mat::<f64>::identity(m, m),
            shares.transpose() * &errors * scale,
        )
    }

    #[test]
    fn one_hot_gates_weigh_every_cluster_alike() {
        // Three rows in the first cluster, one in the second.
        let gram = Mat::from_fn(2, 2, |i, k| if i != k { 0.0 } else { [0.75, 0.25][k] });
        let errors = Mat::from_fn(2, 2, |i, k| if i != k { 0.0 } else { [0.75 * 2.0, 0.25 * 6.0][k] });
        let exact = slopes(Form::Exact, gram.as_ref(), errors.as_ref());
        assert!(
            (exact.value - (2.0 + 6.0)).abs() < 1e-12,
            "the sum of the clusters' mean costs"
        );
        let bound = slopes(Form::Bound, gram.as_ref(), errors.as_ref());
        let expected = (1.0_f64 / 0.75_f64.powi(2) + 1.0 / 0.25_f64.powi(2)).sqrt() * (1.5_f64.powi(2) * 2.0).sqrt();
        assert!((bound.value - expected).abs() < 1e-9);
    }

    #[test]
    fn for_three_experts_the_bound_can_fail() {
        let shares = Mat::from_fn(4, 3, |i, k| {
            [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]][i][k]
        });
        let costs = Mat::from_fn(4, 3, |i, k| if (i, k) == (0, 2) { 1.0 } else { 0.0 });
        let (gram, errors) = (shares.transpose() * &shares, shares.transpose() * &costs);
        let exact = slopes(Form::Exact, gram.as_ref(), errors.as_ref()).value;
        let bound = slopes(Form::Bound, gram.as_ref(), errors.as_ref()).value;
        assert!((exact - 0.1).abs() < 1e-12 && bound < 1e-4, "{exact} {bound}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn slopes_are_those_of_the_values(
            m in 2_usize..5,
            logits in proptest::collection::vec(-2.0_f64..2.0, 40),
            costs in proptest::collection::vec(0.1_f64..3.0, 40),
        ) {
            let n = 40 / m * m;
            let (gram, errors) = point(&logits[..n], &costs[..n], m);
            for form in [Form::Bound, Form::Exact] {
                let here = slopes(form, gram.as_ref(), errors.as_ref());
                for (i, k) in (0..m).flat_map(|i| (0..m).map(move |k| (i, k))) {
                    let h = 1e-6;
                    let change = |matrix: &Mat<f64>, by: f64| {
                        let mut changed = matrix.clone();
                        changed[(i, k)] += by;
                        changed
                    };
                    let by_errors = |by| slopes(form, gram.as_ref(), change(&errors, by).as_ref()).value;
                    let numeric = (by_errors(h) - by_errors(-h)) / (2.0 * h);
                    prop_assert!((numeric - here.by_errors[(i, k)]).abs() < 1e-4 * (1.0 + numeric.abs()));
                    // Γ stays symmetric, so an entry moves with its mirror.
                    let by_gram = |by: f64| {
                        let mut changed = change(&gram, by / 2.0);
                        changed[(k, i)] += by / 2.0;
                        slopes(form, changed.as_ref(), errors.as_ref()).value
                    };
                    let numeric = (by_gram(h) - by_gram(-h)) / (2.0 * h);
                    let ours = (here.by_gram[(i, k)] + here.by_gram[(k, i)]) / 2.0;
                    prop_assert!((numeric - ours).abs() < 1e-3 * (1.0 + numeric.abs()), "{form:?} {numeric} {ours}");
                }
            }
        }

        #[test]
        fn for_two_experts_the_bound_holds(
            logits in proptest::collection::vec(-4.0_f64..4.0, 40),
            costs in proptest::collection::vec(0.0_f64..3.0, 40),
        ) {
            let (gram, errors) = point(&logits, &costs, 2);
            let exact = slopes(Form::Exact, gram.as_ref(), errors.as_ref()).value;
            let bound = slopes(Form::Bound, gram.as_ref(), errors.as_ref()).value;
            prop_assert!(exact <= bound * (1.0 + 1e-9) + 1e-6);
        }
    }
}
