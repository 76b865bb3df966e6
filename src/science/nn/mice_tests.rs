use super::*;
use crate::device::{self, Choice};
use crate::nn::weights;
use crate::random::{Draws, standard_normal};
use crate::tensors::host;

fn model(queue: usize) -> Mice {
    let device = device::open(Choice::Flex, 1).unwrap().autodiff();
    let shape = MiceShape {
        trunk: ResNetShape {
            channels: 1,
            width: 2,
            blocks: vec![1, 1],
        },
        experts: 2,
        embedding: 3,
        queue,
        temperature: 1.0,
    };
    let draws = Draws::new(5);
    let noise = standard_normal(queue * 6, &mut draws.at("queue", 0, 0));
    weights::initialise(Mice::new(&shape, &device), &draws).begin(noise)
}

fn taught(values: [f32; 6]) -> Taught {
    let device = device::open(Choice::Flex, 1).unwrap().autodiff();
    Taught(Tensor::from_data(TensorData::new(values.to_vec(), [1, 2, 3]), &device))
}

/// All in favour of the second expert.
fn second(model: &Mice) -> Tensor<2> {
    Tensor::from_data([[0.1, 0.9]], &model.queue.value().device())
}

#[test]
fn centres_are_unit_vectors_as_far_apart_as_can_be() {
    for (k, d) in [(2, 1), (3, 2), (10, 9), (10, 128)] {
        let centres = centres(k, d);
        for (i, a) in centres.chunks(d).enumerate() {
            for (j, b) in centres.chunks(d).enumerate() {
                let product: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let expected = if i == j { 1.0 } else { -1.0 / (k - 1) as f32 };
                assert!((product - expected).abs() < 1e-5, "{k} in {d}: {i}, {j}: {product}");
            }
        }
    }
}

#[test]
fn the_queue_forgets_the_oldest_first() {
    let model = model(2);
    let before = host(model.queue.value());
    let (a, b) = ([1., 0., 0., 0., 1., 0.], [0., 0., 1., 1., 0., 0.]);
    model.remember(&taught(a), second(&model));
    assert_eq!(host(model.queue.value()), [&before[6..], &a[..]].concat());
    model.remember(&taught(b), second(&model));
    assert_eq!(host(model.queue.value()), [a, b].concat());
}

#[test]
fn a_prototype_is_the_direction_of_what_its_expert_took_in_an_epoch() {
    let model = model(2);
    assert_eq!(host(model.prototypes.value()), [0.0; 6]);
    model.remember(&taught([1., 0., 0., 0., 1., 0.]), second(&model));
    model.remember(&taught([1., 0., 0., 1., 0., 0.]), second(&model));
    model.renew_prototypes();
    let half = 0.5_f32.sqrt();
    let found = host(model.prototypes.value());
    assert_eq!(found[..3], [0.0; 3], "nobody chose the first expert");
    assert!(
        (found[3] - half).abs() < 1e-6 && (found[4] - half).abs() < 1e-6,
        "{found:?}"
    );
    assert_eq!(host(model.sums.value()), [0.0; 6]);
}

#[test]
fn the_teacher_begins_as_the_student_and_follows_it_slowly() {
    let mut model = model(2);
    let start = host(values(&model.student));
    assert_eq!(host(model.teacher.value()), start);
    let bias = Tensor::ones([6], &model.queue.value().device());
    model.student.experts.bias = Some(Param::from_tensor(bias));
    model.follow(0.75);
    let student = host(values(&model.student));
    let teacher = host(model.teacher.value());
    for ((t, s), before) in teacher.iter().zip(&student).zip(&start) {
        assert!((t - (0.75 * before + 0.25 * s)).abs() < 1e-6);
    }
    assert_ne!(teacher, start);
}

#[test]
fn the_teachers_running_statistics_are_its_own() {
    let model = model(2);
    let images = Tensor::<4>::ones([4, 1, 4, 4], &model.queue.value().device());
    let before = host(model.teacher.value());
    model.teach(images.clone(), true);
    let taught = host(model.teacher.value());
    assert_ne!(taught, before, "they follow the batches it sees");
    model.embed(images);
    model.follow(0.0);
    assert_eq!(host(model.teacher.value()), taught, "and not the student's");
}

#[test]
fn teaching_leaves_the_students_running_statistics_alone() {
    let model = model(2);
    let before = weights::collect(&model);
    let images = Tensor::<4>::ones([4, 1, 4, 4], &model.queue.value().device());
    assert_eq!(model.teach(images, true).0.dims(), [4, 2, 3]);
    let mut after = weights::collect(&model);
    after.insert("teacher".into(), before["teacher"].clone());
    assert_eq!(after, before);
}
