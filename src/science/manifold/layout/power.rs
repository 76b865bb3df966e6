//! x to the power b in single precision: the one expensive function of the descent.
//!
//! Written out in plain arithmetic, so that it is inlined, and so that an embedding does not depend on the mathematical
//! library of the machine.

use std::f32::consts::{LN_2, SQRT_2};

/// xᵇ for x ≥ 0 with a relative error below 1e-5 wherever the result is between 2⁻¹²⁵ and 2¹²⁵; held at those ends.
#[inline(always)]
pub fn power(x: f32, b: f32) -> f32 {
    exp2((b * log2(x)).clamp(-125.0, 125.0))
}

/// Exponent plus 2·artanh((m-1)/(m+1))/ln 2 with the mantissa m in [√½, √2). Zero counts as about 2⁻¹²⁷.
#[inline(always)]
fn log2(x: f32) -> f32 {
    const ROOT_HALF: i32 = (SQRT_2 / 2.0).to_bits() as i32;
    let bits = x.to_bits() as i32;
    let exponent = (bits - ROOT_HALF) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let t2 = t * t;
    let series = 1.0 + t2 * (1.0 / 3.0 + t2 * (1.0 / 5.0 + t2 * (1.0 / 7.0 + t2 * (1.0 / 9.0))));
    exponent as f32 + (2.0 / LN_2) * t * series
}

/// 2^(n + f) with |f| ≤ ½: the exponent bits of n times the Taylor series of 2^f.
#[inline(always)]
fn exp2(y: f32) -> f32 {
    // Adding 1.5·2²³ leaves no bits for the fraction: the sum is y rounded to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let rounded = y + ROUND;
    let n = rounded - ROUND;
    let f = (y - n) * LN_2;
    let series =
        1.0 + f * (1.0 + f * (1.0 / 2.0 + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f * (1.0 / 720.0))))));
    // The low bits of the sum are n itself.
    f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23)) * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_standard_library() {
        for b in [0.2_f32, 0.5, 0.79, 0.895, 1.0, 1.33, 3.0] {
            for i in -400..400 {
                let x = 1.07_f32.powi(i);
                let exact = f64::from(x).powf(f64::from(b));
                if (1e-37..1e37).contains(&exact) {
                    let error = (f64::from(power(x, b)) / exact - 1.0).abs();
                    assert!(error < 1e-5, "{x}^{b}: {error}");
                }
            }
        }
    }

    #[test]
    fn ordinary_distances_are_good_to_a_millionth() {
        for i in 1..4000 {
            let x = i as f32 / 40.0;
            assert!(
                (f64::from(power(x, 0.79)) / f64::from(x).powf(f64::from(0.79_f32)) - 1.0).abs() < 2e-6,
                "{x}"
            );
        }
    }

    #[test]
    fn the_ends_stay_finite() {
        assert!(power(0.0, 0.79) < 1e-29 && power(0.0, 5.0) >= 0.0);
        assert!(power(f32::MAX, 2.0).is_finite());
        assert_eq!(power(1.0, 0.79), 1.0);
    }
}
