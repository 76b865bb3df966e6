//! Weights by module path: drawing them, and carrying them to and from named tensors.

use crate::random::Draws;
use crate::tensors::Named;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use std::collections::BTreeMap;

/// Draws every `weight` from U(−1/√fan_in, 1/√fan_in), keyed by its path; biases stay 0, batch norms 1 and 0.
///
/// The draw is made on the host, so a network starts from the same weights on every device.
pub fn initialise<M: Module>(module: M, draws: &Draws) -> M {
    module.map(&mut Initialise {
        draws,
        path: Path::default(),
    })
}

/// All parameters and running statistics, by path.
pub fn collect<M: Module>(module: &M) -> BTreeMap<String, Named> {
    let mut collect = Collect {
        path: Path::default(),
        tensors: BTreeMap::new(),
    };
    module.visit(&mut collect);
    collect.tensors
}

/// Puts `tensors` in place of the module's own.
///
/// # Errors
/// Names every tensor that is missing, left over, or of another shape: nothing is skipped in silence.
pub fn restore<M: Module>(module: M, tensors: &BTreeMap<String, Named>) -> Result<M, String> {
    let mut restore = Restore {
        path: Path::default(),
        tensors,
        used: Vec::new(),
        problems: Vec::new(),
    };
    let module = module.map(&mut restore);
    let used = &restore.used;
    let left = tensors
        .keys()
        .filter(|name| !used.contains(name))
        .map(|name| format!("{name}: not part of the network"));
    restore.problems.extend(left);
    if restore.problems.is_empty() {
        Ok(module)
    } else {
        Err(restore.problems.join("; "))
    }
}

/// Paths of the parameters that are trained, with the number of their values.
pub fn trained<M: Module>(module: &M) -> BTreeMap<String, usize> {
    let mut trained = Trained {
        path: Path::default(),
        sizes: BTreeMap::new(),
    };
    module.visit(&mut trained);
    trained.sizes
}

/// Where a visitor or mapper stands in the module tree.
#[derive(Default)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    pub(crate) fn name(&self) -> String {
        self.0.join(".")
    }
}

struct Initialise<'a> {
    draws: &'a Draws,
    path: Path,
}

impl ModuleMapper for Initialise<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        if !name.ends_with("weight") {
            return param;
        }
        let mut rng = self.draws.at(&format!("weights/{name}"), 0, 0);
        param.map(|tensor| {
            let shape = tensor.dims();
            // Convolutions are [O, I, h, w], linear layers [I, O].
            let fan_in: usize = if D == 2 { shape[0] } else { shape[1..].iter().product() };
            let bound = 1.0 / (fan_in as f32).sqrt();
            let values: Vec<f32> = (0..shape.iter().product())
                .map(|_| (2.0 * rng.random::<f32>() - 1.0) * bound)
                .collect();
            Tensor::from_data(TensorData::new(values, shape), &tensor.device()).require_grad()
        })
    }
}

struct Collect {
    path: Path,
    tensors: BTreeMap<String, Named>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.insert(self.path.name(), Named::from_tensor(param.val()));
    }
}

struct Trained {
    path: Path,
    sizes: BTreeMap<String, usize>,
}

impl ModuleVisitor for Trained {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if tensor.is_require_grad() {
            self.sizes.insert(self.path.name(), tensor.dims().iter().product());
        }
    }
}

struct Restore<'a> {
    path: Path,
    tensors: &'a BTreeMap<String, Named>,
    used: Vec<String>,
    problems: Vec<String>,
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(named) = self.tensors.get(&name) else {
            self.problems.push(format!("{name}: missing"));
            return param;
        };
        let shape = param.val().dims();
        if named.shape != shape {
            self.problems.push(format!(
                "{name}: has the shape {:?}, the network wants {shape:?}",
                named.shape
            ));
            return param;
        }
        self.used.push(name);
        let tracked = param.val().is_require_grad();
        param.map(|tensor| {
            let restored = named.to_tensor::<D>(&tensor.device());
            if tracked { restored.require_grad() } else { restored }
        })
    }
}
