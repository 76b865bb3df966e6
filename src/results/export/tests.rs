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
    assert_eq!(folder_name(&axes(json!({"classes": [0, 1]}))), "classes=[0,1]");
    let odd = |dataset: &str| folder_name(&axes(json!({"dataset": dataset})));
    assert!(odd("../x y").starts_with("dataset=.._x_y-"));
    assert_ne!(odd("../x y"), odd("../x/y"));
    assert!(odd(&"long".repeat(100)).len() < 255);
}

#[test]
fn settings_are_told_leaf_by_leaf() {
    let mut found = BTreeMap::new();
    leaves(&json!({"a": {"b": 1, "c": {}}, "d": [1, 2]}), "s", &mut found);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["s.a.b", "s.a.c", "s.d"]);
}

#[test]
fn a_number_called_as_a_curve_is_left_to_the_curve() {
    let values = [
        ("metrics".to_owned(), json!({"loss": 2.0, "clusters": 3})),
        ("latent_dim".to_owned(), json!(7)),
    ];
    let curve = |name: &str| Curve {
        name: name.to_owned(),
        points: vec![(1, 4.0), (2, 2.0)],
    };
    let told = |curves: &[Curve]| numbers(&values.clone().into(), curves).into_keys().collect::<Vec<_>>();
    assert_eq!(told(&[]), ["clusters", "latent_dim", "loss"]);
    assert_eq!(told(&[curve("loss"), curve("w_prior")]), ["clusters", "latent_dim"]);
}

fn assignments(folder: &Path) -> std::path::PathBuf {
    let p = moelab_stages::frame::list_column("manager_p", &[0.25, 0.75, 0.5, 0.5], 2, 2);
    let costs = moelab_stages::frame::list_column("reconstruction", &[3.5, 7.0], 1, 2);
    let columns = vec![
        Column::new("row".into(), [0_u32, 1]),
        Column::new("cluster".into(), [1_i32, 0]),
        p,
        costs,
    ];
    let path = folder.join("assignments");
    moelab_stages::frame::write_parquet(&mut DataFrame::new(2, columns).unwrap(), &path).unwrap();
    path
}

#[test]
fn assigned_images_have_their_file_their_cluster_and_its_probability() {
    let folder = tempfile::tempdir().unwrap();
    let path = assignments(folder.path());
    let files = Some(vec!["a/x.png".to_owned(), "y, z.png".to_owned()]);
    let csv = Table::assigned(&path, files).unwrap().bytes(TableForm::Csv).unwrap();
    assert_eq!(
        String::from_utf8(csv).unwrap(),
        "row,file,cluster,probability,manager_p.0,manager_p.1,reconstruction.0\n\
         0,a/x.png,1,0.75,0.25,0.75,3.5\n\
         1,\"y, z.png\",0,0.5,0.5,0.5,7.0\n"
    );
    let table = Table::assigned(&path, None).unwrap();
    let parquet = folder.path().join("out.parquet");
    write(&parquet, &table.bytes(TableForm::Parquet).unwrap()).unwrap();
    let frame = read_parquet(&parquet).unwrap();
    let names: Vec<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["row", "cluster", "probability", "manager_p", "reconstruction"]);
}

#[test]
fn tensors_become_numpy_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let data: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 2], &data).unwrap();
    safetensors::serialize_to_file([("points", tensor)], None, &path).unwrap();
    let bytes = npy(&path, None).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00") && bytes.ends_with(&data));
    let header = String::from_utf8_lossy(&bytes[10..bytes.len() - data.len()]).into_owned();
    assert!(
        header.contains("'descr': '<f4'") && header.contains("'shape': (1, 2"),
        "{header}"
    );
    assert!(npy(&path, Some("images")).is_err());
    std::fs::write(&path, "rubbish").unwrap();
    assert!(npy(&path, None).is_err());
}

#[test]
fn every_artifact_type_but_bare_files_has_a_format() {
    for name in types::ALL {
        assert_eq!(Form::of(name).is_empty(), name == types::FILE, "{name}");
    }
}
