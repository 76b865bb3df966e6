//! Gaussian mixtures with full covariances, fitted by expectation–maximisation in log space (Dempster, Laird & Rubin 1977).

mod gaussian;
mod maximise;

use rayon::prelude::*;

use self::gaussian::{cholesky, normalise, whitened};
use self::maximise::maximise;
use super::{ClusterError, KMeansConfig, Partition, kmeans};
use crate::matrix::Matrix;
use crate::random::Draws;

/// Rows per unit of parallel work. Sums are added in the order of these units, so results do not depend on the threads.
const UNIT: usize = 512;

/// The settings of the mixture.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GmmConfig {
    pub components: usize,
    /// Restarts, each from one k-means; the one with the largest likelihood is kept, the first of several.
    pub n_init: usize,
    pub max_iter: usize,
    /// Stops when the mean log-likelihood per row rises by less.
    pub tol: f64,
    /// Added to the diagonal of every covariance.
    pub reg_covar: f64,
}

impl Default for GmmConfig {
    fn default() -> Self {
        Self {
            components: 10,
            n_init: 5,
            max_iter: 200,
            tol: 1e-3,
            reg_covar: 1e-6,
        }
    }
}

/// What the mixture learned.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    /// Labels by the largest responsibility, and the responsibilities N × K (rows sum to 1).
    pub partition: Partition,
    /// K.
    pub weights: Vec<f64>,
    /// K × D.
    pub means: Vec<Vec<f64>>,
    /// K × (D · D), row-major.
    pub covariances: Vec<Vec<f64>>,
    /// Mean log-likelihood per row, in nats.
    pub log_likelihood: f64,
    pub iterations: usize,
    /// Whether the last step rose by less than `tol`.
    pub converged: bool,
}

/// Fits a mixture to the rows of `points` (N × D). Restart r starts at the k-means of ("kmeans", 0, 0) under the seed that
/// `draws` holds for ("gmm", r, 0).
///
/// # Errors
/// If there are no rows or columns, a value is NaN or infinite, there are more components than rows, a setting is out of
/// its range, or a covariance cannot be factored.
pub fn gmm(points: &Matrix, config: &GmmConfig, draws: &Draws) -> Result<GaussianMixture, ClusterError> {
    for (name, value) in [
        ("components", config.components),
        ("n_init", config.n_init),
        ("max_iter", config.max_iter),
    ] {
        if value == 0 {
            return Err(ClusterError::setting(name, value, "it is at least 1"));
        }
    }
    if !(config.reg_covar >= 0.0 && config.reg_covar.is_finite()) {
        return Err(ClusterError::setting(
            "reg_covar",
            config.reg_covar,
            "it is 0 or a positive number",
        ));
    }
    let start = KMeansConfig {
        clusters: config.components,
        n_init: 1,
        ..KMeansConfig::default()
    };
    let mut best: Option<(Fit, Vec<f64>)> = None;
    let mut failure = None;
    for restart in 0..config.n_init {
        let seeds = Draws::new(draws.seed_at("gmm", restart as u64, 0));
        let centres = kmeans(points, &start, &seeds)?;
        match fit(points, &centres.partition.memberships, config) {
            Ok(found)
                if best
                    .as_ref()
                    .is_none_or(|(fit, _)| found.0.log_likelihood > fit.log_likelihood) =>
            {
                best = Some(found);
            }
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    let Some((fit, responsibilities)) = best else {
        return Err(failure.expect("a restart either fits or fails"));
    };
    let memberships = Matrix::new(
        points.rows(),
        config.components,
        responsibilities.iter().map(|&r| r as f32).collect(),
    );
    let labels = responsibilities.chunks(config.components).map(largest).collect();
    Ok(GaussianMixture {
        partition: Partition { labels, memberships },
        weights: fit.mixture.weights,
        means: fit.mixture.means,
        covariances: fit.mixture.covariances,
        log_likelihood: fit.log_likelihood,
        iterations: fit.iterations,
        converged: fit.converged,
    })
}

fn largest(row: &[f64]) -> i32 {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best as i32
}

struct Fit {
    mixture: Mixture,
    log_likelihood: f64,
    iterations: usize,
    converged: bool,
}

struct Mixture {
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    covariances: Vec<Vec<f64>>,
}

fn fit(points: &Matrix, start: &Matrix, config: &GmmConfig) -> Result<(Fit, Vec<f64>), ClusterError> {
    let mut responsibilities: Vec<f64> = start.data().iter().map(|&m| f64::from(m)).collect();
    let mut mixture = maximise(points, &responsibilities, config);
    let mut last = f64::NEG_INFINITY;
    let mut iterations = 0;
    loop {
        let log_likelihood = expect(points, &mixture, &mut responsibilities, config)?;
        let converged = log_likelihood - last < config.tol;
        if converged || iterations == config.max_iter {
            return Ok((
                Fit {
                    mixture,
                    log_likelihood,
                    iterations,
                    converged,
                },
                responsibilities,
            ));
        }
        last = log_likelihood;
        iterations += 1;
        mixture = maximise(points, &responsibilities, config);
    }
}

/// Writes the responsibilities (N × K) that the mixture gives; returns the mean log-likelihood.
fn expect(points: &Matrix, mixture: &Mixture, out: &mut [f64], config: &GmmConfig) -> Result<f64, ClusterError> {
    let (cols, components) = (points.cols(), config.components);
    let mut factors = Vec::with_capacity(components);
    for (component, covariance) in mixture.covariances.iter().enumerate() {
        let factor = cholesky(covariance, cols).ok_or_else(|| ClusterError::Covariance {
            component,
            reg_covar: config.reg_covar.to_string(),
        })?;
        let log_det: f64 = (0..cols).map(|i| factor[i * cols + i].ln()).sum();
        let constant = mixture.weights[component].ln() - 0.5 * cols as f64 * std::f64::consts::TAU.ln() - log_det;
        factors.push((factor, constant));
    }
    let unit = |(index, out): (usize, &mut [f64])| {
        let mut solved = vec![0.0; cols];
        let mut sum = 0.0;
        for (offset, out) in out.chunks_mut(components).enumerate() {
            let point = points.row(index * UNIT + offset);
            for (component, (factor, constant)) in factors.iter().enumerate() {
                out[component] = constant - 0.5 * whitened(point, &mixture.means[component], factor, &mut solved);
            }
            sum += normalise(out);
        }
        sum
    };
    let sums: Vec<f64> = out.par_chunks_mut(UNIT * components).enumerate().map(unit).collect();
    Ok(sums.iter().sum::<f64>() / points.rows() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{blobs, centre_cases, points_of};
    use super::*;
    use crate::metrics::ari;

    #[test]
    fn likelihood_and_labels_equal_scikit_learn() {
        for case in centre_cases() {
            let config = GmmConfig {
                components: case.clusters,
                n_init: 10,
                tol: 1e-10,
                max_iter: 2000,
                ..GmmConfig::default()
            };
            let found = gmm(&points_of(&case.data), &config, &Draws::new(1)).unwrap();
            assert!(
                (found.log_likelihood - case.gmm_log_likelihood).abs() < 1e-6,
                "{}",
                case.name
            );
            assert_eq!(
                ari(&found.partition.labels, &case.gmm_labels).unwrap(),
                1.0,
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn responsibilities_sum_to_one_and_lead_to_the_label() {
        let config = GmmConfig {
            components: 4,
            ..GmmConfig::default()
        };
        let found = gmm(&blobs(600, 3, 4, 1), &config, &Draws::new(2)).unwrap();
        for (row, &label) in found.partition.labels.iter().enumerate() {
            let shares = found.partition.memberships.row(row);
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(shares.iter().all(|&share| share <= shares[label as usize]));
        }
        assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && found.converged);
    }

    #[test]
    fn the_likelihood_never_falls() {
        let points = blobs(400, 2, 3, 7);
        let run = |max_iter| {
            let config = GmmConfig {
                components: 5,
                n_init: 1,
                max_iter,
                tol: -1.0,
                ..GmmConfig::default()
            };
            gmm(&points, &config, &Draws::new(4)).unwrap().log_likelihood
        };
        let path: Vec<f64> = (1..15).map(run).collect();
        assert!(path.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let points = blobs(2000, 3, 4, 2);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let config = GmmConfig {
                components: 4,
                n_init: 2,
                ..GmmConfig::default()
            };
            pool.install(|| gmm(&points, &config, &Draws::new(9)).unwrap())
        };
        let (one, three) = (run(1), run(3));
        assert_eq!((one.partition, one.means), (three.partition, three.means));
    }

    #[test]
    fn a_restart_with_a_singular_covariance_is_passed_over_if_another_fits() {
        // Two groups, and a point that is a cluster of its own in some restarts. It lies at 0, so that its mean is itself to the
        // last bit and its variance nothing at all.
        let near = |centre: f32| [-2.0, -1.0, 0.0, 1.0, 2.0].map(|by| centre + by);
        let points = Matrix::new(11, 1, [&near(-24.0)[..], &near(-14.0), &[0.0]].concat());
        let config = GmmConfig {
            components: 2,
            n_init: 6,
            reg_covar: 0.0,
            ..GmmConfig::default()
        };
        // What each restart alone comes to.
        let alone = |seed: u64| -> Vec<Option<f64>> {
            let start = KMeansConfig {
                clusters: 2,
                n_init: 1,
                ..KMeansConfig::default()
            };
            let one = |restart| {
                let seeds = Draws::new(Draws::new(seed).seed_at("gmm", restart, 0));
                let centres = kmeans(&points, &start, &seeds).unwrap();
                let fitted = fit(&points, &centres.partition.memberships, &config);
                fitted.ok().map(|(fit, _)| fit.log_likelihood)
            };
            (0..6).map(one).collect()
        };
        // One that fails before any fits, and one that fails after.
        for (first, last) in [(false, true), (true, false)] {
            let found = (0..200).map(|seed| (seed, alone(seed)));
            let mut fitting = found.filter(|(_, all)| (all[0].is_some(), all[5].is_some()) == (first, last));
            let (seed, all) = fitting.next().expect("some restarts fit, some do not");
            let best = all.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
            let kept = gmm(&points, &config, &Draws::new(seed)).unwrap();
            assert_eq!(kept.log_likelihood, best, "seed {seed}");
        }
    }

    #[test]
    fn equal_points_are_held_up_by_reg_covar() {
        let points = Matrix::new(30, 2, vec![1.0; 60]);
        let config = GmmConfig {
            components: 2,
            ..GmmConfig::default()
        };
        assert!(
            gmm(&points, &config, &Draws::new(0))
                .unwrap()
                .log_likelihood
                .is_finite()
        );
        let bare = GmmConfig {
            reg_covar: 0.0,
            ..config
        };
        let error = gmm(&points, &bare, &Draws::new(0)).unwrap_err();
        assert!(error.to_string().contains("raise reg_covar"));
    }
}
