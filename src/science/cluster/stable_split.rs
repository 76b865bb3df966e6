//! The number of clusters, found by splitting only what splits the same way every time.
//!
//! A part of the rows (all of them, to begin with) is embedded by UMAP several times from different draws, and each
//! embedding is clustered by HDBSCAN. Pieces that most of these clusterings keep apart are the part's consensus; if the
//! clusterings agree on them, the part is split and each piece is treated in the same way. A part on which they do not
//! agree is a cluster. Everything is split first whether they agree or not, since somebody's island may lie on one side or
//! the other; so at the end clusters that touch are embedded two by two, and come apart again or are joined.
//!
//! A style of a class that little connects to the rest of it, as crossed sevens, is as stable as a class, but much smaller.
//! A cluster far below the median therefore joins the one that most of its outer neighbours are in. One without such
//! neighbours is left unlabelled, as noise is: a manager that has learnt the others decides where its rows belong.
//!
//! One embedding of everything either merges classes whose islands touch or breaks wide classes into several islands: no
//! single scale fits all of them. Embedded on its own, a merged pair comes apart in every embedding, and a single class
//! falls into pieces too, but into other pieces each time. Stability under repetition as evidence for a number of clusters
//! is Ben-Hur, Elisseeff & Guyon (PSB 2002) and Lange et al. (Neural Computation 16, 2004); here it decides each split.

use super::consensus::consensus;
use super::hdbscan::{HdbscanConfig, hdbscan};
use super::stability::stability;
use super::{ClusterError, Partition};
use crate::manifold::{ManifoldError, Metric, Neighbours, UmapConfig, knn, umap};
use crate::matrix::Matrix;
use crate::metrics::noise::NOISE;
use crate::random::Draws;
use std::collections::{BTreeMap, VecDeque};

/// What decides the splits besides the data and the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct StableSplitConfig {
    /// Embeddings of each part.
    pub repeats: usize,
    /// UMAP's neighbours, the point itself included.
    pub n_neighbors: usize,
    /// UMAP's dimensions.
    pub n_components: usize,
    /// HDBSCAN's least cluster, as a share of the part.
    pub piece_fraction: f64,
    /// HDBSCAN's `min_samples`.
    pub min_samples: usize,
    /// Pieces stay together if at least this share of the clusterings puts their rows together.
    pub together: f64,
    /// Least mean adjusted Rand index between the clusterings of a part, each reduced to the consensus, for a split.
    pub agreement: f64,
    /// Clusters with a smaller share of the median cluster's rows do not stand alone.
    pub minor: f64,
    /// HDBSCAN's least cluster in a part, however small its share. Pairs of clusters are searched down to half of the smaller.
    pub least: usize,
}

/// Clusters whose rows have a smaller share of their neighbours in one another do not touch, and are not joined.
const TOUCHING: f64 = 0.02;

/// Most pairs of clusters that are looked at.
const MOST_PAIRS: usize = 200;

/// A question that was asked: does this part come apart, do these two clusters stay apart?
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Rows of the part, or of the first of two clusters.
    pub rows: usize,
    /// Rows of the second cluster; 0 for a part.
    pub other_rows: usize,
    /// Pieces of the consensus; 1 where there is nothing to split.
    pub pieces: usize,
    /// Mean adjusted Rand index between the clusterings, noise rows each on its own.
    pub agreement: f64,
    /// Mean share of the rows that a clustering puts in a cluster.
    pub labelled: f64,
    /// The answer.
    pub apart: bool,
}

/// Clusters and how they came about.
#[derive(Clone, Debug, PartialEq)]
pub struct StableSplit {
    /// A row's membership in a cluster is the share of its nearest neighbours, itself included, that the splits put there.
    /// -1 for the rows of minor clusters that touch no other.
    pub partition: Partition,
    /// Clusters too small to stand alone.
    pub minor: usize,
    /// In the order in which they were asked.
    pub splits: Vec<Split>,
}

#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    #[error(transparent)]
    Manifold(#[from] ManifoldError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Resolves N × D `points`, for instance posterior means, from the clusters in `labels` (-1 is noise) on, or from one part
/// that holds everything. One seed, one result, whatever the number of threads.
pub fn stable_split(
    points: &Matrix,
    labels: Option<&[i32]>,
    config: &StableSplitConfig,
    draws: &Draws,
) -> Result<StableSplit, SplitError> {
    let mut search = Search::of(points, config, draws)?;
    let given = completed(
        labels.map_or_else(|| vec![0; points.rows()], <[i32]>::to_vec),
        &search.neighbours,
    );
    let mut parts = VecDeque::from(members(&given));
    let mut leaves = Vec::new();
    while let Some(rows) = parts.pop_front() {
        // What everything is split into first is mended below where it was split wrongly.
        let everything = rows.len() == points.rows();
        match search.ask(&rows, 0, everything)? {
            Some(pieces) => parts.extend(pieces),
            None => leaves.push(rows),
        }
    }
    leaves.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let mut labels = labels_of(&leaves, points.rows());
    search.join(&mut labels)?;
    let mut leaves = members(&labels);
    leaves.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let minor = minor_joined(&mut leaves, config.minor, &search.neighbours);
    Ok(StableSplit {
        minor,
        partition: partition(leaves, &search.neighbours),
        splits: search.splits,
    })
}

/// Takes the clusters with less than `share` of the median cluster's rows out of `leaves`, which come largest first, and
/// gives each to the cluster it touches most, if it touches one. The number of clusters taken out.
fn minor_joined(leaves: &mut Vec<Vec<usize>>, share: f64, neighbours: &Neighbours) -> usize {
    // The median; of two the smaller.
    let least = share * leaves[leaves.len() / 2].len() as f64;
    let minor = leaves.split_off(leaves.partition_point(|rows| rows.len() as f64 >= least));
    let labels = labels_of(leaves, neighbours.rows());
    let shares = shares(neighbours, &labels, leaves.len());
    for rows in &minor {
        let touched = |cluster: usize| rows.iter().map(|&row| f64::from(shares.row(row)[cluster])).sum::<f64>();
        let touched: Vec<f64> = (0..leaves.len()).map(touched).collect();
        let most = (0..touched.len())
            .rev()
            .max_by(|&a, &b| touched[a].total_cmp(&touched[b]));
        if let Some(most) = most.filter(|&most| touched[most] >= TOUCHING * rows.len() as f64) {
            leaves[most].extend(rows);
        }
    }
    minor.len()
}

/// Takes N × D `points` for one part that is split once, if its clusterings agree, and whose pieces stay whole. Few rows are
/// not asked and stay together.
pub fn split_once(points: &Matrix, config: &StableSplitConfig, draws: &Draws) -> Result<StableSplit, SplitError> {
    let all: Vec<usize> = (0..points.rows()).collect();
    let mut search = Search::of(points, config, draws)?;
    let pieces = search.ask(&all, 0, false)?.unwrap_or_else(|| vec![all]);
    Ok(StableSplit {
        minor: 0,
        partition: partition(pieces, &search.neighbours),
        splits: search.splits,
    })
}

/// Clusters in the order of their sizes; rows of none are noise.
fn partition(mut pieces: Vec<Vec<usize>>, neighbours: &Neighbours) -> Partition {
    pieces.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let labels = labels_of(&pieces, neighbours.rows());
    let memberships = shares(neighbours, &labels, pieces.len());
    Partition { labels, memberships }
}

/// The rows of each label, without empty ones.
fn members(labels: &[i32]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); labels.iter().max().map_or(0, |most| *most as usize + 1)];
    labels
        .iter()
        .enumerate()
        .for_each(|(row, label)| members[*label as usize].push(row));
    members.retain(|rows| !rows.is_empty());
    members
}

fn labels_of(members: &[Vec<usize>], rows: usize) -> Vec<i32> {
    let mut labels = vec![NOISE; rows];
    for (cluster, rows) in members.iter().enumerate() {
        rows.iter().for_each(|&row| labels[row] = cluster as i32);
    }
    labels
}

/// Labels of a part, once per embedding, and its neighbours.
type Clusterings = (Vec<Vec<i32>>, Neighbours);

struct Search<'a> {
    points: &'a Matrix,
    config: &'a StableSplitConfig,
    draws: &'a Draws,
    /// Of all points.
    neighbours: Neighbours,
    splits: Vec<Split>,
}

impl<'a> Search<'a> {
    fn of(points: &'a Matrix, config: &'a StableSplitConfig, draws: &'a Draws) -> Result<Self, SplitError> {
        Ok(Self {
            points,
            config,
            draws,
            neighbours: knn::exact(points, config.n_neighbors.min(points.rows()), Metric::Euclidean)?,
            splits: Vec::new(),
        })
    }

    /// Looks at a part, or at two clusters of which the second has `other_rows`: the pieces that its clusterings agree on, if
    /// they do or if it is split `anyway`. Two clusters are given with pieces down to half of the smaller one.
    fn ask(&mut self, rows: &[usize], other_rows: usize, anyway: bool) -> Result<Option<Vec<Vec<usize>>>, SplitError> {
        let smaller = other_rows.min(rows.len() - other_rows);
        let at_most = if other_rows > 0 { smaller / 2 } else { usize::MAX };
        let Some((labelings, neighbours)) = self.clusterings(rows, at_most)? else {
            return Ok(None);
        };
        let all: Vec<&[i32]> = labelings.iter().map(Vec::as_slice).collect();
        // Where agreement is no condition, the majority decides.
        let together = if anyway { 0.5 } else { self.config.together };
        let found = consensus(&all, together, self.least(rows.len()).min(at_most))?;
        let reduced: Vec<Vec<i32>> = all
            .iter()
            .map(|labels| reduce(labels, &found.labels, found.pieces))
            .collect();
        let reduced: Vec<&[i32]> = reduced.iter().map(Vec::as_slice).collect();
        let stability = stability(&reduced)?;
        let agreement = mean(&stability.mean_ari);
        let apart = found.pieces > 1 && (anyway || agreement >= self.config.agreement);
        self.splits.push(Split {
            rows: rows.len() - other_rows,
            other_rows,
            pieces: found.pieces.max(1),
            agreement,
            labelled: mean(&stability.labelled),
            apart,
        });
        Ok(apart.then(|| {
            let mut pieces = members(&completed(found.labels, &neighbours));
            pieces
                .iter_mut()
                .for_each(|piece| piece.iter_mut().for_each(|row| *row = rows[*row]));
            pieces
        }))
    }

    /// Looks at clusters that touch two by two, the closest first: embedded on their own they come apart, if not by the same
    /// border then by a better one, or they are one.
    fn join(&mut self, labels: &mut [i32]) -> Result<(), SplitError> {
        let mut settled: Vec<(i32, i32)> = Vec::new();
        for _ in 0..MOST_PAIRS {
            let Some((a, b)) = closest(labels, &self.neighbours, &settled) else {
                break;
            };
            let rows: Vec<usize> = (0..labels.len())
                .filter(|&row| labels[row] == a || labels[row] == b)
                .collect();
            let of_b = rows.iter().filter(|&&row| labels[row] == b).count();
            match self.ask(&rows, of_b, false)? {
                Some(pieces) => {
                    // A piece is the cluster that most of its rows were in: what is settled of that stays so.
                    let mut fresh = labels.iter().max().map_or(0, |most| most + 1)..;
                    let mut names: Vec<i32> = Vec::new();
                    for piece in &pieces {
                        let of_a = piece.iter().filter(|&&row| labels[row] == a).count();
                        let most = if 2 * of_a >= piece.len() { a } else { b };
                        let taken = names.contains(&most);
                        names.push(if taken { fresh.next().unwrap_or(i32::MAX) } else { most });
                    }
                    let gone = |name: i32| (name == a || name == b) && !names.contains(&name);
                    settled.retain(|pair| !gone(pair.0) && !gone(pair.1));
                    for (rows, &name) in pieces.iter().zip(&names) {
                        rows.iter().for_each(|&row| labels[row] = name);
                    }
                    for (place, &one) in names.iter().enumerate() {
                        settled.extend(names[..place].iter().map(|&other| (one.min(other), one.max(other))));
                    }
                }
                None => {
                    rows.iter().for_each(|&row| labels[row] = a);
                    settled.retain(|pair| ![pair.0, pair.1].iter().any(|side| *side == a || *side == b));
                }
            }
        }
        Ok(())
    }

    fn least(&self, rows: usize) -> usize {
        let share = (self.config.piece_fraction * rows as f64).round() as usize;
        share.max(self.config.least).max(2)
    }

    /// The clusterings of a part, with clusters of `at_most` or fewer rows looked for, and its neighbours; none of a part too
    /// small for two clusters.
    fn clusterings(&self, rows: &[usize], at_most: usize) -> Result<Option<Clusterings>, SplitError> {
        let config = self.config;
        let least = self.least(rows.len()).min(at_most.max(2));
        if rows.len() < 2 * least || rows.len() <= config.n_neighbors {
            return Ok(None);
        }
        let part = self.points.select(rows);
        let neighbours = match rows.len() == self.points.rows() {
            true => self.neighbours.clone(),
            false => knn::exact(&part, config.n_neighbors, Metric::Euclidean)?,
        };
        let embedding = UmapConfig {
            n_neighbors: config.n_neighbors,
            n_components: config.n_components,
            min_dist: 0.0,
            ..UmapConfig::default()
        };
        let clustering = HdbscanConfig {
            min_cluster_size: least,
            min_samples: Some(config.min_samples.min(least)),
            ..HdbscanConfig::default()
        };
        let place = self.splits.len() as u64;
        let once = |repeat: usize| -> Result<Vec<i32>, SplitError> {
            let draws = Draws::new(self.draws.seed_at("stable_split", place, repeat as u64));
            let embedded = umap::fit_with_neighbours(&part, &neighbours, &embedding, &draws)?;
            Ok(hdbscan(&embedded.embedding, &clustering)?.labels)
        };
        let labelings = (0..config.repeats).map(once).collect::<Result<_, _>>()?;
        Ok(Some((labelings, neighbours)))
    }
}

/// The two clusters, not among the `kept`, that share the largest part of their neighbours; none where all share too few.
fn closest(labels: &[i32], neighbours: &Neighbours, kept: &[(i32, i32)]) -> Option<(i32, i32)> {
    let mut shared: BTreeMap<(i32, i32), usize> = BTreeMap::new();
    let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        *sizes.entry(label).or_default() += 1;
        for &near in neighbours.row(row).0 {
            let other = labels[near as usize];
            if other != label {
                *shared.entry((label.min(other), label.max(other))).or_default() += 1;
            }
        }
    }
    let share = |pair: &(i32, i32), count: usize| {
        let smaller = sizes[&pair.0].min(sizes[&pair.1]);
        count as f64 / (smaller * neighbours.k) as f64
    };
    let open = shared.iter().filter(|(pair, _)| !kept.contains(pair));
    let open = open
        .map(|(pair, &count)| (*pair, share(pair, count)))
        .filter(|(_, share)| *share >= TOUCHING);
    open.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(pair, _)| pair)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A clustering in terms of the consensus: every cluster becomes the piece that most of its rows are in.
fn reduce(labels: &[i32], consensus: &[i32], pieces: usize) -> Vec<i32> {
    let clusters = labels.iter().copied().max().map_or(0, |most| (most + 1) as usize);
    let mut shared = vec![vec![0_usize; pieces]; clusters];
    for (&label, &piece) in labels.iter().zip(consensus) {
        if label >= 0 && piece >= 0 {
            shared[label as usize][piece as usize] += 1;
        }
    }
    let piece_of = |counts: &Vec<usize>| match counts.iter().copied().max() {
        Some(most) if most > 0 => counts
            .iter()
            .position(|&count| count == most)
            .map_or(NOISE, |piece| piece as i32),
        _ => NOISE,
    };
    let pieces: Vec<i32> = shared.iter().map(piece_of).collect();
    let of = |&label: &i32| usize::try_from(label).map_or(NOISE, |cluster| pieces[cluster]);
    labels.iter().map(of).collect()
}

/// Gives rows outside all pieces the piece that most of their neighbours have, from the edges of the pieces outwards; the
/// first piece where no path of neighbours leads to one.
fn completed(mut labels: Vec<i32>, neighbours: &Neighbours) -> Vec<i32> {
    loop {
        let vote = |row: usize| {
            let near = neighbours.row(row).0.iter().map(|&near| labels[near as usize]);
            let mut pieces: Vec<i32> = near.filter(|&piece| piece != NOISE).collect();
            pieces.sort_unstable();
            let groups = pieces.chunk_by(|a, b| a == b);
            groups.rev().max_by_key(|group| group.len()).map(|group| group[0])
        };
        let outside = (0..labels.len()).filter(|&row| labels[row] == NOISE);
        let votes: Vec<(usize, i32)> = outside.filter_map(|row| vote(row).map(|piece| (row, piece))).collect();
        if votes.is_empty() {
            break;
        }
        votes.into_iter().for_each(|(row, piece)| labels[row] = piece);
    }
    labels
        .iter_mut()
        .filter(|label| **label == NOISE)
        .for_each(|label| *label = 0);
    labels
}

/// N × K shares of each row's neighbours.
fn shares(neighbours: &Neighbours, labels: &[i32], clusters: usize) -> Matrix {
    let mut shares = Matrix::new(labels.len(), clusters, vec![0.0; labels.len() * clusters]);
    for row in 0..labels.len() {
        let near = neighbours.row(row).0;
        let target = shares.row_mut(row);
        let share = 1.0 / near.len() as f32;
        let clusters = near
            .iter()
            .filter_map(|&near| usize::try_from(labels[near as usize]).ok());
        clusters.for_each(|cluster| target[cluster] += share);
    }
    shares
}

#[cfg(test)]
#[path = "stable_split_tests.rs"]
mod tests;
