//! What tests of training share: values from PyTorch (scripts/fixtures) to compare losses and gradients with, and someone
//! who stops a run.

use super::fit::{Part, Step, Watcher};
use crate::device::{self, Choice};
use crate::nn::weights::{self, Path};
use crate::tensors::{Named, TensorFile, host};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Stops after so many questions.
pub struct Patience(pub Cell<u64>);

impl Watcher for Patience {
    fn progress(&self, _: u64, _: u64, _: &BTreeMap<String, f64>) {}

    fn note(&self, _: String) {}

    fn should_stop(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

/// A file of tests/fixtures/training, on a device with autodiff.
pub struct Reference<M> {
    pub meta: M,
    pub device: Device,
    tensors: BTreeMap<String, Named>,
}

impl<M: DeserializeOwned> Reference<M> {
    pub fn open(name: &str, choice: Choice) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/training");
        let file = TensorFile::open(format!("{folder}/{name}.safetensors").as_ref()).unwrap();
        Self {
            meta: file.meta().unwrap(),
            tensors: file.all_f32().unwrap(),
            device: device::open(choice, 1).unwrap().autodiff(),
        }
    }

    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.tensors[name].to_tensor(&self.device)
    }

    /// The tensors whose names begin with `prefix`, by the rest of their names.
    pub fn part(&self, prefix: &str) -> BTreeMap<String, Named> {
        let stripped =
            |(name, tensor): (&String, &Named)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()));
        self.tensors.iter().filter_map(stripped).collect()
    }

    /// Puts the fixture's weights into a network.
    pub fn load<N: Module>(&self, module: N, prefix: &str) -> N {
        put(module, self.part(prefix))
    }
}

/// Puts `given` into a network; running statistics, which training does not read, stay as they are.
pub fn put<N: Module>(module: N, given: BTreeMap<String, Named>) -> N {
    let mut tensors = weights::collect(&module);
    tensors.retain(|name, _| name.contains("running_"));
    tensors.extend(given);
    weights::restore(module, &tensors).unwrap()
}

struct Collect<'a> {
    path: Path,
    gradients: &'a [Part],
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parts: Vec<_> = self
            .gradients
            .iter()
            .filter_map(|part| param.val().grad(&part.gradients))
            .collect();
        assert!(parts.len() <= 1, "{} has a gradient in two parts", self.path.name());
        self.found
            .extend(parts.into_iter().map(|gradient| (self.path.name(), host(gradient))));
    }
}

pub fn near(name: &str, ours: f64, theirs: f64) {
    assert!(
        (ours - theirs).abs() <= 1e-4 * theirs.abs().max(1e-3),
        "{name}: {ours} here, {theirs} in PyTorch"
    );
}

/// Every parameter has a gradient, equal to PyTorch's within 1e-4 of the largest value of its tensor.
pub fn same_gradients<M: Module>(model: &M, step: &Step, expected: &BTreeMap<String, Named>) {
    let mut collect = Collect {
        path: Path::default(),
        gradients: &step.gradients,
        found: BTreeMap::new(),
    };
    model.visit(&mut collect);
    assert_eq!(
        collect.found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, ours) in &collect.found {
        let theirs = &expected[name].values;
        let scale = theirs.iter().fold(1e-3_f32, |most, v| most.max(v.abs()));
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() <= 1e-4 * scale, "{name}: {a} here, {b} in PyTorch");
        }
    }
}
