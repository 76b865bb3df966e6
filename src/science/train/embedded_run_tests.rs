//! Runs of DEC, VaDE and DynAE on images of two kinds: they resume to the same bytes, end where they should, and tell the
//! kinds apart.

use super::checkpoint::{Binding, Checkpoints};
use super::dec::{self, DecLoss, SelfTraining, dec_step};
use super::dynae::{self, DynaeLoss, Dynamic, dynae_step};
use super::fit::{At, FitError, History, Plan, Step, Training};
use super::images::gather;
use super::loss::AutoencoderLoss;
use super::objective::{Noise, autoencoder_columns, autoencoder_step};
use super::testing::Patience;
use super::vade::{self, vade_step};
use crate::device::{self, Choice};
use crate::matrix::Matrix;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::centred::Centred;
use crate::nn::vade::Vade;
use crate::nn::weights;
use crate::random::{Draws, standard_normal};
use crate::tensors::host;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_stages::network::{Reconstruction, Reduction, Variant};
use std::cell::Cell;
use std::path::Path;

const ROWS: usize = 24;

/// DEC's.
const LOSS: DecLoss = DecLoss {
    clustering: 1.0,
    reconstruction: 0.0,
    autoencoder: AutoencoderLoss {
        variant: Variant::Ae,
        reconstruction: Reconstruction::Mse,
        reduction: Reduction::Mean,
        kl_weight: 0.0,
        l1_weight: 0.0,
    },
};

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Images 8×8, bright on the left (even rows) or on the right (odd rows), with noise.
fn two_kinds(device: &Device) -> Tensor<4> {
    let noise = standard_normal(ROWS * 64, &mut Draws::new(5).at("images", 0, 0));
    let pixel = |(i, noise): (usize, &f32)| {
        let bright = (i / 64 % 2 == 0) == (i % 8 < 4);
        (if bright { 0.8 } else { 0.2 } + 0.1 * noise).clamp(0.0, 1.0)
    };
    tensor(noise.iter().enumerate().map(pixel).collect(), [ROWS, 1, 8, 8], device)
}

/// The kind of every row, but for every fourth, which has the other one.
fn start(row: usize) -> usize {
    (row + usize::from(row.is_multiple_of(4))) % 2
}

/// A run on [`two_kinds`] with what it needs around it.
struct Bench {
    device: Device,
    autodiff: Device,
    draws: Draws,
    images: Tensor<4>,
}

impl Bench {
    fn new() -> Self {
        let device = device::open(Choice::Flex, 1).unwrap();
        Self {
            autodiff: device.clone().autodiff(),
            draws: Draws::new(11),
            images: two_kinds(&device),
            device,
        }
    }

    fn autoencoder(&self, variant: Variant) -> Autoencoder {
        let shape = AutoencoderShape {
            architecture: Architecture::new(1, 8, 8, 4).unwrap(),
            latent_dim: 2,
            variant,
        };
        weights::initialise(Autoencoder::new(&shape, &self.autodiff), &self.draws)
    }

    fn batches(&self) -> impl Iterator<Item = Tensor<4>> {
        [(0, 16), (16, ROWS - 16)]
            .map(|(start, n)| self.images.clone().narrow(0, start, n))
            .into_iter()
    }

    fn codes(&self, model: &Autoencoder) -> Matrix {
        Matrix::new(ROWS, 2, host(model.valid().encode(self.images.clone()).mean))
    }

    /// Means of the codes by [`start`].
    fn means(&self, codes: &Matrix) -> Vec<Vec<f64>> {
        let mean = |k: usize| {
            let rows: Vec<usize> = (0..ROWS).filter(|&row| start(row) == k).collect();
            let mean = |l: usize| rows.iter().map(|&r| f64::from(codes.row(r)[l])).sum::<f64>() / rows.len() as f64;
            (0..2).map(mean).collect()
        };
        (0..2).map(mean).collect()
    }

    fn self_training(&self) -> SelfTraining {
        let autoencoder = self.autoencoder(Variant::Ae).with_fixed_decoder();
        let means = self.means(&self.codes(&autoencoder)).concat();
        let centres = tensor(means.iter().map(|&v| v as f32).collect(), [2, 2], &self.autodiff);
        let model = Centred::new(autoencoder, centres);
        SelfTraining::new(model, self.batches(), &self.autodiff)
    }

    /// Refreshes in every second step.
    fn dec(
        &self,
        folder: &Path,
        epochs: u64,
        patience: u64,
        tolerance: f64,
    ) -> Result<(SelfTraining, History), FitError> {
        let step = |training: &SelfTraining, rows: &[usize], at: At| {
            let done = at.epoch * 3 + at.step;
            if done > 0 && done.is_multiple_of(2) {
                training.refresh(self.batches());
            }
            dec_step(training, &LOSS, self.batch(rows), training.targets(rows))
        };
        let settled = |training: &SelfTraining| training.changed() < tolerance;
        self.run(
            (folder, epochs, patience),
            LOSS.columns(),
            self.self_training(),
            step,
            settled,
        )
    }

    fn dynamic(&self) -> Dynamic {
        let autoencoder = self.autoencoder(Variant::Ae);
        let codes = self.codes(&autoencoder);
        Dynamic::new(autoencoder, &codes, &self.means(&codes), &self.autodiff)
    }

    /// Checks in every second step.
    fn dynae(&self, folder: &Path, epochs: u64, patience: u64) -> Result<(Dynamic, History), FitError> {
        let model = self.dynamic();
        let loss = DynaeLoss {
            kappa: 1.5,
            reconstruction: 1.0,
        };
        let step = |model: &Dynamic, rows: &[usize], at: At| {
            if (at.epoch * 3 + at.step).is_multiple_of(2) {
                model.check(&loss, self.batches(), &self.draws);
            }
            dynae_step(model, &loss, self.batch(rows), self.batch(rows))
        };
        let columns = dynae::COLUMNS.map(str::to_owned).to_vec();
        self.run((folder, epochs, patience), columns, model, step, |_| false)
    }

    fn batch(&self, rows: &[usize]) -> Tensor<4> {
        Tensor::from_inner(gather(&self.images, rows))
    }

    /// Three steps an epoch.
    fn run<M: Module>(
        &self,
        (folder, epochs, patience): (&Path, u64, u64),
        columns: Vec<String>,
        model: M,
        step: impl Fn(&M, &[usize], At) -> Step,
        settled: impl Fn(&M) -> bool,
    ) -> Result<(M, History), FitError> {
        let binding = Binding {
            key: "k".into(),
            device: "flex".into(),
            threads: 1,
            libraries: [("libtorch".to_owned(), "l".to_owned())].into(),
        };
        let training = Training {
            plan: Plan {
                epochs,
                batch_size: 8,
                learning_rate: 0.01,
            },
            columns,
            draws: &self.draws,
            device: &self.device,
            checkpoints: Checkpoints::new(folder, binding),
            watcher: &Patience(Cell::new(patience)),
        };
        training.fit_until(model, &(0..ROWS).collect::<Vec<_>>(), step, settled)
    }
}

/// A run of three epochs, stopped after any step, ends like one that was not.
fn resumes<M: Module>(train: impl Fn(&Path, u64) -> Result<(M, History), FitError>) {
    let whole = tempfile::tempdir().unwrap();
    let (model, history) = train(whole.path(), u64::MAX).unwrap();
    let expected = weights::collect(&model);
    for stop in 0..9 {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            matches!(train(folder.path(), stop), Err(FitError::Interrupted)),
            "after {stop}"
        );
        let (model, resumed) = train(folder.path(), u64::MAX).unwrap();
        for (name, tensor) in weights::collect(&model) {
            assert_eq!(tensor, expected[&name], "{name} after {stop} steps");
        }
        assert_eq!(resumed, history, "after {stop} steps");
    }
}

#[test]
fn dec_stopped_between_two_refreshes_goes_on_with_the_targets_it_had() {
    let bench = Bench::new();
    resumes(|folder, patience| bench.dec(folder, 3, patience, 0.0));
}

#[test]
fn dynae_stopped_between_two_checks_goes_on_with_the_centres_and_thresholds_it_had() {
    let bench = Bench::new();
    resumes(|folder, patience| bench.dynae(folder, 3, patience));
}

/// Whether the greatest p tells the two kinds apart.
fn apart(p: Tensor<2>) -> bool {
    let p = host(p);
    let first = |row: usize| p[row * 2] > p[row * 2 + 1];
    (0..ROWS).all(|row| first(row) == (first(0) == row.is_multiple_of(2)))
}

#[test]
fn dec_tells_two_kinds_of_images_apart_and_its_assignments_grow_sure() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let (training, _) = bench.dec(folder.path(), 15, u64::MAX, 0.0).unwrap();
    let p = dec::assign(&training.model.valid(), bench.batches());
    assert!(apart(p.clone()), "{:?}", host(p));
    assert_eq!(training.changed(), 0.0);
    let sure = |p: Tensor<2>| host(p.max_dim(1).mean())[0];
    let before = dec::assign(&bench.self_training().model.valid(), bench.batches());
    assert!(
        sure(p.clone()) > sure(before.clone()) + 0.1,
        "{} {}",
        sure(p),
        sure(before)
    );
}

#[test]
fn dec_leaves_a_fixed_decoder_as_it_was() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let (training, _) = bench.dec(folder.path(), 2, u64::MAX, 0.0).unwrap();
    let (before, after) = (bench.self_training().model, training.model);
    let (before, after) = (weights::collect(&before), weights::collect(&after));
    for (name, tensor) in before {
        let fixed = name.contains("decoder");
        assert_eq!(fixed, tensor == after[&name], "{name}");
    }
}

#[test]
fn vade_tells_two_kinds_of_images_apart() {
    let bench = Bench::new();
    let plain = |model: &Autoencoder, rows: &[usize], _: At| {
        let posterior = Tensor::zeros([rows.len(), 2], &bench.autodiff);
        let noise = Noise { posterior, prior: None };
        autoencoder_step(model, &LOSS.autoencoder, bench.batch(rows), noise)
    };
    let columns = autoencoder_columns(&LOSS.autoencoder);
    let folder = tempfile::tempdir().unwrap();
    let autoencoder = bench.autoencoder(Variant::Ae);
    let never = |_: &Autoencoder| false;
    let run = (folder.path(), 20, u64::MAX);
    let (autoencoder, _) = bench.run(run, columns, autoencoder, plain, never).unwrap();
    let codes = bench.codes(&autoencoder);
    let means = bench.means(&codes);
    let apart_by = (0..2).map(|l| (means[0][l] - means[1][l]).powi(2)).sum::<f64>();
    // Components half as wide as their means are apart, posteriors a third of that.
    let model = Vade::new(
        autoencoder.variational((apart_by / 36.0).ln() as f32),
        Tensor::zeros([2], &bench.autodiff),
        tensor(
            means.concat().iter().map(|&v| v as f32).collect(),
            [2, 2],
            &bench.autodiff,
        ),
        Tensor::zeros([2, 2], &bench.autodiff) + (apart_by / 4.0).ln(),
    );
    let folder = tempfile::tempdir().unwrap();
    let step = |model: &Vade, rows: &[usize], at: At| {
        let noise = standard_normal(rows.len() * 2, &mut bench.draws.at("posterior", at.epoch, at.step));
        let noise = tensor(noise, [rows.len(), 2], &bench.autodiff);
        vade_step(model, Reconstruction::Bce, bench.batch(rows), noise)
    };
    let columns = vade::COLUMNS.map(str::to_owned).to_vec();
    let run = (folder.path(), 10, u64::MAX);
    let (model, history) = bench.run(run, columns, model, step, |_| false).unwrap();
    let p = vade::assign(&model.valid(), bench.batches());
    assert!(apart(p.clone()), "{:?}", host(p));
    assert!(history.rows[9][0] < history.rows[0][0]);
}

#[test]
fn dynae_tells_two_kinds_of_images_apart_and_runs_out_of_conflicted_rows() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = bench.dynae(folder.path(), 20, u64::MAX).unwrap();
    let centred = Centred::new(model.autoencoder.clone(), model.centres()).valid();
    let p = dec::assign(&centred, bench.batches());
    assert!(apart(p.clone()), "{:?}", host(p));
    assert!(model.conflicted() < 0.1, "{}", model.conflicted());
}

#[test]
fn a_settled_model_ends_the_run_before_the_next_epoch_also_after_a_stop() {
    let bench = Bench::new();
    let run = |folder: &Path, patience: u64| bench.dec(folder, 50, patience, 0.01);
    let whole = tempfile::tempdir().unwrap();
    let (model, history) = run(whole.path(), u64::MAX).unwrap();
    assert!((2..50).contains(&history.rows.len()), "{} epochs", history.rows.len());
    assert!(model.changed() < 0.01);
    let folder = tempfile::tempdir().unwrap();
    let last = 3 * history.rows.len() as u64 - 1;
    assert!(run(folder.path(), last).is_err());
    assert_eq!(run(folder.path(), u64::MAX).unwrap().1, history);
}

#[test]
fn thresholds_fall_only_while_conflicted_rows_do_not_become_fewer() {
    let bench = Bench::new();
    let after_checks = |kappa: f64, checks: usize| {
        let model = bench.dynamic();
        let loss = DynaeLoss {
            kappa,
            reconstruction: 1.0,
        };
        (0..checks).for_each(|_| model.check(&loss, bench.batches(), &bench.draws));
        (model.conflicted(), model.lowered())
    };
    assert_eq!(
        after_checks(0.0, 1),
        (0.0, 0.0),
        "fewer than before: none is conflicted"
    );
    assert_eq!(after_checks(100.0, 1), (1.0, 1.0), "as many as before: all are");
    assert_eq!(after_checks(100.0, 2), (1.0, 2.0));
}
