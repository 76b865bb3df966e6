//! Straightens slanted writing: a shear that makes the moments of an image upright, and a shift of its centroid to the middle
//! (moment-based deskewing, as LeCun et al. 1998 did before their nearest neighbours).
//!
//! What is bright has weight, so the ground should be dark.

/// An image C × H × W, sheared along its rows and centred; between pixels linear, zero outside. One without weight stays.
pub fn deskew(image: &[f32], [_, height, width]: [usize; 3]) -> Vec<f32> {
    let Some(Slant { y, x, shear }) = slant(image, height, width) else {
        return image.to_vec();
    };
    let middle = |side: usize| (side - 1) as f64 / 2.0;
    let mut upright = Vec::with_capacity(image.len());
    for channel in image.chunks_exact(height * width) {
        for row in 0..height {
            let below = row as f64 - middle(height);
            for col in 0..width {
                let from = x + shear * below + col as f64 - middle(width);
                upright.push(between(channel, width, y + below, from) as f32);
            }
        }
    }
    upright
}

/// Centroid, and how far a line down the middle runs to the right with every row.
struct Slant {
    y: f64,
    x: f64,
    shear: f64,
}

/// From first and second moments of the brightness; `None` without any.
fn slant(image: &[f32], height: usize, width: usize) -> Option<Slant> {
    let pixels = || {
        image.iter().enumerate().map(|(i, &v)| {
            let at = i % (height * width);
            ((at / width) as f64, (at % width) as f64, f64::from(v))
        })
    };
    let weight: f64 = pixels().map(|(_, _, v)| v).sum();
    if weight <= 0.0 {
        return None;
    }
    let y = pixels().map(|(y, _, v)| y * v).sum::<f64>() / weight;
    let x = pixels().map(|(_, x, v)| x * v).sum::<f64>() / weight;
    let spread: f64 = pixels().map(|(row, _, v)| (row - y).powi(2) * v).sum();
    let lean: f64 = pixels().map(|(row, col, v)| (row - y) * (col - x) * v).sum();
    // One row has no slant.
    let shear = if spread > 0.0 { lean / spread } else { 0.0 };
    Some(Slant { y, x, shear })
}

fn between(channel: &[f32], width: usize, y: f64, x: f64) -> f64 {
    let height = channel.len() / width;
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    let at = |y: f64, x: f64| {
        let inside = y >= 0.0 && x >= 0.0 && y < height as f64 && x < width as f64;
        if inside {
            f64::from(channel[y as usize * width + x as usize])
        } else {
            0.0
        }
    };
    let upper = at(top, left) * (1.0 - right) + at(top, left + 1.0) * right;
    let lower = at(top + 1.0, left) * (1.0 - right) + at(top + 1.0, left + 1.0) * right;
    upper * (1.0 - down) + lower * down
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Case, cases, close};
    use super::*;

    #[test]
    fn images_are_straightened_as_by_scipy() {
        for Case {
            name,
            shape,
            image,
            upright,
            ..
        } in &cases()
        {
            close(name, &deskew(image, *shape), upright);
        }
    }

    #[test]
    fn a_slanted_stroke_stands_upright_in_the_middle() {
        let mut image = vec![0.0; 9 * 15];
        (0..9).for_each(|row| image[row * 15 + 2 + row] = 1.0);
        let mut wanted = vec![0.0; 9 * 15];
        (0..9).for_each(|row| wanted[row * 15 + 7] = 1.0);
        close("stroke", &deskew(&image, [1, 9, 15]), &wanted);
    }

    #[test]
    fn channels_move_together() {
        let one: Vec<f32> = (0..64).map(|i| ((i * 7) % 5) as f32 / 5.0).collect();
        let both = deskew(&[one.clone(), one.clone()].concat(), [2, 8, 8]);
        let alone = deskew(&one, [1, 8, 8]);
        close("first", &both[..64], &alone);
        close("second", &both[64..], &alone);
    }

    #[test]
    fn without_weight_or_height_there_is_no_slant() {
        assert_eq!(deskew(&[0.0; 16], [1, 4, 4]), [0.0; 16]);
        assert_eq!(deskew(&[0.0, 1.0, 0.0], [1, 1, 3]), [0.0, 1.0, 0.0]);
    }
}
