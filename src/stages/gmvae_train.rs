//! `gmvae_train`: a Gaussian mixture VAE, trained from nothing.

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_sources, settings, trained, typed};
use crate::measured;
use crate::network::Reconstruction;
use moelab_engine::stage::{Connected, Port, Stage, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const VERSION: u32 = 1;

/// Settings of `gmvae_train`. Defaults are those of the authors' code for MNIST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GmvaeTrain {
    /// K, the components of the prior. More than there are classes is usual: surplus ones may merge or empty.
    #[schemars(range(min = 2, max = 10_000))]
    pub n_clusters: u64,
    /// Size of x, the code that data are generated from.
    #[serde(default = "x_dim")]
    #[schemars(range(min = 1, max = 4096))]
    pub x_dim: u64,
    /// Size of w, the code that the components are generated from.
    #[serde(default = "w_dim")]
    #[schemars(range(min = 1, max = 4096))]
    pub w_dim: u64,
    /// Width of the prior network; for points, of all layers.
    #[serde(default = "hidden")]
    #[schemars(range(min = 1, max = 65_536))]
    pub hidden: u64,
    /// Channels of the first block of the trunk; images only.
    #[serde(default = "filters")]
    #[schemars(range(min = 1, max = 512))]
    pub filters: u64,
    /// M, draws of x and w for every row and step.
    #[serde(default = "samples")]
    #[schemars(range(min = 1, max = 1000))]
    pub samples: u64,
    /// λ in nats: the divergence of p(z | x, w) from its uniform prior costs max(λ, its batch mean). Null: it always costs.
    #[serde(default = "minimum_information")]
    #[schemars(range(min = 0.0))]
    pub minimum_information: Option<f64>,
    #[serde(default = "epochs")]
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[serde(default = "batch_size")]
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[serde(default = "learning_rate")]
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// The likelihood of pixels, summed. Points have a normal one with a learned variance.
    #[serde(default = "reconstruction")]
    pub reconstruction: Reconstruction,
    /// Changes of the training images, none unless given. What a mapping leaves out has the values below.
    #[serde(default = "Augment::off")]
    pub augment: Augment,
}

fn x_dim() -> u64 {
    200
}

fn w_dim() -> u64 {
    150
}

fn hidden() -> u64 {
    500
}

fn filters() -> u64 {
    16
}

fn samples() -> u64 {
    1
}

fn minimum_information() -> Option<f64> {
    Some(0.5)
}

fn epochs() -> u64 {
    100
}

fn batch_size() -> u64 {
    50
}

fn learning_rate() -> f64 {
    1e-4
}

fn reconstruction() -> Reconstruction {
    Reconstruction::Bce
}

pub fn stage() -> Stage {
    Stage {
        kind: "gmvae_train",
        version: VERSION,
        summary: "Trains a Gaussian mixture VAE on images or points; a cluster is a component of its prior.",
        inputs: vec![
            Port::optional("images", &[artifact::IMAGES]),
            Port::optional("features", &[artifact::FEATURES]),
        ],
        outputs: |_| trained(measured::OF_GMVAE, measured::CURVES_OF_GMVAE),
        settings: settings::<GmvaeTrain>(),
        draws: always,
        check,
        sources: no_sources,
        accelerated: always,
    }
}

fn check(settings: &Value, ports: &Connected<'_>) -> Result<(), Unfit> {
    match (ports.has("images"), ports.has("features")) {
        (true, false) => Ok(()),
        (false, true) if typed::<GmvaeTrain>(settings).augment.is_off() => Ok(()),
        (false, true) => Err("`augment` changes images: points have no use for it".into()),
        _ => Err("wants either `images` or `features`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(settings: Value, ports: &[&str]) -> Option<String> {
        let settings = serde_json::to_value(typed::<GmvaeTrain>(&settings)).unwrap();
        let connected = Connected(ports.iter().map(|port| (*port, false)).collect());
        check(&settings, &connected).err().map(|unfit| unfit.to_string())
    }

    #[test]
    fn it_takes_images_or_features_but_not_both() {
        for ports in [&["images"][..], &["features"]] {
            assert_eq!(refusal(json!({"n_clusters": 8}), ports), None);
        }
        for ports in [&[][..], &["features", "images"]] {
            assert!(refusal(json!({"n_clusters": 8}), ports).unwrap().contains("either"));
        }
    }

    #[test]
    fn points_are_not_augmented() {
        let settings = json!({"n_clusters": 8, "augment": {"flip": true}});
        assert!(refusal(settings.clone(), &["features"]).unwrap().contains("augment"));
        assert_eq!(refusal(settings, &["images"]), None);
    }

    #[test]
    fn null_turns_the_constraint_off_and_nothing_leaves_it_on() {
        let read = |settings| typed::<GmvaeTrain>(&settings).minimum_information;
        assert_eq!(read(json!({"n_clusters": 8})), Some(0.5));
        assert_eq!(read(json!({"n_clusters": 8, "minimum_information": null})), None);
    }
}
