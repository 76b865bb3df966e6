//! The number of clusters, found by splitting only what splits the same way every time.
//!
//! A part of the rows (all of them, to begin with) is embedded by UMAP several times from different draws, and each
//! embedding is clustered by HDBSCAN. Pieces that most of these clusterings keep apart are the part's consensus; if the
//! clusterings agree on them, the part is split and each piece is treated in the same way; where they agree on some of the
//! borders only, the pieces on both sides of the others are one (clusters are stable one by one: Hennig, Computational
//! Statistics & Data Analysis 52, 2007). A part on which they do not agree at all is a cluster. Everything is split first
//! whether they agree or not, since somebody's island may lie on one side or the other; so at the end clusters that touch
//! are embedded two by two, and come apart again or are joined.
//!
//! A style of a class that little connects to the rest of it, as crossed sevens, is as stable as a class, but much smaller.
//! A cluster far below the median therefore joins the one that most of its outer neighbours are in. One without such
//! neighbours is left unlabelled, as noise is: a manager that has learnt the others decides where its rows belong.
//!
//! One embedding of everything either merges classes whose islands touch or breaks wide classes into several islands: no
//! single scale fits all of them. Embedded on its own, a merged pair comes apart in every embedding, and a single class
//! falls into pieces too, but into other pieces each time. Stability under repetition as evidence for a number of clusters
//! is Ben-Hur, Elisseeff & Guyon (PSB 2002) and Lange et al. (Neural Computation 16, 2004); here it decides each split.

use super::agreement::{self, Agreement};
use super::consensus::consensus;
use super::hdbscan::{HdbscanConfig, hdbscan};
use super::touching::{closest, completed, labels_of, members, minor_joined, shares};
use super::{ClusterError, Partition};
use crate::manifold::{ManifoldError, Metric, Neighbours, UmapConfig, knn, umap};
use crate::matrix::Matrix;
use crate::metrics::noise::NOISE;
use crate::random::Draws;
use std::collections::VecDeque;

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

/// Most pairs of clusters that are looked at.
const MOST_PAIRS: usize = 200;

/// A question that was asked: does this part come apart, do these two clusters stay apart?
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Rows of the part, or of the first of two clusters.
    pub rows: usize,
    /// Rows of the second cluster; 0 for a part.
    pub other_rows: usize,
    /// Pieces of the consensus that the clusterings agree on, or the two that remain where they do not; 1 where there is
    /// nothing to split.
    pub pieces: usize,
    /// Mean adjusted Rand index between the clusterings in terms of these pieces, noise rows each on its own.
    pub agreement: f64,
    /// How near an agreement, also one before pieces were joined, came to the bound; none where no agreement decided.
    pub nearest: Option<f64>,
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
        let of_pieces = Agreement::of(&all, &found.labels);
        let names: Vec<i32> = (0..found.pieces as i32).collect();
        let (agreement, labelled) = of_pieces.index(&names);
        let bound = self.config.agreement;
        let (names, agreement, nearest) = match anyway {
            true => (names, agreement, None),
            false => {
                let (names, agreement, nearest) = agreed(names, agreement, bound, |names| of_pieces.coarser(names));
                (names, agreement, Some(nearest))
            }
        };
        let pieces = agreement::pieces(&names) as usize;
        let apart = pieces > 1 && (anyway || agreement >= bound);
        self.splits.push(Split {
            rows: rows.len() - other_rows,
            other_rows,
            pieces: pieces.max(1),
            agreement,
            nearest: nearest.filter(|_| pieces > 1),
            labelled,
            apart,
        });
        Ok(apart.then(|| {
            let named = |&piece: &i32| usize::try_from(piece).map_or(NOISE, |piece| names[piece]);
            let mut pieces = members(&completed(found.labels.iter().map(named).collect(), &neighbours));
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
                    let names = names(&pieces, labels, (a, b));
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

/// The `names` of pieces after those were made `coarser` until the clusterings agree or two pieces are left, how far they agree
/// then, and how near any of the agreements came to the bound.
fn agreed(
    mut names: Vec<i32>,
    mut agreement: f64,
    bound: f64,
    coarser: impl Fn(&[i32]) -> (Vec<i32>, f64),
) -> (Vec<i32>, f64, f64) {
    let mut nearest = (agreement - bound).abs();
    // Where the clusterings agree on some borders only, the pieces between the others are one.
    while agreement::pieces(&names) > 2 && agreement < bound {
        (names, agreement) = coarser(&names);
        nearest = nearest.min((agreement - bound).abs());
    }
    (names, agreement, nearest)
}

/// What the pieces of two clusters are called: a piece is the cluster that most of its rows were in, so that what is settled of
/// that stays so; where an earlier piece has the name, a fresh one.
fn names(pieces: &[Vec<usize>], labels: &[i32], (a, b): (i32, i32)) -> Vec<i32> {
    let mut fresh = labels.iter().max().map_or(0, |most| most + 1)..;
    let mut names: Vec<i32> = Vec::new();
    for piece in pieces {
        let of_a = piece.iter().filter(|&&row| labels[row] == a).count();
        let most = if 2 * of_a >= piece.len() { a } else { b };
        let taken = names.contains(&most);
        names.push(if taken { fresh.next().unwrap_or(i32::MAX) } else { most });
    }
    names
}

#[cfg(test)]
#[path = "stable_split_tests.rs"]
mod tests;
