//! Runs `single_linkage`, and reads its table.

use super::{embed, refuse};
use crate::cluster::{Merge, MutualReachability, SingleLinkage};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::frame::{read_parquet, whole, write_parquet};
use moelab_stages::single_linkage;
use polars::prelude::{DataFrame, NamedFrom, Series};
use std::path::Path;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: single_linkage::SingleLinkage = job.settings()?;
    let input = job.input("points")?;
    let points = embed::points(&input.path, &input.artifact)?;
    let reach = MutualReachability::new(&points).map_err(refuse)?;
    let linkage = reach
        .single_linkage(settings.min_samples as usize, settings.alpha)
        .map_err(refuse)?;
    tracing::info!(
        "the spanning tree of {} points weighs {}",
        points.rows(),
        linkage.weight()
    );
    write(&linkage, &job.output("linkage")?)
}

fn write(linkage: &SingleLinkage, path: &Path) -> Result<(), Failure> {
    let merges = linkage.merges();
    let numbers = |of: fn(&Merge) -> u32| merges.iter().map(of).collect::<Vec<u32>>();
    let distances: Vec<f64> = merges.iter().map(|merge| merge.distance).collect();
    let columns = vec![
        Series::new("left".into(), numbers(|merge| merge.left)).into(),
        Series::new("right".into(), numbers(|merge| merge.right)).into(),
        Series::new("distance".into(), distances).into(),
        Series::new("size".into(), numbers(|merge| merge.size)).into(),
    ];
    let mut frame = DataFrame::new(merges.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, path).map_err(refuse)
}

/// Reads a `linkage` artifact.
pub fn read(path: &Path) -> Result<SingleLinkage, Failure> {
    let frame = read_parquet(path).map_err(refuse)?;
    let numbers = |name: &str| -> Result<Vec<u32>, Failure> {
        let column = whole(&frame, name).and_then(|c| c.u32().cloned()).map_err(refuse)?;
        Ok(column.into_no_null_iter().collect())
    };
    let (left, right, size) = (numbers("left")?, numbers("right")?, numbers("size")?);
    let distances = whole(&frame, "distance")
        .and_then(|c| c.f64().cloned())
        .map_err(refuse)?;
    let merges = distances.into_no_null_iter().enumerate().map(|(i, distance)| Merge {
        left: left[i],
        right: right[i],
        distance,
        size: size[i],
    });
    SingleLinkage::from_merges(merges.collect()).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn a_linkage_reads_back() {
        let points = Matrix::new(5, 1, vec![0.0, 1.0, 2.5, 9.0, 9.5]);
        let linkage = MutualReachability::new(&points)
            .unwrap()
            .single_linkage(1, 1.0)
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("linkage");
        write(&linkage, &path).unwrap();
        assert_eq!(read(&path).unwrap(), linkage);
    }
}
