use super::*;

/// Loss and gradient by definition, in double precision.
fn by_hand(x: f32, t: f32) -> (f32, f32) {
    let (x, t) = (f64::from(x), f64::from(t));
    let loss = x.max(0.0) - x * t + (-x.abs()).exp().ln_1p();
    let slope = 1.0 / (1.0 + (-x).exp()) - t;
    (loss as f32, slope as f32)
}

const LOGITS: [f32; 7] = [-90.0, -3.0, -0.5, 0.0, 0.5, 4.0, 90.0];

#[test]
fn loss_and_gradient_are_the_definition_even_far_out_and_at_zero() {
    for target in [0.0, 0.25, 1.0] {
        for device in devices() {
            let device = device.autodiff();
            let logits = Tensor::<1>::from_floats(LOGITS, &device).require_grad();
            let loss = bce_with_logits(logits.clone(), Tensor::full([7], target, &device));
            let grads = loss.clone().sum().backward();
            let found = (values(loss), values(logits.grad(&grads).expect("tracked")));
            for (i, x) in LOGITS.into_iter().enumerate() {
                let wanted = by_hand(x, target);
                assert!(
                    (found.0[i] - wanted.0).abs() <= 1e-5 * (1.0 + wanted.0.abs()),
                    "loss at {x}: {}",
                    found.0[i]
                );
                assert!(
                    (found.1[i] - wanted.1).abs() <= 1e-5,
                    "slope at {x}: {} not {}",
                    found.1[i],
                    wanted.1
                );
            }
        }
    }
}

#[test]
fn without_autodiff_the_loss_is_the_same() {
    for device in devices() {
        let loss = bce_with_logits(
            Tensor::<1>::from_floats(LOGITS, &device),
            Tensor::full([7], 0.25, &device),
        );
        assert!(!loss.is_autodiff());
        assert_close(&values(loss), &LOGITS.map(|x| by_hand(x, 0.25).0), 1e-5, "loss");
    }
}
