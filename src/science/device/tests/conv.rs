//! Rows of blocks on every device against the composed form.

use super::*;
use crate::device::composed;

/// The shape of a test row and what is asked of it.
#[derive(Clone)]
pub(super) struct Case {
    pub input: [usize; 4],
    pub blocks: Vec<Shape>,
}

#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub out: usize,
    pub kernel: usize,
    pub bias: bool,
    /// Batch norm, on running statistics or on the batch's.
    pub norm: Option<bool>,
    pub geometry: ConvGeometry,
    pub slope: Option<f64>,
}

pub(super) const PLAIN: Shape = Shape {
    out: 6,
    kernel: 3,
    bias: true,
    norm: Some(false),
    geometry: ConvGeometry {
        stride: 1,
        padding: 1,
        groups: 1,
        upsample: false,
    },
    slope: Some(0.1),
};

pub(super) fn one(shape: Shape) -> Case {
    Case {
        input: [3, 4, 6, 6],
        blocks: vec![shape],
    }
}

/// Input and blocks, every tensor a leaf that wants a gradient if `track`.
pub(super) fn build(case: &Case, device: &Device, track: bool) -> (Vec<Tensor<1>>, Tensor<4>, Vec<ConvBlock>) {
    let leaf4 = |t: Tensor<4>| if track { t.require_grad() } else { t };
    let leaf1 = |t: Tensor<1>| if track { t.require_grad() } else { t };
    let x = leaf4(noise(case.input, 1, device));
    let mut channels = case.input[1];
    let mut vectors = Vec::new();
    let mut blocks = Vec::new();
    for (i, shape) in case.blocks.iter().enumerate() {
        let salt = 10 * (i as u64 + 1);
        let vector = |k: u64| noise([shape.out], salt + k, device);
        let inner = channels / shape.geometry.groups;
        let weight = leaf4(noise([shape.out, inner, shape.kernel, shape.kernel], salt, device));
        let bias = shape.bias.then(|| leaf1(vector(1)));
        let norm = shape.norm.map(|running| Norm {
            gamma: leaf1(vector(2) + 1.5),
            beta: leaf1(vector(3)),
            eps: 1e-5,
            statistics: if running {
                Statistics::Running {
                    mean: vector(4),
                    var: vector(5) + 1.5,
                }
            } else {
                Statistics::Batch
            },
        });
        vectors.extend(bias.clone());
        vectors.extend(norm.iter().flat_map(|n| [n.gamma.clone(), n.beta.clone()]));
        blocks.push(ConvBlock {
            weight,
            bias,
            norm,
            geometry: shape.geometry,
            slope: shape.slope,
        });
        channels = shape.out;
    }
    (vectors, x, blocks)
}

pub(super) type Form = fn(Tensor<4>, Vec<ConvBlock>) -> (Tensor<4>, Vec<Option<BatchMoments>>);

/// Output, moments, and the gradients of `Σ output · noise`, each under its name.
pub(super) fn evaluate(case: &Case, device: &Device, form: Form) -> Vec<(String, Vec<f32>)> {
    let device = device.clone().autodiff();
    let (vectors, x, blocks) = build(case, &device, true);
    let kernels: Vec<_> = blocks.iter().map(|b| b.weight.clone()).collect();
    let (y, moments) = form(x.clone(), blocks);
    let pull = noise(y.dims(), 99, &device);
    let grads = (y.clone() * pull).sum().backward();
    let mut all = vec![("y".to_owned(), values(y))];
    for (i, found) in moments.into_iter().enumerate() {
        if let Some(found) = found {
            all.push((format!("mean {i}"), values(found.mean)));
            all.push((format!("var {i}"), values(found.var)));
        }
    }
    all.push(("dx".to_owned(), values(x.grad(&grads).expect("tracked"))));
    for (i, kernel) in kernels.iter().enumerate() {
        all.push((format!("dweight {i}"), values(kernel.grad(&grads).expect("tracked"))));
    }
    for (i, vector) in vectors.iter().enumerate() {
        all.push((format!("dvector {i}"), values(vector.grad(&grads).expect("tracked"))));
    }
    all
}

#[track_caller]
fn agree(case: Case) {
    let wanted = evaluate(&case, &Device::flex(), composed::conv_chain);
    for device in devices() {
        for form in [conv_chain as Form, composed::conv_chain] {
            let found = evaluate(&case, &device, form);
            assert_eq!(found.len(), wanted.len());
            for ((name, found), (_, wanted)) in found.iter().zip(&wanted) {
                // A bias before batch norm has gradient zero up to rounding: compare it with the pull's size instead.
                let tolerance = if name.starts_with("dvector") { 2e-4 } else { 1e-4 };
                let (mut found, mut wanted) = (found.clone(), wanted.clone());
                found.push(1.0);
                wanted.push(1.0);
                assert_close(&found, &wanted, tolerance, &format!("{name} on {device:?}"));
            }
        }
    }
}

#[test]
fn a_training_block_agrees() {
    agree(one(PLAIN));
}

#[test]
fn a_block_without_bias_agrees() {
    agree(one(Shape { bias: false, ..PLAIN }));
}

#[test]
fn a_block_on_running_statistics_agrees() {
    agree(one(Shape {
        norm: Some(true),
        ..PLAIN
    }));
}

#[test]
fn a_bare_convolution_agrees() {
    agree(one(Shape {
        norm: None,
        slope: None,
        ..PLAIN
    }));
}

#[test]
fn stride_two_agrees() {
    agree(one(Shape {
        geometry: ConvGeometry {
            stride: 2,
            ..ConvGeometry::default()
        },
        ..PLAIN
    }));
}

#[test]
fn groups_agree() {
    agree(one(Shape {
        geometry: ConvGeometry {
            groups: 2,
            ..ConvGeometry::default()
        },
        ..PLAIN
    }));
}

#[test]
fn upsampling_agrees() {
    agree(one(Shape {
        geometry: ConvGeometry {
            upsample: true,
            ..ConvGeometry::default()
        },
        ..PLAIN
    }));
}

#[test]
fn a_kernel_of_one_without_padding_agrees() {
    agree(one(Shape {
        kernel: 1,
        geometry: ConvGeometry {
            padding: 0,
            ..ConvGeometry::default()
        },
        ..PLAIN
    }));
}

#[test]
fn the_plain_relu_agrees() {
    agree(one(Shape {
        slope: Some(0.0),
        ..PLAIN
    }));
}

#[test]
fn a_row_of_unlike_blocks_agrees() {
    let down = Shape {
        geometry: ConvGeometry {
            stride: 2,
            ..ConvGeometry::default()
        },
        ..PLAIN
    };
    let up = Shape {
        geometry: ConvGeometry {
            upsample: true,
            ..ConvGeometry::default()
        },
        slope: Some(0.0),
        ..PLAIN
    };
    let last = Shape {
        out: 2,
        norm: None,
        slope: None,
        ..PLAIN
    };
    agree(Case {
        input: [3, 4, 6, 6],
        blocks: vec![PLAIN, down, up, last],
    });
}

#[test]
fn a_row_longer_than_one_node_agrees() {
    let thin = Shape {
        out: 4,
        norm: None,
        slope: Some(0.5),
        ..PLAIN
    };
    agree(Case {
        input: [2, 4, 3, 3],
        blocks: vec![thin; 14],
    });
}

/// Both ways on one thread: the switch belongs to the process, and either value gives the same numbers.
#[cfg(feature = "tch")]
#[test]
fn doing_the_forward_pass_again_gives_the_same_bytes() {
    let case = Case {
        input: [3, 4, 6, 6],
        blocks: vec![
            PLAIN,
            PLAIN,
            Shape {
                slope: Some(0.0),
                ..PLAIN
            },
            Shape {
                norm: Some(true),
                ..PLAIN
            },
            Shape { norm: None, ..PLAIN },
        ],
    };
    let found = |recompute| {
        let settings = Settings {
            recompute,
            ..Settings::threads(1)
        };
        evaluate(&case, &open_with(Choice::Cpu, settings).unwrap(), conv_chain)
    };
    assert_eq!(found(true), found(false));
}
