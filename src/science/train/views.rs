//! Random views for contrastive learning: a resized crop, a mirror, colours. Drawn on the host, applied on the device.

use crate::device;
use burn::tensor::{Tensor, TensorData};
use moelab_stages::mice_train::Views;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Shares of red, green and blue in the grey value (ITU-R 601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// One draw per image of [B, C, H, W], values in [0, 1].
pub fn view(images: Tensor<4>, settings: &Views, rng: &mut ChaCha8Rng) -> Tensor<4> {
    let [batch, ..] = images.dims();
    let draws: Vec<Draw> = (0..batch).map(|_| Draw::new(settings, rng)).collect();
    let device = images.device();
    let theta: Vec<f32> = draws.iter().flat_map(|draw| draw.theta).collect();
    let theta = Tensor::<3>::from_data(TensorData::new(theta, [batch, 2, 3]), &device);
    let factor = |of: fn(&Draw) -> f32| {
        let values: Vec<f32> = draws.iter().map(of).collect();
        Tensor::<4>::from_data(TensorData::new(values, [batch, 1, 1, 1]), &device)
    };
    let mixed = |x: Tensor<4>, with: Tensor<4>, factor: Tensor<4>| ((x - with.clone()) * factor + with).clamp(0.0, 1.0);
    let x = device::affine_sample(images, theta);
    let x = (x * factor(|draw| draw.brightness)).clamp(0.0, 1.0);
    let mean = grey(x.clone()).mean_dim(2).mean_dim(3);
    let x = mixed(x, mean, factor(|draw| draw.contrast));
    let grey = grey(x.clone());
    mixed(x, grey, factor(|draw| draw.saturation))
}

/// [B, C, H, W] → [B, 1, H, W].
fn grey(x: Tensor<4>) -> Tensor<4> {
    match x.dims()[1] {
        3 => {
            let shares = Tensor::<4>::from_data(TensorData::new(LUMA.to_vec(), [1, 3, 1, 1]), &x.device());
            (x * shares).sum_dim(1)
        }
        _ => x.mean_dim(1),
    }
}

/// What happens to one image.
struct Draw {
    /// From output to input coordinates, both in [−1, 1].
    theta: [f32; 6],
    brightness: f32,
    contrast: f32,
    /// 0 makes it grey.
    saturation: f32,
}

impl Draw {
    fn new(settings: &Views, rng: &mut ChaCha8Rng) -> Self {
        let mut uniform = |least: f64, most: f64| least + (most - least) * rng.random::<f64>();
        let area = uniform(settings.least_area, 1.0);
        let aspect = uniform(0.75_f64.ln(), -(0.75_f64.ln())).exp().sqrt();
        let (width, height) = ((area.sqrt() * aspect).min(1.0), (area.sqrt() / aspect).min(1.0));
        let (dx, dy) = (uniform(width - 1.0, 1.0 - width), uniform(height - 1.0, 1.0 - height));
        let mirrored = uniform(0.0, 1.0) < 0.5 && settings.flip;
        let jitter = settings.jitter;
        let (brightness, contrast) = (uniform(1.0 - jitter, 1.0 + jitter), uniform(1.0 - jitter, 1.0 + jitter));
        let saturation = uniform(1.0 - jitter, 1.0 + jitter);
        let greyed = uniform(0.0, 1.0) < settings.grayscale;
        let width = if mirrored { -width } else { width };
        Self {
            theta: [width, 0.0, dx, 0.0, height, dy].map(|v| v as f32),
            brightness: brightness as f32,
            contrast: contrast as f32,
            saturation: if greyed { 0.0 } else { saturation as f32 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Choice;
    use crate::random::Draws;
    use crate::tensors::host;

    const OFF: Views = Views {
        least_area: 1.0,
        grayscale: 0.0,
        jitter: 0.0,
        flip: false,
    };

    fn seen(settings: &Views, step: u64) -> (Vec<f32>, Vec<f32>) {
        let device = device::open(Choice::Flex, 1).unwrap();
        let pixels: Vec<f32> = (0..48).map(|i| (i * 7 % 48) as f32 / 48.0).collect();
        let images = Tensor::from_data(TensorData::new(pixels.clone(), [1, 3, 4, 4]), &device);
        (
            pixels,
            host(view(images, settings, &mut Draws::new(1).at("view", 0, step))),
        )
    }

    #[test]
    fn crops_lie_within_the_image() {
        let settings = Views {
            least_area: 0.2,
            flip: true,
            ..OFF
        };
        let mut rng = Draws::new(1).at("view", 0, 0);
        for _ in 0..500 {
            let [width, _, dx, _, height, dy] = Draw::new(&settings, &mut rng).theta;
            assert!(width.abs() + dx.abs() <= 1.0001 && height + dy.abs() <= 1.0001);
            assert!(
                width.abs() * height >= 0.15,
                "the longer side may be cut to the image's"
            );
        }
    }

    #[test]
    fn grey_images_have_equal_channels() {
        let (_, grey) = seen(&Views { grayscale: 1.0, ..OFF }, 0);
        assert!(grey[..16].iter().zip(&grey[16..32]).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn jitter_changes_colours_and_keeps_them_in_range() {
        let (before, after) = seen(&Views { jitter: 0.4, ..OFF }, 0);
        assert_ne!(before, after);
        assert!(after.iter().all(|v| (0.0..=1.0).contains(v)));
        assert_ne!(after, seen(&Views { jitter: 0.4, ..OFF }, 1).1, "another draw");
    }
}
