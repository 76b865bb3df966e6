//! Points with a known structure, made on the spot from a seed of their own.

use super::error::DataError;
use super::images::{Features, Labels};
use crate::matrix::Matrix;
use crate::random::Draws;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// A generator and its settings. Equal values give equal points (sine and logarithm are the
/// system's: another libm may move the last bit).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Synthetic {
    /// `centers` normal clouds with standard deviation `spread` around centres drawn uniformly from [-10, 10]^`dims`.
    Blobs {
        n: usize,
        #[serde(default = "five")]
        centers: usize,
        #[serde(default = "two")]
        dims: usize,
        #[serde(default = "one")]
        spread: f64,
        #[serde(default)]
        seed: u64,
    },
    /// Five arcs of a third of a turn, each of radius 1 and on its own place of a ring of radius 2.5, in 2-D, with
    /// normal noise of standard deviation `noise`.
    Arcs {
        n: usize,
        #[serde(default = "twentieth")]
        noise: f64,
        #[serde(default)]
        seed: u64,
    },
    /// Two interleaved half circles of radius 1 in 2-D, with normal noise of standard deviation `noise`.
    Moons {
        n: usize,
        #[serde(default = "twentieth")]
        noise: f64,
        #[serde(default)]
        seed: u64,
    },
}

fn five() -> usize {
    5
}
fn two() -> usize {
    2
}
fn one() -> f64 {
    1.0
}
fn twentieth() -> f64 {
    0.05
}

/// More values than this are no experiment but a mistake.
const MAX_VALUES: usize = 1 << 28;

impl Synthetic {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Blobs { .. } => "blobs",
            Self::Arcs { .. } => "arcs",
            Self::Moons { .. } => "moons",
        }
    }

    /// Items go round the classes (item i has label i mod classes), so any two classes differ by one item at most.
    pub fn generate(&self) -> Result<Features, DataError> {
        let (n, dims, classes, spread, seed) = match *self {
            Self::Blobs {
                n,
                centers,
                dims,
                spread,
                seed,
            } => (n, dims, centers, spread, seed),
            Self::Arcs { n, noise, seed } => (n, 2, 5, noise, seed),
            Self::Moons { n, noise, seed } => (n, 2, 2, noise, seed),
        };
        self.check(n, dims, classes, spread)?;
        let draws = Draws::new(seed);
        let mut normal = Normal {
            rng: draws.at(self.name(), 0, 1),
            spare: None,
        };
        let mut place = draws.at(self.name(), 0, 0);
        let centres: Vec<f64> = match self {
            Self::Blobs { .. } => (0..classes * dims).map(|_| place.random_range(-10.0..10.0)).collect(),
            _ => Vec::new(),
        };
        let mut data = Vec::with_capacity(n * dims);
        for i in 0..n {
            let class = i % classes;
            let point = match self {
                Self::Blobs { .. } => centres[class * dims..(class + 1) * dims].to_vec(),
                Self::Arcs { .. } => arc(class, place.random()),
                Self::Moons { .. } => moon(class, place.random()),
            };
            data.extend(point.iter().map(|v| (v + spread * normal.next()) as f32));
        }
        let labels = Labels {
            values: (0..n).map(|i| (i % classes) as i64).collect(),
            class_names: Vec::new(),
        };
        Ok(Features {
            matrix: Matrix::new(n, dims, data),
            labels: Some(labels),
            name: self.name().into(),
            split: "all".into(),
            source_digest: String::new(),
        })
    }

    fn check(&self, n: usize, dims: usize, classes: usize, spread: f64) -> Result<(), DataError> {
        let fail =
            |what: String, next: &str| Err(DataError::setting("dataset", format!("{}: {what}", self.name()), next));
        if n == 0 || dims == 0 || classes == 0 {
            return fail(
                format!("n {n}, dims {dims}, {classes} clusters"),
                "each must be at least 1",
            );
        }
        if n.checked_mul(dims).is_none_or(|v| v > MAX_VALUES)
            || classes > n
            || classes.saturating_mul(dims) > MAX_VALUES
        {
            return fail(
                format!("n {n}, dims {dims}, {classes} clusters"),
                "give less than 2^28 values and no more clusters than points",
            );
        }
        // Far beyond it the points would pass the range of f32.
        if !(0.0..=1e30).contains(&spread) {
            return fail(
                format!("a standard deviation of {spread}"),
                "give a number within 0 … 1e30",
            );
        }
        Ok(())
    }
}

/// A point on arc `class` at `t` in [0, 1): the arc bulges away from the middle of the ring.
fn arc(class: usize, t: f64) -> Vec<f64> {
    let facing = TAU * class as f64 / 5.0;
    let angle = facing + (t - 0.5) * TAU / 3.0;
    vec![2.5 * facing.cos() + angle.cos(), 2.5 * facing.sin() + angle.sin()]
}

fn moon(class: usize, t: f64) -> Vec<f64> {
    let (sin, cos) = (PI * t).sin_cos();
    if class == 0 {
        vec![cos, sin]
    } else {
        vec![1.0 - cos, 0.5 - sin]
    }
}

/// Standard normal numbers (polar method: no table, two numbers a turn).
struct Normal {
    rng: ChaCha8Rng,
    spare: Option<f64>,
}

impl Normal {
    fn next(&mut self) -> f64 {
        if let Some(v) = self.spare.take() {
            return v;
        }
        loop {
            let (a, b): (f64, f64) = (self.rng.random_range(-1.0..1.0), self.rng.random_range(-1.0..1.0));
            let s = a * a + b * b;
            if s > 0.0 && s < 1.0 {
                let scale = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(b * scale);
                return a * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let blobs = |seed| {
            Synthetic::Blobs {
                n: 30,
                centers: 3,
                dims: 4,
                spread: 1.0,
                seed,
            }
            .generate()
            .unwrap()
        };
        assert_eq!(blobs(1), blobs(1));
        assert_ne!(blobs(1).matrix, blobs(2).matrix);
        assert_eq!((blobs(1).matrix.rows(), blobs(1).matrix.cols()), (30, 4));
    }

    #[test]
    fn blobs_spread_as_said() {
        let f = Synthetic::Blobs {
            n: 20_000,
            centers: 1,
            dims: 1,
            spread: 2.0,
            seed: 3,
        }
        .generate()
        .unwrap();
        let mean = f.matrix.data().iter().map(|&v| f64::from(v)).sum::<f64>() / 20_000.0;
        let var = f
            .matrix
            .data()
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / 20_000.0;
        assert!((var.sqrt() - 2.0).abs() < 0.05, "{var}");
    }

    #[test]
    fn arcs_lie_on_five_circles_of_radius_one() {
        let f = Synthetic::Arcs {
            n: 100,
            noise: 0.0,
            seed: 0,
        }
        .generate()
        .unwrap();
        for (i, label) in f.labels.unwrap().values.iter().enumerate() {
            let facing = TAU * *label as f64 / 5.0;
            let (x, y) = (f64::from(f.matrix.row(i)[0]), f64::from(f.matrix.row(i)[1]));
            let r = ((x - 2.5 * facing.cos()).powi(2) + (y - 2.5 * facing.sin()).powi(2)).sqrt();
            assert!((r - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn absurd_settings_are_refused() {
        let blobs = |n, centers, dims| Synthetic::Blobs {
            n,
            centers,
            dims,
            spread: 1.0,
            seed: 0,
        };
        let moons = |noise| Synthetic::Moons { n: 9, noise, seed: 0 };
        let none = Synthetic::Arcs {
            n: 0,
            noise: 0.1,
            seed: 0,
        };
        for (bad, what, next) in [
            (none, "arcs: n 0, dims 2, 5 clusters", "each must be at least 1"),
            (
                blobs(9, 3, 0),
                "blobs: n 9, dims 0, 3 clusters",
                "each must be at least 1",
            ),
            (
                blobs(9, 0, 2),
                "blobs: n 9, dims 2, 0 clusters",
                "each must be at least 1",
            ),
            (moons(f64::NAN), "a standard deviation of NaN", "within 0 … 1e30"),
            (moons(1e39), "a standard deviation of 1000", "within 0 … 1e30"),
            (moons(-0.1), "a standard deviation of -0.1", "within 0 … 1e30"),
            (blobs(usize::MAX, 2, 3), "dims 3, 2 clusters", "less than 2^28 values"),
            (
                blobs(1 << 20, 2, 1 << 10),
                "n 1048576, dims 1024",
                "less than 2^28 values",
            ),
            (
                blobs(3, 5, 2),
                "n 3, dims 2, 5 clusters",
                "no more clusters than points",
            ),
        ] {
            let said = bad.generate().unwrap_err().to_string();
            assert!(said.contains(what) && said.contains(next), "{said}");
        }
    }

    #[test]
    fn a_generator_is_read_with_defaults() {
        let s: Synthetic = serde_json::from_str(r#"{"blobs": {"n": 10}}"#).unwrap();
        assert_eq!(
            s,
            Synthetic::Blobs {
                n: 10,
                centers: 5,
                dims: 2,
                spread: 1.0,
                seed: 0
            }
        );
    }
}
