//! Two dimensions of many: the first two principal axes.

use super::sample;
use crate::tensors::Points;

/// Rounds of subspace iteration; far more than a drawing needs.
const ROUNDS: usize = 60;

/// Evenly spaced rows that the axes are found from: more hardly turn them, and one embedding has one plane whatever is drawn.
const MOST_ROWS: usize = 2000;

/// Where points lie in a plane, and what the plane is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    pub(crate) points: Vec<(f32, f32)>,
    /// Names of the two directions.
    pub(crate) axes: [String; 2],
    /// What is drawn, if the points have more dimensions than two.
    pub(crate) note: Option<String>,
}

impl Plane {
    /// These rows of the points: as they are in two dimensions, by their first two principal components in more.
    pub(crate) fn of(points: &Points, rows: &[usize]) -> Self {
        let names = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        match points.dimensions {
            0 => Self {
                points: vec![(0.0, 0.0); rows.len()],
                axes: names("", ""),
                note: Some("the points have no dimensions".to_owned()),
            },
            1 => Self {
                points: rows.iter().map(|&row| (points.row(row)[0], 0.0)).collect(),
                axes: names("dimension 1", ""),
                note: Some("the points have one dimension".to_owned()),
            },
            2 => Self {
                points: rows
                    .iter()
                    .map(|&row| (points.row(row)[0], points.row(row)[1]))
                    .collect(),
                axes: names("dimension 1", "dimension 2"),
                note: None,
            },
            dimensions => {
                let (projected, shares) = principal(points, rows);
                let name = |i: usize| format!("principal component {} ({:.0} %)", i + 1, 100.0 * shares[i]);
                let both = 100.0 * (shares[0] + shares[1]);
                Self {
                    points: projected,
                    axes: [name(0), name(1)],
                    note: Some(format!(
                        "drawn are the first two principal components of {dimensions} dimensions ({both:.0} % of the variance)"
                    )),
                }
            }
        }
    }
}

/// Coordinates of these rows on the first two principal axes, and the share of the variance along each.
///
/// Subspace iteration on centred, evenly spaced rows of all. The sign of each axis is such that its greatest entry is positive.
fn principal(points: &Points, drawn: &[usize]) -> (Vec<(f32, f32)>, [f64; 2]) {
    let d = points.dimensions;
    let rows = sample(points.rows(), MOST_ROWS);
    let mut mean = vec![0.0_f64; d];
    for &row in &rows {
        mean.iter_mut()
            .zip(points.row(row))
            .for_each(|(m, x)| *m += f64::from(*x));
    }
    mean.iter_mut().for_each(|m| *m /= rows.len().max(1) as f64);
    let along = |row: usize, axis: &[f64]| -> f64 {
        let centred = points.row(row).iter().zip(&mean).map(|(x, m)| f64::from(*x) - m);
        centred.zip(axis).map(|(x, a)| x * a).sum()
    };
    // Any start but one at right angles to an axis will do.
    let mut axes = [0, 1].map(|i| {
        let entry = |j: usize| 1.0 + ((j * (2 + 5 * i) + i) % 7) as f64;
        (0..d).map(entry).collect::<Vec<f64>>()
    });
    let mut variances = [0.0; 2];
    orthonormalise(&mut axes);
    for _ in 0..ROUNDS {
        let mut next = [vec![0.0; d], vec![0.0; d]];
        for &row in &rows {
            for (axis, next) in axes.iter().zip(&mut next) {
                let length = along(row, axis);
                let centred = points.row(row).iter().zip(&mean).map(|(x, m)| f64::from(*x) - m);
                next.iter_mut().zip(centred).for_each(|(n, x)| *n += length * x);
            }
        }
        axes = next;
        variances = orthonormalise(&mut axes);
    }
    for axis in &mut axes {
        let greatest = axis
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(0.0);
        if greatest < 0.0 {
            axis.iter_mut().for_each(|a| *a = -*a);
        }
    }
    let total: f64 = rows
        .iter()
        .flat_map(|&row| {
            points
                .row(row)
                .iter()
                .zip(&mean)
                .map(|(x, m)| (f64::from(*x) - m).powi(2))
        })
        .sum();
    let shares = variances.map(|variance| if total > 0.0 { variance / total } else { 0.0 });
    let projected = drawn
        .iter()
        .map(|&row| (along(row, &axes[0]) as f32, along(row, &axes[1]) as f32));
    (projected.collect(), shares)
}

/// Gram–Schmidt; gives the lengths before.
fn orthonormalise(axes: &mut [Vec<f64>; 2]) -> [f64; 2] {
    let [first, second] = axes;
    let length = |axis: &[f64]| axis.iter().map(|a| a * a).sum::<f64>().sqrt();
    let scale = |axis: &mut [f64]| {
        let length = length(axis);
        if length > 0.0 {
            axis.iter_mut().for_each(|a| *a /= length);
        }
        length
    };
    let one = scale(first);
    let inner: f64 = first.iter().zip(second.iter()).map(|(a, b)| a * b).sum();
    second.iter_mut().zip(first.iter()).for_each(|(b, a)| *b -= inner * a);
    [one, scale(second)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: Vec<f32>, dimensions: usize) -> Points {
        Points { values, dimensions }
    }

    #[test]
    fn two_dimensions_are_drawn_as_they_are() {
        let plane = Plane::of(&points(vec![1.0, 2.0, 3.0, 4.0], 2), &[1]);
        assert_eq!((plane.points, plane.note), (vec![(3.0, 4.0)], None));
    }

    #[test]
    fn more_are_turned_to_the_principal_axes_and_said() {
        // Spread 9 : 1 : 0 along the second, the third and the first dimension.
        let corners = [[5.0, 3.0, 0.0], [5.0, -3.0, 0.0], [5.0, 0.0, 1.0], [5.0, 0.0, -1.0]];
        let plane = Plane::of(&points(corners.concat(), 3), &[0, 1, 2, 3]);
        let near = |(x, y): (f32, f32), (a, b): (f32, f32)| (x - a).abs() < 1e-5 && (y - b).abs() < 1e-5;
        for (found, wanted) in plane
            .points
            .iter()
            .zip([(3.0, 0.0), (-3.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
        {
            assert!(near(*found, wanted), "{found:?} is not {wanted:?}");
        }
        assert_eq!(plane.axes[0], "principal component 1 (90 %)");
        assert!(plane.note.unwrap().contains("of 3 dimensions (100 % of the variance)"));
    }

    #[test]
    fn one_dimension_and_equal_points_are_drawn_too() {
        assert_eq!(
            Plane::of(&points(vec![1.0, 2.0], 1), &[0, 1]).points,
            [(1.0, 0.0), (2.0, 0.0)]
        );
        let same = Plane::of(&points(vec![1.0; 9], 3), &[0, 1, 2]);
        assert!(same.points.iter().all(|p| p.0.abs() < 1e-6 && p.1.abs() < 1e-6));
    }
}
