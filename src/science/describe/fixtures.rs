//! Images and what peers made of them (scripts/fixtures/describe.py).

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub shape: [usize; 3],
    pub image: Vec<f32>,
    pub orientations: usize,
    pub cell: usize,
    pub block: usize,
    pub gradients: Vec<f32>,
    pub upright: Vec<f32>,
}

pub fn cases() -> Vec<Case> {
    let json = include_str!("../../../tests/fixtures/describe/reference.json");
    serde_json::from_str(json).expect("the fixture is what the script wrote")
}

pub fn close(name: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
        assert!((a - b).abs() < 2e-6, "{name}: {a} instead of {b} at {i}");
    }
}
