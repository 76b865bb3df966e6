use super::*;

fn maps(rows: &[[f32; 6]], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), 2, 3]), device)
}

const IDENTITY: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

#[test]
fn the_identity_keeps_the_image() {
    for device in devices() {
        let images: Tensor<4> = noise([2, 3, 5, 4], 1, &device);
        let found = affine_sample(images.clone(), maps(&[IDENTITY; 2], &device));
        assert_close(&values(found), &values(images), 1e-5, "image");
    }
}

#[test]
fn a_quarter_turn_moves_every_pixel_to_its_place() {
    // The output at (x, y) reads the input at (-y, x): row r, column c shows what was at row c, column n - 1 - r.
    let turn = [0.0, -1.0, 0.0, 1.0, 0.0, 0.0];
    for device in devices() {
        let image = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &device);
        let found = affine_sample(image.reshape([1, 1, 3, 3]), maps(&[turn], &device));
        assert_close(
            &values(found),
            &[3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0],
            1e-5,
            "image",
        );
    }
}

#[test]
fn what_lies_outside_is_black() {
    let far = [1.0, 0.0, 4.0, 0.0, 1.0, 0.0];
    for device in devices() {
        let found = affine_sample(Tensor::ones([1, 1, 3, 3], &device), maps(&[far], &device));
        assert_eq!(values(found), [0.0; 9]);
    }
}

#[test]
fn every_image_has_its_own_map_and_the_devices_agree() {
    let rows = [[0.8, 0.3, -0.2, -0.25, 1.1, 0.4], [1.3, 0.0, 0.1, 0.2, 0.7, -0.3]];
    let sampled = |device: &Device| {
        let images: Tensor<4> = noise([2, 3, 9, 7], 1, device);
        values(affine_sample(images, maps(&rows, device)))
    };
    let wanted = sampled(&Device::flex());
    for device in devices() {
        assert_close(&sampled(&device), &wanted, 1e-4, "images");
    }
}
