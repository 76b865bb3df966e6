use super::*;

/// Three steps in double precision, written from the definition.
fn by_hand(param: &[f32], grads: &[Vec<f32>], rule: &AdamRule) -> Vec<f32> {
    let mut result = Vec::new();
    for (i, &p) in param.iter().enumerate() {
        let (mut p, mut m, mut v) = (f64::from(p), 0.0, 0.0);
        for (t, grad) in grads.iter().enumerate() {
            let g = f64::from(grad[i]) + rule.weight_decay * p;
            m = rule.beta1 * m + (1.0 - rule.beta1) * g;
            v = rule.beta2 * v + (1.0 - rule.beta2) * g * g;
            let m_hat = m / (1.0 - rule.beta1.powi(t as i32 + 1));
            let v_hat = v / (1.0 - rule.beta2.powi(t as i32 + 1));
            p -= rule.lr * m_hat / (v_hat.sqrt() + rule.eps);
        }
        result.push(p as f32);
    }
    result
}

fn three_steps(shape: [usize; 3], rule: &AdamRule, device: &Device) -> (Vec<f32>, Vec<Vec<f32>>, Vec<f32>) {
    let mut param: Tensor<3> = noise(shape, 5, device);
    let start = values(param.clone());
    let mut state = AdamState::new(&param);
    let mut grads = Vec::new();
    for step in 1..=3 {
        let grad: Tensor<3> = noise(shape, 20 + step, device);
        grads.push(values(grad.clone()));
        (param, state) = adam_step(param, grad, state, rule, step);
    }
    (start, grads, values(param))
}

#[test]
fn three_steps_are_the_definition() {
    for rule in [
        AdamRule::default(),
        AdamRule {
            lr: 0.1,
            weight_decay: 0.3,
            eps: 1e-3,
            ..AdamRule::default()
        },
    ] {
        for device in devices() {
            let (start, grads, found) = three_steps([3, 5, 7], &rule, &device);
            assert_close(&found, &by_hand(&start, &grads, &rule), 1e-6, "parameter");
        }
    }
}

#[test]
fn a_tensor_too_large_for_one_thread_is_updated_alike() {
    let rule = AdamRule {
        lr: 0.1,
        ..AdamRule::default()
    };
    for device in devices() {
        let (start, grads, found) = three_steps([7, 200, 301], &rule, &device);
        assert_close(&found, &by_hand(&start, &grads, &rule), 1e-6, "parameter");
    }
}

#[test]
fn a_tensor_of_another_layout_is_updated_alike() {
    let rule = AdamRule {
        lr: 0.1,
        ..AdamRule::default()
    };
    for device in devices() {
        let param: Tensor<2> = noise([4, 6], 5, &device);
        let grad: Tensor<2> = noise([4, 6], 6, &device);
        let wanted = by_hand(&values(param.clone()), &[values(grad.clone())], &rule);
        let transposed: Tensor<2> = Tensor::from_data(param.clone().transpose().into_data(), &device);
        let state = AdamState::new(&param);
        let (found, _) = adam_step(transposed.transpose(), grad, state, &rule, 1);
        assert_close(&values(found), &wanted, 1e-6, "parameter");
    }
}

#[test]
fn what_others_still_read_is_not_overwritten() {
    for device in devices() {
        let param: Tensor<1> = noise([64], 5, &device);
        let kept = (param.clone(), values(param.clone()));
        let view = param.clone().narrow(0, 0, 32);
        let grad: Tensor<1> = noise([64], 6, &device);
        let state = AdamState::new(&param);
        let (moved, after) = adam_step(param, grad.clone(), state.clone(), &AdamRule::default(), 1);
        assert_eq!(values(kept.0), kept.1);
        assert_eq!(values(view), kept.1[..32]);
        assert_eq!(values(state.m), [0.0; 64]);
        assert_ne!(values(moved), kept.1);
        assert_ne!(values(after.m), values(after.v));
    }
}

#[test]
fn a_rate_of_zero_moves_nothing() {
    for device in devices() {
        let param: Tensor<1> = noise([8], 5, &device);
        let before = values(param.clone());
        let state = AdamState::new(&param);
        let rule = AdamRule {
            lr: 0.0,
            ..AdamRule::default()
        };
        let (param, _) = adam_step(param, Tensor::zeros([8], &device), state, &rule, 1);
        assert_eq!(values(param), before);
    }
}

#[test]
fn a_parameter_with_autodiff_comes_back_without() {
    for device in devices() {
        let param: Tensor<1> = noise([8], 5, &device.clone().autodiff()).require_grad();
        let state = AdamState::new(&param);
        assert!(!state.m.is_autodiff());
        let (param, _) = adam_step(param, noise([8], 6, &device), state, &AdamRule::default(), 1);
        assert!(!param.is_autodiff());
    }
}
