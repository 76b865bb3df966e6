//! Runs `subclusters`.

use super::cluster_table::{Clusters, labels};
use super::generator::Spread;
use super::picture::Picture;
use super::session::Session;
use super::{models, refuse};
use crate::cluster::{StableSplit, StableSplitConfig, split_once};
use crate::matrix::Matrix;
use crate::random::Draws;
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::frame::write_parquet;
use moelab_stages::subclusters::Subclusters;
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde_json::json;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Subclusters = job.settings()?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let session = Session::open(job)?;
    let (model, _) = models::mixture(&job.input("model")?.path, &images, &session.device)?;
    let labels = labels(&job.input("assignments")?.path)?;
    check(&labels, images.rows, model.experts.len())?;
    let config = config(&settings);
    let mut styles = Vec::new();
    for (parent, expert) in model.experts.iter().enumerate() {
        let rows: Vec<usize> = (0..images.rows).filter(|&row| labels[row] == parent as i32).collect();
        if rows.is_empty() {
            job.note(format!("expert {parent} has no rows"));
            continue;
        }
        let codes = models::posterior_means(expert, &images.select(&rows), &session.device);
        let draws = Draws::new(session.draws.seed_at("expert", parent as u64, 0));
        let found = split_once(&codes, &config, &draws).map_err(refuse)?;
        let style = Styles::of(parent, rows, codes, found, &images);
        tracing::info!("expert {parent}: {} in {}", style.rows.len(), style.count());
        styles.push(style);
    }
    report(job, &styles)?;
    means(&styles, &images).save(&job.output("means")?)?;
    examples(&styles, &images, settings.examples as usize).save(&job.output("examples")?)?;
    let metrics = json!({
        "clusters": styles.iter().map(Styles::count).sum::<usize>(),
        "divided": styles.iter().filter(|of| of.count() > 1).count(),
    });
    std::fs::write(job.output("metrics")?, metrics.to_string())?;
    flat(&styles, images.rows).write(&job.output("clusters")?)
}

fn check(labels: &[i32], rows: usize, experts: usize) -> Result<(), Failure> {
    if labels.len() != rows {
        return Err(Failure::bad_input(format!(
            "`assignments` has {} rows, the images are {rows}: both must come from the same `load`",
            labels.len()
        )));
    }
    match labels.iter().max() {
        Some(&most) if most >= experts as i32 => Err(Failure::bad_input(format!(
            "`assignments` names expert {most}, but the model has {experts}, 0 to {}: connect those of this mixture",
            experts - 1
        ))),
        _ => Ok(()),
    }
}

fn config(settings: &Subclusters) -> StableSplitConfig {
    StableSplitConfig {
        repeats: settings.repeats as usize,
        n_neighbors: settings.n_neighbors as usize,
        n_components: settings.n_components as usize,
        piece_fraction: settings.piece_fraction,
        min_samples: settings.min_samples as usize,
        together: settings.together,
        agreement: settings.agreement,
        least: 0,
        minor: 0.0,
    }
}

/// The sub-clusters of one expert.
struct Styles {
    parent: usize,
    /// The expert's rows of all.
    rows: Vec<usize>,
    /// A row each.
    codes: Matrix,
    found: StableSplit,
    /// The mean image of all rows.
    mean: Vec<f32>,
    /// The mean image of each sub-cluster.
    means: Vec<Vec<f32>>,
}

impl Styles {
    fn of(parent: usize, rows: Vec<usize>, codes: Matrix, found: StableSplit, images: &Images) -> Self {
        let mut styles = Self {
            parent,
            mean: mean(&rows, images),
            means: Vec::new(),
            rows,
            codes,
            found,
        };
        let of_each = |cluster| {
            let places = styles.places(cluster).into_iter();
            mean(&places.map(|place| styles.rows[place]).collect::<Vec<_>>(), images)
        };
        styles.means = (0..styles.count()).map(of_each).collect();
        styles
    }

    fn count(&self) -> usize {
        self.found.partition.clusters()
    }

    /// The places among the expert's rows of one sub-cluster.
    fn places(&self, cluster: usize) -> Vec<usize> {
        let labels = self.found.partition.labels.iter().enumerate();
        labels
            .filter(|(_, label)| **label == cluster as i32)
            .map(|(place, _)| place)
            .collect()
    }

    /// The rows of one sub-cluster whose codes lie nearest to its mean code, the nearest first.
    fn nearest(&self, cluster: usize, n: usize) -> Vec<usize> {
        let labels = &self.found.partition.labels;
        let centre = Spread::of(&self.codes, |place| labels[place] == cluster as i32).mean;
        let distance = |place: usize| -> f64 {
            let apart = self.codes.row(place).iter().zip(&centre);
            apart.map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let mut places: Vec<(f64, usize)> = (self.places(cluster).into_iter())
            .map(|place| (distance(place), place))
            .collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        places.into_iter().take(n).map(|(_, place)| self.rows[place]).collect()
    }
}

/// The mean of some images.
fn mean(rows: &[usize], images: &Images) -> Vec<f32> {
    let mut sums = vec![0.0_f64; images.channels * images.height * images.width];
    for &row in rows {
        sums.iter_mut()
            .zip(images.row(row))
            .for_each(|(sum, v)| *sum += f64::from(v));
    }
    sums.iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}

/// All sub-clusters as one clustering; a row is in those of other experts with membership 0.
fn flat(styles: &[Styles], rows: usize) -> Clusters {
    let all: usize = styles.iter().map(Styles::count).sum();
    let mut flat = Clusters {
        labels: vec![-1; rows],
        probabilities: vec![0.0; rows],
        outlier_scores: vec![1.0; rows],
        memberships: Matrix::new(rows, all, vec![0.0; rows * all]),
    };
    let mut first = 0;
    for of in styles {
        let partition = &of.found.partition;
        for (place, &row) in of.rows.iter().enumerate() {
            let (label, shares) = (partition.labels[place], partition.memberships.row(place));
            let probability = shares[label as usize];
            flat.labels[row] = first as i32 + label;
            flat.probabilities[row] = probability;
            flat.outlier_scores[row] = 1.0 - probability;
            flat.memberships.row_mut(row)[first..first + shares.len()].copy_from_slice(shares);
        }
        first += of.count();
    }
    flat
}

fn report(job: &JobContext, styles: &[Styles]) -> Result<(), Failure> {
    let (mut parents, mut rows, mut shares) = (vec![], vec![], vec![]);
    let (mut agreements, mut distances) = (vec![], vec![]);
    for of in styles {
        for cluster in 0..of.count() {
            let own = of.places(cluster).len();
            parents.push(of.parent as u32);
            rows.push(own as u32);
            shares.push(own as f64 / of.rows.len() as f64);
            agreements.push(of.found.splits.first().map(|split| split.agreement));
            distances.push(distance(&of.means[cluster], &of.mean));
        }
    }
    let n = parents.len();
    let columns = vec![
        Series::new("parent".into(), parents).into(),
        Series::new("cluster".into(), (0..n as u32).collect::<Vec<_>>()).into(),
        Series::new("rows".into(), rows).into(),
        Series::new("share".into(), shares).into(),
        Series::new("agreement".into(), agreements).into(),
        Series::new("distance".into(), distances).into(),
    ];
    let mut frame = DataFrame::new(n, columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("report")?).map_err(refuse)
}

/// Root mean square over pixels.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares / a.len() as f64).sqrt()
}

fn means(styles: &[Styles], images: &Images) -> Picture {
    let most = styles.iter().map(Styles::count).max().unwrap_or(1);
    let mut picture = Picture::new(shape(images), if most > 1 { most + 1 } else { 1 });
    for of in styles {
        picture.add(&of.mean);
        if of.count() > 1 {
            of.means.iter().for_each(|mean| picture.add(mean));
        }
        picture.end_row();
    }
    picture
}

fn examples(styles: &[Styles], images: &Images, n: usize) -> Picture {
    let mut picture = Picture::new(shape(images), n);
    for (of, cluster) in styles.iter().flat_map(|of| (0..of.count()).map(move |c| (of, c))) {
        of.nearest(cluster, n)
            .iter()
            .for_each(|&row| picture.add(&images.row(row)));
        picture.end_row();
    }
    picture
}

fn shape(images: &Images) -> [usize; 3] {
    [images.channels, images.height, images.width]
}

#[cfg(test)]
#[path = "subclusters_tests.rs"]
mod tests;
