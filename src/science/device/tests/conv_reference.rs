//! The composed form against the definition, and what a row must do besides being right.

use super::conv::{Case, Form, PLAIN, Shape, build, evaluate, one};
use super::*;
use crate::device::composed;

#[test]
fn the_composed_gradient_is_the_slope_of_the_output() {
    let case = Case {
        input: [2, 2, 3, 3],
        blocks: vec![Shape { out: 3, ..PLAIN }],
    };
    let found = evaluate(&case, &Device::flex(), composed::conv_chain);
    let gradient = &found.iter().find(|(name, _)| name == "dx").expect("evaluated").1;
    let at = |shift: &[f32]| {
        let (_, x, blocks) = build(&case, &Device::flex(), false);
        let shift = Tensor::from_data(TensorData::new(shift.to_vec(), case.input), &Device::flex());
        let (y, _) = composed::conv_chain(x + shift, blocks);
        let pull = noise(y.dims(), 99, &Device::flex());
        values((y * pull).sum())[0]
    };
    const STEP: f32 = 1e-2;
    for i in 0..gradient.len() {
        let mut shift = vec![0.0; gradient.len()];
        shift[i] = STEP;
        let above = at(&shift);
        shift[i] = -STEP;
        let slope = (above - at(&shift)) / (2.0 * STEP);
        assert!(
            (slope - gradient[i]).abs() < 0.05 * gradient[i].abs().max(1.0),
            "{i}: {slope} and {}",
            gradient[i]
        );
    }
}

#[test]
fn a_batch_of_known_numbers_has_its_moments() {
    for device in devices() {
        let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device).reshape([1, 1, 2, 2]);
        let weight = Tensor::<4>::ones([1, 1, 1, 1], &device);
        let norm = (Tensor::<1>::ones([1], &device), Tensor::<1>::zeros([1], &device), 0.0);
        let geometry = ConvGeometry {
            padding: 0,
            ..ConvGeometry::default()
        };
        let output = conv_block(x, weight, None, Some(norm), geometry, None);
        assert_close(&values(output.mean.expect("has a norm")), &[2.5], 1e-6, "mean");
        // Unbiased: 5 / 3. The normalisation uses the biased 5 / 4.
        assert_close(&values(output.var.expect("has a norm")), &[5.0 / 3.0], 1e-6, "variance");
        let side = 1.25f32.sqrt();
        assert_close(
            &values(output.y),
            &[-1.5 / side, -0.5 / side, 0.5 / side, 1.5 / side],
            1e-6,
            "normalised",
        );
    }
}

#[test]
fn without_autodiff_the_row_gives_the_same_and_no_graph() {
    let case = one(PLAIN);
    for device in devices() {
        let (_, x, blocks) = build(&case, &device, false);
        let (y, moments) = conv_chain(x, blocks);
        assert!(!y.is_autodiff() && moments[0].is_some());
        let wanted = evaluate(&case, &Device::flex(), composed::conv_chain);
        assert_close(&values(y), &wanted[0].1, 1e-4, "y");
    }
}

#[test]
fn nothing_tracked_means_nothing_recorded() {
    for device in devices() {
        let (_, x, blocks) = build(&one(PLAIN), &device.autodiff(), false);
        let (y, _) = conv_chain(x, blocks);
        assert!(y.is_autodiff() && !y.is_tracked());
    }
}

#[test]
fn a_constant_input_leaves_the_weights_their_gradients() {
    for device in devices() {
        let (_, _, blocks) = build(&one(PLAIN), &device.clone().autodiff(), true);
        let x = noise([3, 4, 6, 6], 1, &device);
        let weight = blocks[0].weight.clone();
        let (y, _) = conv_chain(x, blocks);
        let grads = (y.clone() * noise(y.dims(), 99, &device)).sum().backward();
        let wanted = evaluate(&one(PLAIN), &Device::flex(), composed::conv_chain);
        let wanted = &wanted
            .iter()
            .find(|(name, _)| name == "dweight 0")
            .expect("evaluated")
            .1;
        assert_close(&values(weight.grad(&grads).expect("tracked")), wanted, 1e-4, "dweight");
    }
}

#[test]
fn a_tensor_used_twice_gets_both_gradients() {
    let shape = Shape {
        out: 4,
        norm: None,
        ..PLAIN
    };
    let shared = |form: Form, device: &Device| {
        let device = device.clone().autodiff();
        let (_, x, mut blocks) = build(
            &Case {
                input: [2, 4, 3, 3],
                blocks: vec![shape; 2],
            },
            &device,
            true,
        );
        blocks[1].weight = blocks[0].weight.clone();
        let weight = blocks[0].weight.clone();
        let (y, _) = form(x, blocks);
        values(
            weight
                .grad(&(y.clone() * noise(y.dims(), 99, &device)).sum().backward())
                .expect("tracked"),
        )
    };
    let wanted = shared(composed::conv_chain, &Device::flex());
    for device in devices() {
        assert_close(&shared(conv_chain, &device), &wanted, 1e-4, "dweight");
    }
}

#[test]
fn the_same_threads_give_the_same_bytes() {
    let case = Case {
        input: [8, 4, 16, 16],
        blocks: vec![PLAIN, Shape { out: 8, ..PLAIN }],
    };
    for device in devices() {
        let bits = || -> Vec<u32> {
            evaluate(&case, &device, conv_chain)
                .into_iter()
                .flat_map(|(_, v)| v)
                .map(f32::to_bits)
                .collect()
        };
        assert_eq!(bits(), bits(), "{device:?}");
    }
}

#[test]
fn an_output_changed_after_the_row_does_not_spoil_its_gradient() {
    // The plain ReLU's derivative reads its output, which burn would overwrite if it took itself for the only owner.
    let case = one(Shape {
        slope: Some(0.0),
        ..PLAIN
    });
    let tripled: Form = |x, blocks| {
        let (y, moments) = conv_chain(x, blocks);
        (y * 3.0, moments)
    };
    let wanted: Form = |x, blocks| {
        let (y, moments) = composed::conv_chain(x, blocks);
        (y * 3.0, moments)
    };
    let wanted = evaluate(&case, &Device::flex(), wanted);
    for device in devices() {
        for ((name, found), (_, wanted)) in evaluate(&case, &device, tripled).iter().zip(&wanted) {
            if name == "dx" || name == "dweight 0" {
                assert_close(found, wanted, 1e-4, name);
            }
        }
    }
}

#[test]
fn a_graph_never_used_leaves_its_memory_to_the_next() {
    for device in devices() {
        let (_, x, blocks) = build(&one(PLAIN), &device.autodiff(), true);
        for _ in 0..3 {
            drop(conv_chain(x.clone(), blocks.clone()));
        }
        let (y, _) = conv_chain(x.clone(), blocks);
        assert!(x.grad(&y.sum().backward()).is_some());
    }
}

#[test]
#[should_panic(expected = "conv block 0: a weight of 6 × 4 × 3 × 3 in 1 groups does not fit 5 channels")]
fn a_weight_that_does_not_fit_names_the_block() {
    let (_, _, blocks) = build(&one(PLAIN), &Device::flex(), false);
    conv_chain(noise([1, 5, 6, 6], 1, &Device::flex()), blocks);
}

#[test]
#[should_panic(expected = "more than one value per channel")]
fn batch_statistics_of_one_value_are_refused() {
    let (_, _, blocks) = build(&one(PLAIN), &Device::flex(), false);
    conv_chain(noise([1, 4, 1, 1], 1, &Device::flex()), blocks);
}
