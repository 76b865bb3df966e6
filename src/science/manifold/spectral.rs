//! Laplacian eigenmap of a fuzzy graph: where the layout starts.
//!
//! The leading eigenvectors of Deg^-½ G Deg^-½ after the trivial one are the smallest of the normalised Laplacian
//! I - Deg^-½ G Deg^-½. A graph in several pieces has one trivial eigenvector per piece, so each piece is embedded alone
//! and set around its own anchor.

use super::lanczos::{self, Search};
use super::pca::Pca;
use super::{FuzzyGraph, ManifoldError, eigen};
use crate::matrix::Matrix;
use crate::random::Draws;
use faer::Mat;
use rand::RngExt;
use rayon::prelude::*;

/// Up to this many vertices the whole matrix is decomposed.
const DENSE: usize = 256;
const RESTARTS: usize = 60;

/// N × dim coordinates of the graph's vertices, not scaled. `data` (N × D) places the pieces of a graph that has many.
pub fn embed(graph: &FuzzyGraph, data: &Matrix, dim: usize, draws: &Draws) -> Result<Matrix, ManifoldError> {
    let pieces = components(graph);
    if pieces.len() == 1 {
        return piece(graph, dim, 1.0, draws, 0);
    }
    let anchors = anchors(&pieces, data, dim)?;
    let mut result = Matrix::new(graph.vertices(), dim, vec![0.0; graph.vertices() * dim]);
    for (p, members) in pieces.iter().enumerate() {
        let reach = reach(&anchors, p);
        let inner = piece(&induced(graph, members), dim, reach, draws, p as u64 + 1)?;
        let largest = inner.data().iter().fold(0.0_f32, |a, v| a.max(v.abs()));
        let scale = if largest > 0.0 { reach / f64::from(largest) } else { 0.0 };
        for (i, vertex) in members.iter().enumerate() {
            let from = inner.row(i).iter().zip(&anchors[p]);
            let to = result.row_mut(*vertex as usize).iter_mut();
            to.zip(from)
                .for_each(|(to, (v, anchor))| *to = (f64::from(*v) * scale + anchor) as f32);
        }
    }
    Ok(result)
}

/// Connected components, each in ascending vertex order, ordered by their first vertex.
pub fn components(graph: &FuzzyGraph) -> Vec<Vec<u32>> {
    let mut seen = vec![false; graph.vertices()];
    let mut pieces = vec![];
    for first in 0..graph.vertices() {
        if std::mem::replace(&mut seen[first], true) {
            continue;
        }
        let mut members = vec![first as u32];
        let mut at = 0;
        while at < members.len() {
            for j in graph.row(members[at] as usize).0 {
                if !std::mem::replace(&mut seen[*j as usize], true) {
                    members.push(*j);
                }
            }
            at += 1;
        }
        members.sort_unstable();
        pieces.push(members);
    }
    pieces
}

fn induced(graph: &FuzzyGraph, members: &[u32]) -> FuzzyGraph {
    let mut piece = FuzzyGraph {
        offsets: vec![0],
        columns: vec![],
        weights: vec![],
    };
    for vertex in members {
        let (columns, weights) = graph.row(*vertex as usize);
        let inside = |j: &u32| members.binary_search(j).expect("an edge never leaves its component") as u32;
        piece.columns.extend(columns.iter().map(inside));
        piece.weights.extend_from_slice(weights);
        piece.offsets.push(piece.columns.len());
    }
    piece
}

/// Few pieces go to both ends of the axes; many keep the arrangement of their centroids' principal components.
fn anchors(pieces: &[Vec<u32>], data: &Matrix, dim: usize) -> Result<Vec<Vec<f64>>, ManifoldError> {
    if pieces.len() <= 2 * dim {
        let half = pieces.len().div_ceil(2);
        let end = |p: usize| {
            let mut anchor = vec![0.0; dim];
            anchor[p % half] = if p < half { 1.0 } else { -1.0 };
            anchor
        };
        return Ok((0..pieces.len()).map(end).collect());
    }
    let mut centroids = Vec::with_capacity(pieces.len() * data.cols());
    for members in pieces {
        let mean =
            |d: usize| members.iter().map(|i| f64::from(data.row(*i as usize)[d])).sum::<f64>() / members.len() as f64;
        centroids.extend((0..data.cols()).map(|d| mean(d) as f32));
    }
    let centroids = Matrix::new(pieces.len(), data.cols(), centroids);
    let scores = Pca::fit(&centroids, dim.min(data.cols()))?.transform(&centroids)?;
    let largest = f64::from(scores.data().iter().fold(0.0_f32, |a, v| a.max(v.abs())));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let place = |p: usize| {
        let known = scores.row(p).iter().map(|v| f64::from(*v) * scale);
        known.chain(std::iter::repeat(0.0)).take(dim).collect()
    };
    Ok((0..pieces.len()).map(place).collect())
}

/// Half the distance to the nearest other anchor: what a piece may fill without touching another.
fn reach(anchors: &[Vec<f64>], p: usize) -> f64 {
    let distance = |q: &Vec<f64>| {
        q.iter()
            .zip(&anchors[p])
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let nearest = anchors
        .iter()
        .map(distance)
        .filter(|d| *d > 0.0)
        .fold(f64::INFINITY, f64::min);
    if nearest.is_finite() { nearest / 2.0 } else { 1.0 }
}

/// A connected graph; one with too few vertices for `dim` eigenvectors gets uniform coordinates in [-reach, reach].
fn piece(graph: &FuzzyGraph, dim: usize, reach: f64, draws: &Draws, number: u64) -> Result<Matrix, ManifoldError> {
    let n = graph.vertices();
    if n <= dim + 1 || n < 2 * dim {
        let mut rng = draws.at("umap/small piece", 0, number);
        let uniform = (0..n * dim)
            .map(|_| ((2.0 * rng.random::<f64>() - 1.0) * reach) as f32)
            .collect();
        return Ok(Matrix::new(n, dim, uniform));
    }
    let degrees: Vec<f64> = (0..n)
        .map(|i| graph.row(i).1.iter().map(|w| f64::from(*w)).sum())
        .collect();
    let inverse: Vec<f64> = degrees.iter().map(|d| 1.0 / d.sqrt()).collect();
    let vectors = if n <= DENSE {
        dense(graph, &inverse, dim)?
    } else {
        sparse(graph, &degrees, &inverse, dim)?
    };
    let mut out = vec![0.0_f32; n * dim];
    for (d, vector) in vectors.iter().enumerate() {
        let sign = eigen::sign(vector.iter().copied());
        vector
            .iter()
            .enumerate()
            .for_each(|(i, v)| out[i * dim + d] = (v * sign) as f32);
    }
    Ok(Matrix::new(n, dim, out))
}

fn dense(graph: &FuzzyGraph, inverse: &[f64], dim: usize) -> Result<Vec<Vec<f64>>, ManifoldError> {
    let n = graph.vertices();
    let mut matrix = Mat::<f64>::zeros(n, n);
    for (i, j, w) in graph.edges() {
        matrix[(i as usize, j as usize)] = f64::from(w) * inverse[i as usize] * inverse[j as usize];
    }
    let (_, vectors) = eigen::descending(matrix.as_ref())?;
    Ok((1..=dim).map(|c| (0..n).map(|i| vectors[(i, c)]).collect()).collect())
}

fn sparse(graph: &FuzzyGraph, degrees: &[f64], inverse: &[f64], dim: usize) -> Result<Vec<Vec<f64>>, ManifoldError> {
    let apply = |v: &[f64], out: &mut [f64]| {
        out.par_iter_mut().enumerate().with_min_len(256).for_each(|(i, out)| {
            let (columns, weights) = graph.row(i);
            let terms = columns
                .iter()
                .zip(weights)
                .map(|(j, w)| f64::from(*w) * inverse[*j as usize] * v[*j as usize]);
            *out = terms.sum::<f64>() * inverse[i];
        });
    };
    let total: f64 = degrees.iter().sum();
    let trivial: Vec<f64> = degrees.iter().map(|d| (d / total).sqrt()).collect();
    let search = Search {
        wanted: dim,
        subspace: (3 * dim + 20).max(40),
        tolerance: 1e-5,
        restarts: RESTARTS,
    };
    // Without convergence the best vectors found are still a smooth start, better than none.
    Ok(lanczos::leading(apply, &trivial, lanczos::start(degrees.len()), search)?.vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of `n` vertices for every n, one after the other.
    fn paths(lengths: &[usize]) -> FuzzyGraph {
        let mut graph = FuzzyGraph {
            offsets: vec![0],
            columns: vec![],
            weights: vec![],
        };
        let mut first = 0;
        for n in lengths {
            for i in 0..*n {
                let around = [i.checked_sub(1), (i + 1 < *n).then_some(i + 1)];
                graph
                    .columns
                    .extend(around.iter().flatten().map(|j| (first + j) as u32));
                graph.weights.resize(graph.columns.len(), 1.0);
                graph.offsets.push(graph.columns.len());
            }
            first += n;
        }
        graph
    }

    fn data(rows: usize) -> Matrix {
        Matrix::new(rows, 3, (0..rows * 3).map(|i| ((i * i) % 17) as f32).collect())
    }

    #[test]
    fn a_path_unrolls_in_order_and_both_solvers_agree() {
        for n in [60, 300] {
            let graph = paths(&[n]);
            let embedded = embed(&graph, &data(n), 1, &Draws::new(0)).unwrap();
            let order: Vec<f32> = (0..n)
                .map(|i| embedded.row(i)[0] / (graph.row(i).0.len() as f32).sqrt())
                .collect();
            let rising = order.windows(2).all(|w| w[0] < w[1] + 1e-6);
            assert!(rising || order.windows(2).all(|w| w[0] + 1e-6 > w[1]), "{n} vertices");
        }
        let graph = paths(&[200]);
        let degrees: Vec<f64> = (0..200).map(|i| graph.row(i).0.len() as f64).collect();
        let inverse: Vec<f64> = degrees.iter().map(|d| 1.0 / d.sqrt()).collect();
        let (a, b) = (
            dense(&graph, &inverse, 2).unwrap(),
            sparse(&graph, &degrees, &inverse, 2).unwrap(),
        );
        for (a, b) in a.iter().zip(&b) {
            let cosine: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            assert!(cosine.abs() > 0.999, "{cosine}");
        }
    }

    #[test]
    fn pieces_are_found_in_order() {
        assert_eq!(components(&paths(&[2, 1, 3])), [vec![0, 1], vec![2], vec![3, 4, 5]]);
    }

    #[test]
    fn few_pieces_lie_around_the_ends_of_the_axes() {
        let embedded = embed(&paths(&[20, 30, 10]), &data(60), 2, &Draws::new(0)).unwrap();
        for (i, anchor) in [(0, [1., 0.]), (25, [0., 1.]), (55, [-1., 0.])] {
            let distance: f32 = embedded.row(i).iter().zip(anchor).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!(distance < 1.0, "{:?}", embedded.row(i));
        }
    }

    #[test]
    fn many_pieces_and_tiny_ones_are_placed_without_nan() {
        let lengths = [1, 2, 3, 5, 8, 13, 21];
        let embedded = embed(&paths(&lengths), &data(53), 2, &Draws::new(0)).unwrap();
        assert!(embedded.data().iter().all(|v| v.is_finite()));
        assert!(embed(&paths(&[1; 9]), &Matrix::new(9, 1, vec![2.0; 9]), 2, &Draws::new(0)).is_ok());
    }
}
