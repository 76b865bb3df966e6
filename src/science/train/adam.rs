//! Adam (Kingma & Ba 2015) with its moments kept by module path.
//!
//! Burn's own optimisers key their records by random parameter ids and skip what does not match; a checkpoint needs names.

use super::fit::Part;
use crate::device::{AdamRule, AdamState, adam_step};
use crate::nn::weights::Path;
use crate::tensors::Named;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use std::collections::BTreeMap;

pub struct Adam {
    rule: AdamRule,
    steps: u64,
    /// Moments by path, flattened.
    moments: BTreeMap<String, AdamState<1>>,
}

impl Adam {
    pub fn new(learning_rate: f64) -> Self {
        Self {
            rule: AdamRule {
                lr: learning_rate,
                ..AdamRule::default()
            },
            steps: 0,
            moments: BTreeMap::new(),
        }
    }

    /// One step, with gradients in parts that share no parameter. A parameter without a gradient keeps its value and its
    /// moments.
    pub fn step<M: Module>(&mut self, module: M, gradients: &[Part]) -> M {
        self.steps += 1;
        module.map(&mut Step {
            adam: self,
            gradients,
            path: Path::default(),
        })
    }

    /// Moments as `first/<path>` and `second/<path>`, for a checkpoint.
    pub fn state(&self) -> (u64, BTreeMap<String, Named>) {
        let mut state = BTreeMap::new();
        for (path, moments) in &self.moments {
            state.insert(format!("first/{path}"), Named::from_tensor(moments.m.clone()));
            state.insert(format!("second/{path}"), Named::from_tensor(moments.v.clone()));
        }
        (self.steps, state)
    }

    /// Takes a checkpoint's state up, for the parameters `trained` (path → number of values).
    ///
    /// # Errors
    /// If after a step a parameter has no moments, or moments of another size, or no parameter belongs to a moment.
    pub fn restore(
        &mut self,
        steps: u64,
        state: &BTreeMap<String, Named>,
        trained: &BTreeMap<String, usize>,
        device: &Device,
    ) -> Result<(), String> {
        self.steps = steps;
        self.moments.clear();
        if steps > 0 {
            for (path, &size) in trained {
                let moment = |which: &str| match state.get(&format!("{which}/{path}")) {
                    Some(moment) if moment.values.len() == size => Ok(moment.to_tensor(device)),
                    Some(moment) => Err(format!(
                        "the {which} moment of {path} has {} values in place of {size}",
                        moment.values.len()
                    )),
                    None => Err(format!("no {which} moment of {path}")),
                };
                let (m, v) = (moment("first")?, moment("second")?);
                self.moments.insert(path.clone(), AdamState { m, v });
            }
        }
        if state.len() != 2 * self.moments.len() {
            return Err(format!(
                "{} moments for {} parameters that have stepped",
                state.len(),
                self.moments.len()
            ));
        }
        Ok(())
    }
}

struct Step<'a> {
    adam: &'a mut Adam,
    gradients: &'a [Part],
    path: Path,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let of_part = |part: &Part| Some((param.val().grad(&part.gradients)?, part.pace));
        let Some((gradient, pace)) = self.gradients.iter().find_map(of_part) else {
            return param;
        };
        let gradient = gradient.flatten::<1>(0, D - 1);
        let path = self.path.name();
        let state = self
            .adam
            .moments
            .remove(&path)
            .unwrap_or_else(|| AdamState::new(&gradient));
        let mut moments = None;
        let param = param.map(|tensor| {
            let shape = tensor.dims();
            let flat = tensor.inner().flatten::<1>(0, D - 1);
            let rule = AdamRule {
                lr: pace * self.adam.rule.lr,
                ..self.adam.rule
            };
            let (next, after) = adam_step(flat, gradient, state, &rule, self.adam.steps);
            moments = Some(after);
            Tensor::from_inner(next.reshape(shape)).require_grad()
        });
        self.adam.moments.insert(path, moments.expect("map calls its closure"));
        param
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::host;
    use burn::nn::LinearConfig;

    #[test]
    fn a_part_steps_at_its_pace() {
        let device = Device::flex().autodiff();
        let moved = |pace: f64| {
            let module = LinearConfig::new(1, 1).init(&device);
            let before = host(module.weight.val().inner())[0];
            let gradients = module.weight.val().powi_scalar(2).add_scalar(1.0).sum().backward();
            let after = Adam::new(0.1).step(module, &[Part { gradients, pace }]);
            (host(after.weight.val().inner())[0] - before).abs()
        };
        // Adam's first step is as long as its rate, whatever the gradient.
        for (pace, expected) in [(0.0, 0.0), (0.5, 0.05), (1.0, 0.1)] {
            assert!((moved(pace) - expected).abs() < 1e-4, "{pace}");
        }
    }
}
