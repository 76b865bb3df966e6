//! Random affine changes, drawn on the host and applied on the device.

use crate::device;
use burn::tensor::{Tensor, TensorData};
use moelab_stages::augment::Augment;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Applies one draw per image to [B, C, H, W].
pub fn augment(images: Tensor<4>, settings: &Augment, rng: &mut ChaCha8Rng) -> Tensor<4> {
    if settings.is_off() {
        return images;
    }
    let [batch, _, height, width] = images.dims();
    let theta: Vec<f32> = (0..batch).flat_map(|_| draw(settings, height, width, rng)).collect();
    let theta = Tensor::<3>::from_data(TensorData::new(theta, [batch, 2, 3]), &images.device());
    device::affine_sample(images, theta)
}

/// One 2×3 matrix from output to input coordinates, both in [−1, 1].
fn draw(settings: &Augment, height: usize, width: usize, rng: &mut ChaCha8Rng) -> [f32; 6] {
    let mut within = |most: f64| (2.0 * rng.random::<f64>() - 1.0) * most;
    let angle = within(settings.rotation).to_radians();
    let zoom = 1.0 + within(settings.zoom);
    // A shift by the whole side is 2 in these coordinates; a crop is a shift by whole pixels.
    let mut shift = |side: usize| {
        let crop = (within(1.0) * f64::from(settings.crop)).round() / side as f64;
        2.0 * (within(settings.shift) + crop)
    };
    let (dy, dx) = (shift(height), shift(width));
    let mirror = if settings.flip && rng.random::<bool>() {
        -1.0
    } else {
        1.0
    };
    let (sin, cos) = angle.sin_cos();
    // The rotation acts in pixels: where sides differ, coordinates are stretched back and forth.
    let aspect = height as f64 / width as f64;
    [
        cos / zoom * mirror,
        -sin / zoom * aspect,
        dx,
        sin / zoom / aspect * mirror,
        cos / zoom,
        dy,
    ]
    .map(|v| v as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    fn off() -> Augment {
        Augment {
            rotation: 0.0,
            zoom: 0.0,
            shift: 0.0,
            flip: false,
            crop: 0,
        }
    }

    #[test]
    fn without_settings_the_matrix_is_the_identity() {
        assert_eq!(
            draw(&off(), 8, 8, &mut Draws::new(1).at("augment", 0, 0)),
            [1., 0., 0., 0., 1., 0.]
        );
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let settings = Augment {
            rotation: 10.0,
            zoom: 0.1,
            shift: 0.1,
            flip: false,
            crop: 0,
        };
        for step in 0..200 {
            let m = draw(&settings, 8, 8, &mut Draws::new(1).at("augment", 0, step));
            let scale = (m[0] * m[4] - m[1] * m[3]).sqrt();
            assert!((1.0 / 1.1 - 1e-4..=1.0 / 0.9 + 1e-4).contains(&scale), "zoom {scale}");
            assert!(m[3].atan2(m[0]).to_degrees().abs() <= 10.001);
            assert!(m[2].abs() <= 0.2 && m[5].abs() <= 0.2);
        }
    }

    #[test]
    fn a_flip_mirrors_about_half_of_the_images() {
        let settings = Augment { flip: true, ..off() };
        let flipped = (0..200)
            .filter(|&s| draw(&settings, 8, 8, &mut Draws::new(1).at("augment", 0, s))[0] < 0.0)
            .count();
        assert!((60..140).contains(&flipped), "{flipped} of 200");
    }
}
