//! Runs `describe`.

use super::refuse;
use crate::describe::{Gradients, deskew};
use crate::manifold::Pca;
use crate::matrix::Matrix;
use crate::tensors::{Content, write};
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::describe::{Describe, Descriptor};
use rayon::prelude::*;
use serde_json::json;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Describe = job.settings()?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let described = described(&images, &settings)?;
    tracing::info!("{} images, {} entries each", described.rows(), described.cols());
    let components = (settings.components as usize).min(described.rows().min(described.cols()));
    let points = match components {
        0 => described,
        _ => Pca::fit(&described, components)
            .and_then(|pca| pca.transform(&described))
            .map_err(refuse)?,
    };
    let shape = [points.rows(), points.cols()];
    let tensors = [("points", &shape[..], Content::F32(points.data()))];
    write(&job.output("points")?, &tensors, &json!({})).map_err(refuse)
}

fn described(images: &Images, settings: &Describe) -> Result<Matrix, Failure> {
    let shape @ [channels, height, width] = [images.channels, images.height, images.width];
    let upright = |row: usize| match settings.deskew {
        true => deskew(&images.row(row), shape),
        false => images.row(row),
    };
    if settings.descriptor == Descriptor::Pixels {
        return Ok(matrix(images.rows, channels * height * width, upright));
    }
    let gradients = Gradients {
        orientations: settings.orientations as usize,
        cell: settings
            .cell
            .map_or((height.min(width) / 7).max(1), |side| side as usize),
        block: settings.block as usize,
    };
    let Some(length) = gradients.len(height, width) else {
        return Err(refuse(format!(
            "a block of {block} × {block} cells of {cell} × {cell} pixels does not fit into images of {height} × {width}: \
             take smaller cells (`cell`) or blocks (`block`), or load larger images (`resize`)",
            block = gradients.block,
            cell = gradients.cell,
        )));
    };
    Ok(matrix(images.rows, length, |row| gradients.of(&upright(row), shape)))
}

fn matrix(rows: usize, cols: usize, row: impl Fn(usize) -> Vec<f32> + Sync) -> Matrix {
    let mut values = vec![0.0; rows * cols];
    let into = values.par_chunks_exact_mut(cols.max(1)).enumerate();
    into.for_each(|(i, into)| into.copy_from_slice(&row(i)));
    Matrix::new(rows, cols, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        Images::new(5, [1, 8, 8], (0..5 * 64).map(|i| (i * i % 251) as u8).collect())
    }

    #[test]
    fn a_cell_is_a_seventh_of_the_image() {
        let whole = Describe::default();
        assert_eq!(described(&images(), &whole).unwrap().cols(), 36 * 81);
        let two = Describe { cell: Some(2), ..whole };
        assert_eq!(described(&images(), &two).unwrap().cols(), 4 * 81);
    }

    #[test]
    fn pixels_are_handed_on_as_they_are() {
        let settings = Describe {
            descriptor: Descriptor::Pixels,
            ..Describe::default()
        };
        let found = described(&images(), &settings).unwrap();
        assert_eq!((found.cols(), found.row(3)), (64, &images().row(3)[..]));
    }

    #[test]
    fn a_block_that_does_not_fit_is_told_with_its_size() {
        let settings = Describe {
            cell: Some(4),
            ..Describe::default()
        };
        let told = described(&images(), &settings).unwrap_err().to_string();
        assert!(
            told.contains("3 × 3 cells of 4 × 4 pixels") && told.contains("8 × 8") && told.contains("resize"),
            "{told}"
        );
    }
}
