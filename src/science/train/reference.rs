//! Losses and gradients of other implementations, which the tests compare ours with (`scripts/fixtures`).

use super::fit::Step;
use crate::device::{self, Choice};
use crate::nn::weights::{self, Path};
use crate::tensors::{Named, TensorFile, host};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// One file of `tests/fixtures/training`.
pub struct Reference<Meta> {
    pub meta: Meta,
    tensors: BTreeMap<String, Named>,
    /// With autodiff.
    pub device: Device,
}

impl<Meta: DeserializeOwned> Reference<Meta> {
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

    /// The tensors whose names start with `prefix`, without it.
    pub fn part(&self, prefix: &str) -> BTreeMap<String, Named> {
        let stripped =
            |(name, tensor): (&String, &Named)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()));
        self.tensors.iter().filter_map(stripped).collect()
    }

    /// Puts the weights into a network; running statistics, which training does not read, stay as they are.
    pub fn load<M: Module>(&self, module: M, prefix: &str) -> M {
        self.put(module, self.part(prefix))
    }

    pub fn put<M: Module>(&self, module: M, weights: BTreeMap<String, Named>) -> M {
        let mut tensors = weights::collect(&module);
        tensors.retain(|name, _| name.contains("running_"));
        tensors.extend(weights);
        weights::restore(module, &tensors).unwrap()
    }
}

struct Collect<'a> {
    path: Path,
    gradients: &'a [Gradients],
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
            .filter_map(|part| param.val().grad(part))
            .collect();
        assert!(parts.len() <= 1, "{} has a gradient in two parts", self.path.name());
        self.found
            .extend(parts.into_iter().map(|gradient| (self.path.name(), host(gradient))));
    }
}

/// Within 1e-4.
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
