//! Manifests of the nodes that are done, as the plan asks for them.

use crate::plan::{Finished, FinishedOutput, Found};
use crate::store::{Manifest, StoredOutput};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Default)]
pub(super) struct Results(BTreeMap<NodeIndex, Rc<Manifest>>);

impl Results {
    pub(super) fn insert(&mut self, node: NodeIndex, manifest: Rc<Manifest>) {
        self.0.insert(node, manifest);
    }

    pub(super) fn stored(&self, node: NodeIndex, output: &str) -> Option<&StoredOutput> {
        self.0.get(&node)?.outputs.get(output)
    }
}

impl Finished for Results {
    fn output(&self, node: NodeIndex, output: &str) -> Found {
        let Some(manifest) = self.0.get(&node) else {
            return Found::NotYet;
        };
        match manifest.outputs.get(output) {
            None => Found::Missing,
            Some(stored) => {
                let value = manifest.values.get(output).cloned();
                Found::Here(FinishedOutput {
                    digest: stored.digest,
                    value,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::store::testing::{action, publish, scratch};
    use serde_json::json;

    #[test]
    fn outputs_are_unknown_then_here_or_missing() {
        let (_dir, store) = scratch();
        let mut results = Results::default();
        let node = NodeIndex::new(3);
        assert_eq!(results.output(node, "score"), Found::NotYet);
        results.insert(
            node,
            Rc::new(publish(&store, &action(1), None, Some("12")).unwrap().manifest),
        );
        let score = FinishedOutput {
            digest: Digest::of(b"12"),
            value: Some(json!(12)),
        };
        assert_eq!(results.output(node, "score"), Found::Here(score));
        assert_eq!(results.output(node, "data"), Found::Missing);
    }
}
