//! Histograms of oriented gradients (Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR 2005):
//! which way edges run in each cell of an image, whatever the contrast around it.
//!
//! Gradients are central differences, zero at the border; of several channels the one with the largest gradient counts.
//! Orientations have no sign. Blocks of cells overlap by all but one cell and are normalised by `L2-Hys`.

/// Entries of a normalised block are cut off here before it is normalised again.
const CLIP: f64 = 0.2;
/// Keeps a block without edges finite.
const EPSILON: f64 = 1e-5;

/// How gradients are gathered; all at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gradients {
    /// Bins between 0° and 180°.
    pub orientations: usize,
    /// Side of a cell in pixels.
    pub cell: usize,
    /// Side of a block in cells.
    pub block: usize,
}

impl Gradients {
    /// Length of the description of an image of this size; `None` if no block fits into it.
    pub fn len(&self, height: usize, width: usize) -> Option<usize> {
        let blocks = |side: usize| (side / self.cell).checked_sub(self.block).map(|n| n + 1);
        Some(blocks(height)? * blocks(width)? * self.block * self.block * self.orientations)
    }

    /// Describes an image C × H × W in which a block fits: blocks row by row, in each the cells row by row, in each the
    /// orientations.
    pub fn of(&self, image: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f32> {
        let histograms = self.histograms(image, [channels, height, width]);
        let (rows, cols) = (height / self.cell, width / self.cell);
        let mut description = Vec::with_capacity(self.len(height, width).unwrap_or(0));
        for row in 0..=rows - self.block {
            for col in 0..=cols - self.block {
                let mut block: Vec<f64> = (row..row + self.block)
                    .flat_map(|r| {
                        let cells = (r * cols + col) * self.orientations;
                        &histograms[cells..cells + self.block * self.orientations]
                    })
                    .copied()
                    .collect();
                normalise(&mut block);
                block.iter_mut().for_each(|v| *v = v.min(CLIP));
                normalise(&mut block);
                description.extend(block.iter().map(|&v| v as f32));
            }
        }
        description
    }

    /// Mean gradient magnitude of each cell by orientation: cells × orientations.
    fn histograms(&self, image: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f64> {
        let (rows, cols) = (height / self.cell, width / self.cell);
        let borders = self.borders();
        let mut histograms = vec![0.0; rows * cols * self.orientations];
        for y in 0..rows * self.cell {
            for x in 0..cols * self.cell {
                let steepest = (0..channels)
                    .map(|c| gradient(&image[c * height * width..(c + 1) * height * width], width, y, x))
                    // The first of equally steep ones, as scikit-image takes it.
                    .reduce(|best, next| if magnitude(next) > magnitude(best) { next } else { best })
                    .unwrap_or_default();
                let cell = (y / self.cell) * cols + x / self.cell;
                histograms[cell * self.orientations + bin(&borders, steepest)] += magnitude(steepest);
            }
        }
        let area = (self.cell * self.cell) as f64;
        histograms.iter_mut().for_each(|v| *v /= area);
        histograms
    }

    /// Directions (x, y) between the bins.
    fn borders(&self) -> Vec<(f64, f64)> {
        let angle = |i: usize| std::f64::consts::PI * i as f64 / self.orientations as f64;
        (1..self.orientations)
            .map(|i| (angle(i).cos(), angle(i).sin()))
            .collect()
    }
}

/// Central differences along x and y.
fn gradient(channel: &[f32], width: usize, y: usize, x: usize) -> (f64, f64) {
    let height = channel.len() / width;
    let at = |y: usize, x: usize| f64::from(channel[y * width + x]);
    let across = |at: usize, side: usize| at > 0 && at + 1 < side;
    let dx = if across(x, width) {
        at(y, x + 1) - at(y, x - 1)
    } else {
        0.0
    };
    let dy = if across(y, height) {
        at(y + 1, x) - at(y - 1, x)
    } else {
        0.0
    };
    (dx, dy)
}

fn magnitude((dx, dy): (f64, f64)) -> f64 {
    dx.hypot(dy)
}

/// Turned into the upper half plane, a gradient has passed the border of every bin before its own.
fn bin(borders: &[(f64, f64)], (dx, dy): (f64, f64)) -> usize {
    let (dx, dy) = match dy {
        0.0 => (dx.abs(), 0.0),
        dy if dy < 0.0 => (-dx, -dy),
        dy => (dx, dy),
    };
    borders.partition_point(|(x, y)| x * dy - y * dx >= 0.0)
}

fn normalise(block: &mut [f64]) {
    let norm = (block.iter().map(|v| v * v).sum::<f64>() + EPSILON * EPSILON).sqrt();
    block.iter_mut().for_each(|v| *v /= norm);
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Case, cases, close};
    use super::*;

    const USUAL: Gradients = Gradients {
        orientations: 9,
        cell: 4,
        block: 3,
    };

    #[test]
    fn descriptions_are_those_of_scikit_image() {
        let cases = cases();
        assert!(cases.len() >= 5);
        for Case {
            name,
            shape,
            image,
            orientations,
            cell,
            block,
            gradients,
            ..
        } in &cases
        {
            let found = Gradients {
                orientations: *orientations,
                cell: *cell,
                block: *block,
            };
            close(name, &found.of(image, *shape), gradients);
        }
    }

    #[test]
    fn its_length_is_known_beforehand() {
        assert_eq!(USUAL.len(28, 28), Some(25 * 81));
        assert_eq!(USUAL.of(&[0.0; 28 * 30], [1, 28, 30]).len(), 25 * 81);
        assert_eq!(USUAL.len(12, 16), Some(2 * 81));
        assert_eq!(USUAL.len(11, 16), None);
    }

    #[test]
    fn contrast_does_not_count() {
        let image: Vec<f32> = (0..28 * 28).map(|i| ((i * i) % 29) as f32 / 29.0).collect();
        let fainter: Vec<f32> = image.iter().map(|v| 0.3 + 0.5 * v).collect();
        let (one, other) = (USUAL.of(&image, [1, 28, 28]), USUAL.of(&fainter, [1, 28, 28]));
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn opposite_gradients_are_one_orientation() {
        let borders = USUAL.borders();
        for (dx, dy) in [(1.0, 0.0), (0.3, 0.9), (-0.5, 0.5), (-1.0, 0.01)] {
            assert_eq!(bin(&borders, (dx, dy)), bin(&borders, (-dx, -dy)), "({dx}, {dy})");
        }
        assert_eq!((bin(&borders, (1.0, 0.0)), bin(&borders, (-1.0, 0.01))), (0, 8));
    }

    #[test]
    fn an_image_without_edges_is_described_by_zeros() {
        assert!(USUAL.of(&[0.7; 28 * 28], [1, 28, 28]).iter().all(|&v| v == 0.0));
    }
}
