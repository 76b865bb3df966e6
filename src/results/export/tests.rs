use super::tensorboard::masked;
use super::*;
use serde_json::json;

#[test]
fn checksums_are_those_of_the_format() {
    // CRC-32C of "123456789" is e3069283 (RFC 3720); masked as record_writer.cc does.
    assert_eq!(
        masked(b"123456789"),
        0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)
    );
}

#[test]
fn folders_are_named_by_axes_with_the_seed_last() {
    let axes = |value: Value| serde_json::from_value::<Axes>(value).unwrap();
    assert_eq!(folder_name(&axes(json!({}))), "all");
    assert_eq!(folder_name(&axes(json!({"seed": 3, "zeta": 0.5}))), "zeta=0.5,seed=3");
    assert_eq!(folder_name(&axes(json!({"dataset": "../x y"}))), "dataset=.._x_y");
}

#[test]
fn settings_are_told_leaf_by_leaf() {
    let mut found = BTreeMap::new();
    leaves(&json!({"a": {"b": 1, "c": {}}, "d": [1, 2]}), "s", &mut found);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["s.a.b", "s.a.c", "s.d"]);
}
