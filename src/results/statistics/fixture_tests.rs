//! The same samples in NumPy and SciPy: `scripts/fixtures/statistics.py`.

use super::*;
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/results/statistics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn cases(name: &str) -> Vec<Value> {
    fixture()[name].as_array().unwrap().clone()
}

fn near(case: &Value, name: &str, found: f64) {
    let wanted = case[name].as_f64().unwrap();
    assert!(
        (found - wanted).abs() <= 1e-12 * wanted.abs().max(1.0),
        "{name}: {found} is not {wanted}"
    );
}

#[test]
fn means_deviations_and_bootstrap_intervals_are_those_of_numpy() {
    for case in cases("summaries") {
        let values = numbers(&case["values"]);
        near(&case, "mean", mean(&values));
        near(&case, "std", variance(&values).sqrt());
        let (low, high) = bootstrap::interval(&values).unwrap();
        let wanted = numbers(&case["interval"]);
        assert!(
            (low - wanted[0]).abs() < 1e-12 && (high - wanted[1]).abs() < 1e-12,
            "{low} {high} {wanted:?}"
        );
    }
}

#[test]
fn paired_tests_and_effects_are_those_of_scipy() {
    for case in cases("paired") {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
        let (t, effect) = (
            student::paired(&differences).unwrap(),
            effect::paired(&differences).unwrap(),
        );
        near(&case, "difference", t.difference);
        near(&case, "low", t.low);
        near(&case, "high", t.high);
        near(&case, "p_t", t.p);
        near(&case, "p", permutation::sign_flip(&differences).p);
        near(&case, "d", effect.d);
        near(&case, "g", effect.g);
        assert_eq!(power::pairs(effect.d), case["needed"].as_u64());
    }
}

#[test]
fn tests_and_effects_of_two_samples_are_those_of_scipy() {
    for case in cases("unpaired") {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let (t, effect) = (student::welch(&a, &b).unwrap(), effect::two_samples(&a, &b).unwrap());
        near(&case, "difference", t.difference);
        near(&case, "low", t.low);
        near(&case, "high", t.high);
        near(&case, "p_t", t.p);
        near(&case, "p", permutation::two_samples(&a, &b).p);
        near(&case, "d", effect.d);
        near(&case, "g", effect.g);
        assert_eq!(power::each(effect.d), case["needed"].as_u64());
    }
}

#[test]
fn holms_adjustment_is_that_of_the_fixture() {
    let case = &fixture()["holm"];
    let found = holm::adjusted(&numbers(&case["p"]));
    assert!(
        found
            .iter()
            .zip(numbers(&case["adjusted"]))
            .all(|(a, b)| (a - b).abs() < 1e-12),
        "{found:?}"
    );
}
