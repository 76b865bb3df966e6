use super::*;

#[test]
fn checkpoints_are_a_minute_apart_unless_told_otherwise() {
    assert_eq!(interval(None), Duration::from_secs(60));
    assert_eq!(interval(Some("0.5")), Duration::from_millis(500));
    assert_eq!(interval(Some("-1")), Duration::from_secs(60));
    assert_eq!(interval(Some("soon")), Duration::from_secs(60));
}

fn binding() -> Binding {
    Binding {
        key: "k".into(),
        device: "cpu".into(),
        threads: 2,
        libraries: [("libtorch".to_owned(), "l".to_owned())].into(),
    }
}

fn state(epoch: u64) -> State {
    let tensor = Named::new(vec![2], vec![epoch as f32, 0.5]);
    State {
        position: Position { epoch, step: 3 },
        adam_steps: 7,
        history: History {
            columns: vec!["loss".into()],
            steps: vec![5],
            rows: vec![vec![0.1 + 0.2]],
        },
        weights: [("a.weight".to_owned(), tensor.clone())].into(),
        moments: [("first/a.weight".to_owned(), tensor.clone())].into(),
        sums: Some(tensor),
    }
}

#[test]
fn the_furthest_of_two_is_read_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(dir.path(), binding());
    assert_eq!(checkpoints.newest(), None);
    for epoch in [1, 2, 3] {
        checkpoints.save(&state(epoch)).unwrap();
        assert_eq!(checkpoints.newest(), Some(state(epoch)));
    }
}

/// The file that holds `epoch`.
fn file_of(checkpoints: &Checkpoints, epoch: u64) -> PathBuf {
    let holds = |path: &PathBuf| checkpoints.read(path).is_ok_and(|state| state.position.epoch == epoch);
    checkpoints.files().into_iter().find(holds).expect("it was saved")
}

#[test]
fn two_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for epoch in 1..=5 {
        let checkpoints = Checkpoints::new(dir.path(), binding());
        assert_eq!(
            checkpoints.newest().map(|s| s.position.epoch),
            (epoch > 1).then_some(epoch - 1)
        );
        checkpoints.save(&state(epoch)).unwrap();
    }
    let checkpoints = Checkpoints::new(dir.path(), binding());
    assert_eq!(checkpoints.files().len(), 2);
    file_of(&checkpoints, 4);
    file_of(&checkpoints, 5);
}

#[test]
fn half_a_file_falls_back_to_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(dir.path(), binding());
    checkpoints.save(&state(1)).unwrap();
    checkpoints.save(&state(2)).unwrap();
    let newest = file_of(&checkpoints, 2);
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(checkpoints.newest(), Some(state(1)));
}

#[test]
fn a_flipped_bit_falls_back_to_the_other_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(dir.path(), binding());
    checkpoints.save(&state(1)).unwrap();
    checkpoints.save(&state(2)).unwrap();
    let newest = file_of(&checkpoints, 2);
    let bytes = fs::read(&newest).unwrap();
    for place in (0..bytes.len()).step_by(17) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&newest, &flipped).unwrap();
        assert_eq!(checkpoints.newest(), Some(state(1)), "byte {place}");
    }
}

#[test]
fn a_checkpoint_of_an_older_format_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(dir.path(), binding());
    checkpoints.save(&state(1)).unwrap();
    let bytes = fs::read(file_of(&checkpoints, 1)).unwrap();
    fs::remove_file(file_of(&checkpoints, 1)).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let needle = format!("\\\"format\\\":{FORMAT}");
    let at = text.find(&needle).expect("the header is JSON in a JSON string") + needle.len() - 1;
    let mut older = bytes.clone();
    older[at] = b'1';
    fs::write(dir.path().join(name_of(&Digest::of(&older))), older).unwrap();
    assert_eq!(checkpoints.newest(), None);
}

#[test]
fn checkpoints_of_a_run_with_other_threads_are_told_of_and_stay_for_the_next_like_it() {
    let dir = tempfile::tempdir().unwrap();
    let one = || {
        Checkpoints::new(
            dir.path(),
            Binding {
                threads: 1,
                ..binding()
            },
        )
    };
    one().save(&state(14)).unwrap();
    let two = Checkpoints::new(dir.path(), binding());
    assert_eq!(two.newest(), None);
    let told = two.passed_over().unwrap();
    assert!(
        told.contains("of a run with --threads 1, this one has --threads 2: it starts"),
        "{told}"
    );
    for epoch in 1..=3 {
        two.save(&state(epoch)).unwrap();
    }
    assert_eq!(two.files().len(), 3);
    assert_eq!(one().newest(), Some(state(14)));
}

#[test]
fn a_checkpoint_of_another_key_device_thread_count_or_library_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    Checkpoints::new(dir.path(), binding()).save(&state(1)).unwrap();
    let others = [
        Binding {
            key: "x".into(),
            ..binding()
        },
        Binding {
            device: "cuda".into(),
            ..binding()
        },
        Binding {
            threads: 1,
            ..binding()
        },
        Binding {
            libraries: [("libtorch".to_owned(), "x".to_owned())].into(),
            ..binding()
        },
    ];
    for other in others {
        assert_eq!(Checkpoints::new(dir.path(), other).newest(), None);
    }
}
