//! Borůvka's algorithm on a k-d tree: every component finds its shortest edge outwards, all of them join, and so on.
//!
//! Exact. Two facts keep it fast: a point's nearest point in another component only moves away as components grow, so what
//! a search found stays true until the two join, and what it excluded stays excluded; and the shortest edge that any point
//! of the component has found bounds the search of all others.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::spanning_tree::{Key, Reach};
use super::squared;

/// A node whose points are in more than one component.
const MIXED: u32 = u32::MAX;

/// What is known of the best edge from one point into another component.
#[derive(Clone, Copy)]
struct Known {
    /// The best edge and the position it leads to, when `exact`.
    key: Key,
    to: u32,
    exact: bool,
    /// No edge into another component has d*² below this.
    at_least: f64,
}

/// One round's view of the components.
struct Round<'a> {
    reach: &'a Reach<'a>,
    /// Smallest squared core distance in each node.
    node_cores: &'a [f64],
    component: &'a [u32],
    node_component: &'a [u32],
    /// Bits of the smallest d*² that each component has found; positive floats order like their bits.
    bound: &'a [AtomicU64],
}

/// The edges of the minimum spanning tree, in the order in which they were found.
pub(super) fn boruvka(reach: &Reach) -> Vec<Key> {
    let (tree, rows) = (reach.tree, reach.tree.len());
    let node_cores: Vec<f64> = tree
        .nodes
        .iter()
        .map(|node| {
            reach.cores[node.start..node.end]
                .iter()
                .copied()
                .fold(f64::INFINITY, f64::min)
        })
        .collect();
    let mut component: Vec<u32> = (0..rows as u32).collect();
    let mut node_component = vec![MIXED; tree.nodes.len()];
    let unknown = |&core: &f64| Known {
        key: Key::NONE,
        to: 0,
        exact: false,
        at_least: core,
    };
    let mut known: Vec<Known> = reach.cores.iter().map(unknown).collect();
    let mut keys = Vec::with_capacity(rows.saturating_sub(1));
    while keys.len() + 1 < rows {
        let bound: Vec<AtomicU64> = (0..rows).map(|_| AtomicU64::new(f64::INFINITY.to_bits())).collect();
        let round = Round {
            reach,
            node_cores: &node_cores,
            component: &component,
            node_component: &node_component,
            bound: &bound,
        };
        known
            .par_iter_mut()
            .enumerate()
            .with_min_len(512)
            .for_each(|(position, known)| round.keep(position, known));
        known
            .par_iter_mut()
            .enumerate()
            .with_min_len(64)
            .for_each(|(position, known)| round.renew(position, known));
        join(&known, &mut component, &mut keys);
        mark(reach, &component, &mut node_component);
    }
    keys
}

impl Round<'_> {
    fn bound(&self, component: u32) -> f64 {
        f64::from_bits(self.bound[component as usize].load(Ordering::Relaxed))
    }

    fn lower(&self, component: u32, value: f64) {
        self.bound[component as usize].fetch_min(value.to_bits(), Ordering::Relaxed);
    }

    /// Keeps an edge that still leads into another component, and lets it bound its own.
    fn keep(&self, position: usize, known: &mut Known) {
        let own = self.component[position];
        if known.exact && self.component[known.to as usize] == own {
            *known = Known {
                key: Key::NONE,
                to: 0,
                exact: false,
                at_least: known.key.reach,
            };
        }
        if known.exact {
            self.lower(own, known.key.reach);
        }
    }

    /// Searches anew from a point whose edge was lost, unless its component already has a shorter one.
    fn renew(&self, position: usize, known: &mut Known) {
        let own = self.component[position];
        if known.exact || known.at_least > self.bound(own) {
            return;
        }
        let limit = self.bound(own);
        let mut best = (Key::NONE, 0);
        self.search(0, 0.0, position, limit, &mut best);
        // Nodes beyond the bound were not entered, and the bound only fell, so an edge at or under it is the best there is.
        let now = self.bound(own);
        if best.0.reach <= now {
            *known = Known {
                key: best.0,
                to: best.1,
                exact: true,
                at_least: best.0.reach,
            };
            self.lower(own, best.0.reach);
        } else {
            known.at_least = known.at_least.max(now.min(best.0.reach));
        }
    }

    fn search(&self, node: usize, raw: f64, position: usize, limit: f64, best: &mut (Key, u32)) {
        let (reach, own) = (self.reach, self.component[position]);
        if self.node_component[node] == own {
            return;
        }
        let core = reach.cores[position];
        let least = raw.max(core).max(self.node_cores[node]);
        let excluded = least > best.0.reach || (least == best.0.reach && raw > best.0.raw);
        if excluded || least > limit || least > self.bound(own) {
            return;
        }
        let (tree, point) = (reach.tree, reach.tree.point(position));
        if let Some((left, right)) = tree.nodes[node].children {
            let to_left = tree.box_distance(left, point) * reach.per_alpha;
            let to_right = tree.box_distance(right, point) * reach.per_alpha;
            if to_left <= to_right {
                self.search(left, to_left, position, limit, best);
                self.search(right, to_right, position, limit, best);
            } else {
                self.search(right, to_right, position, limit, best);
                self.search(left, to_left, position, limit, best);
            }
            return;
        }
        for other in tree.nodes[node].start..tree.nodes[node].end {
            if self.component[other] == own {
                continue;
            }
            let raw = squared(point, tree.point(other)) * reach.per_alpha;
            let together = raw.max(core).max(reach.cores[other]);
            if together <= best.0.reach {
                let key = Key::new(together, raw, tree.ids[position], tree.ids[other]);
                if key.before(&best.0) {
                    *best = (key, other as u32);
                }
            }
        }
    }
}

/// Adds the shortest edge of every component and renames the components that it joins.
fn join(known: &[Known], component: &mut [u32], keys: &mut Vec<Key>) {
    let mut shortest: Vec<Option<usize>> = vec![None; component.len()];
    for (position, edge) in known.iter().enumerate().filter(|(_, edge)| edge.exact) {
        let place = &mut shortest[component[position] as usize];
        if place.is_none_or(|other| edge.key.before(&known[other].key)) {
            *place = Some(position);
        }
    }
    let mut parent: Vec<u32> = (0..component.len() as u32).collect();
    for position in shortest.into_iter().flatten() {
        let a = root(&mut parent, component[position]);
        let b = root(&mut parent, component[known[position].to as usize]);
        // Two components that chose the same edge add it once.
        if a != b {
            parent[a.max(b) as usize] = a.min(b);
            keys.push(known[position].key);
        }
    }
    for name in component {
        *name = root(&mut parent, *name);
    }
}

fn root(parent: &mut [u32], mut of: u32) -> u32 {
    while parent[of as usize] != of {
        parent[of as usize] = parent[parent[of as usize] as usize];
        of = parent[of as usize];
    }
    of
}

/// Writes down which nodes lie in one component: a search from there passes them by.
fn mark(reach: &Reach, component: &[u32], node_component: &mut [u32]) {
    for (index, node) in reach.tree.nodes.iter().enumerate().rev() {
        node_component[index] = match node.children {
            Some((left, right)) if node_component[left] == node_component[right] => node_component[left],
            Some(_) => MIXED,
            None => {
                let first = component[node.start];
                if component[node.start..node.end].iter().all(|&c| c == first) {
                    first
                } else {
                    MIXED
                }
            }
        };
    }
}
