//! Outputs of the nodes that are done, as the plan asks for them.

use crate::digest::Digest;
use crate::plan::{Finished, FinishedOutput, Found};
use crate::store::{Manifest, StoredOutput};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// Per node its outputs by name: of a manifest nothing more is wanted, and thousands of them are large.
#[derive(Default)]
pub(super) struct Results(BTreeMap<NodeIndex, Vec<(String, FinishedOutput)>>);

impl Results {
    pub(super) fn insert(&mut self, node: NodeIndex, manifest: &Manifest) {
        let output = |(name, stored): (&String, &StoredOutput)| {
            let (digest, value) = (stored.digest, manifest.values.get(name).cloned());
            (name.clone(), FinishedOutput { digest, value })
        };
        self.0.insert(node, manifest.outputs.iter().map(output).collect());
    }

    /// The digest of an output that is there.
    pub(super) fn digest(&self, node: NodeIndex, output: &str) -> Option<Digest> {
        let outputs = self.0.get(&node)?;
        Some(outputs.iter().find(|(name, _)| name == output)?.1.digest)
    }
}

impl Finished for Results {
    fn output(&self, node: NodeIndex, output: &str) -> Found {
        let Some(outputs) = self.0.get(&node) else {
            return Found::NotYet;
        };
        match outputs.iter().find(|(name, _)| name == output) {
            None => Found::Missing,
            Some((_, found)) => Found::Here(found.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{action, publish, scratch};
    use serde_json::json;

    #[test]
    fn outputs_are_unknown_then_here_or_missing() {
        let (_dir, store) = scratch();
        let mut results = Results::default();
        let node = NodeIndex::new(3);
        assert_eq!(results.output(node, "score"), Found::NotYet);
        results.insert(node, &publish(&store, &action(1), None, Some("12")).unwrap().manifest);
        let score = FinishedOutput {
            digest: Digest::of(b"12"),
            value: Some(json!(12)),
        };
        assert_eq!(results.output(node, "score"), Found::Here(score));
        assert_eq!(results.output(node, "data"), Found::Missing);
        let digests = ["score", "data"].map(|output| results.digest(node, output));
        assert_eq!(digests, [Some(Digest::of(b"12")), None]);
    }
}
