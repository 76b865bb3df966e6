//! Borůvka's algorithm on a k-d tree: every component finds its shortest edge outwards, all of them join, and so on.
//!
//! Exact. What keeps it fast: a point's nearest point in another component only moves away as components grow, so what a
//! search found stays true until the two join, and what it excluded stays excluded; the shortest edge that any point of a
//! component has found bounds the search of all others; and the largest component need not search at all, because each of
//! the others joins something.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::kd_tree::{LEAF, Search};
use super::lanes::{Lanes, distances};
use super::spanning_tree::{Key, Reach};

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

impl Known {
    fn nothing(at_least: f64) -> Self {
        Self {
            key: Key::NONE,
            to: 0,
            exact: false,
            at_least,
        }
    }
}

/// What is the least in each node, over all rounds.
struct Least {
    /// Squared core distance.
    core: Vec<f64>,
    id: Vec<u32>,
}

/// One round's view of the components.
struct Round<'a> {
    reach: &'a Reach<'a>,
    least: &'a Least,
    component: &'a [u32],
    node_component: &'a [u32],
    /// The component that waits for the others to join it.
    waits: u32,
    /// Bits of the smallest d*² that each component has found; positive floats order like their bits.
    bound: &'a [AtomicU64],
}

/// The edges of the minimum spanning tree, in the order in which they were found.
pub(super) fn boruvka(reach: &Reach) -> Vec<Key> {
    let (tree, rows) = (reach.tree, reach.tree.len());
    let least = Least {
        core: tree.least(reach.cores),
        id: tree.least(&tree.ids),
    };
    let mut component: Vec<u32> = (0..rows as u32).collect();
    let mut node_component = vec![MIXED; tree.nodes.len()];
    let mut known: Vec<Known> = reach.cores.iter().map(|&core| Known::nothing(core)).collect();
    let mut keys = Vec::with_capacity(rows.saturating_sub(1));
    while keys.len() + 1 < rows {
        mark(reach, &component, &mut node_component);
        let bound: Vec<AtomicU64> = (0..rows).map(|_| AtomicU64::new(f64::INFINITY.to_bits())).collect();
        let waits = largest(&component);
        let round = Round {
            reach,
            least: &least,
            component: &component,
            node_component: &node_component,
            waits,
            bound: &bound,
        };
        for (position, known) in known.iter_mut().enumerate() {
            round.keep(position, known);
        }
        known
            .par_chunks_mut(LEAF)
            .enumerate()
            .for_each(|(leaf, known)| round.renew(leaf, known));
        join(&known, waits, &mut component, &mut keys);
    }
    keys
}

/// The component with the most points; the first of several.
fn largest(component: &[u32]) -> u32 {
    let mut sizes = vec![0_u32; component.len()];
    for &name in component {
        sizes[name as usize] += 1;
    }
    let most = (0..sizes.len()).rev().max_by_key(|&name| sizes[name]);
    most.expect("there are points") as u32
}

impl Round<'_> {
    fn bound(&self, component: u32) -> f64 {
        f64::from_bits(self.bound[component as usize].load(Ordering::Relaxed))
    }

    fn lower(&self, component: u32, value: f64) {
        self.bound[component as usize].fetch_min(value.to_bits(), Ordering::Relaxed);
    }

    /// Keeps an edge that still leads into another component, and lets it bound both.
    fn keep(&self, position: usize, known: &mut Known) {
        let own = self.component[position];
        if known.exact && self.component[known.to as usize] == own {
            *known = Known::nothing(known.key.reach);
        }
        if known.exact {
            self.lower(own, known.key.reach);
            self.lower(self.component[known.to as usize], known.key.reach);
        }
    }

    /// Searches anew from those points of a leaf whose edge was lost, unless their component already has a shorter one.
    fn renew(&self, leaf: usize, known: &mut [Known]) {
        let first = leaf * LEAF;
        let mut search = EdgeSearch {
            round: self,
            leaf,
            component: [MIXED; LEAF],
            cores: [0.0; LEAF],
            limits: [-1.0; LEAF],
            best: [(Key::NONE, 0); LEAF],
        };
        for (lane, known) in known.iter().enumerate() {
            let own = self.component[first + lane];
            if own != self.waits && !known.exact && known.at_least <= self.bound(own) {
                search.component[lane] = own;
                search.cores[lane] = self.reach.cores[first + lane];
                search.limits[lane] = self.bound(own);
            }
        }
        if search.component == [MIXED; LEAF] {
            return;
        }
        let tree = self.reach.tree;
        tree.walk(tree.points.block(leaf), &mut search);
        for (lane, known) in known.iter_mut().enumerate() {
            let own = search.component[lane];
            if own == MIXED {
                continue;
            }
            // Nodes beyond the bound were not entered, and it only fell, so an edge at or under it is the best there is.
            let ((key, to), now) = (search.best[lane], self.bound(own));
            *known = if key.reach <= now {
                Known {
                    key,
                    to,
                    exact: true,
                    at_least: key.reach,
                }
            } else {
                Known::nothing(known.at_least.max(now))
            };
        }
    }
}

/// The search for the best edge from each point of a leaf.
struct EdgeSearch<'a> {
    round: &'a Round<'a>,
    leaf: usize,
    /// The component of each point that searches; [`MIXED`] for the others.
    component: [u32; LEAF],
    cores: Lanes,
    /// No edge with a larger d*² matters; negative where nothing is searched.
    limits: Lanes,
    best: [(Key, u32); LEAF],
}

impl EdgeSearch<'_> {
    fn id(&self, lane: usize) -> u32 {
        self.round.reach.tree.ids[self.leaf * LEAF + lane]
    }

    /// The least d*² between each point and a node.
    #[inline(always)]
    fn least(&self, node: usize, distances: &Lanes) -> Lanes {
        let (per_alpha, core) = (self.round.reach.per_alpha, self.round.least.core[node]);
        let mut least = [core; LEAF];
        for ((least, distance), own) in least.iter_mut().zip(distances).zip(&self.cores) {
            *least = least.max(distance * per_alpha).max(*own);
        }
        least
    }

    /// Whether a point may find a better edge in a node, all things that order edges considered.
    #[inline(always)]
    fn may(&self, lane: usize, node: usize, least: f64, distance: f64) -> bool {
        let round = self.round;
        let raw = distance * round.reach.per_alpha;
        least <= self.limits[lane]
            && round.node_component[node] != self.component[lane]
            && Key::new(least, raw, self.id(lane), round.least.id[node]).before(&self.best[lane].0)
    }

    /// Looks at the points of one leaf for one point.
    #[inline(always)]
    fn look(&mut self, lane: usize, other: usize) {
        let (reach, own, id) = (self.round.reach, self.component[lane], self.id(lane));
        let tree = reach.tree;
        let squares = distances(tree.points.row(self.leaf * LEAF + lane), tree.points.block(other));
        let positions = other * LEAF..tree.len().min((other + 1) * LEAF);
        let (mut best, core) = (self.best[lane], self.cores[lane]);
        for (square, position) in squares.into_iter().zip(positions) {
            let raw = square * reach.per_alpha;
            let together = raw.max(core).max(reach.cores[position]);
            if together <= best.0.reach && self.round.component[position] != own {
                let key = Key::new(together, raw, id, tree.ids[position]);
                if key.before(&best.0) {
                    best = (key, position as u32);
                }
            }
        }
        if best.0.before(&self.best[lane].0) {
            self.best[lane] = best;
            self.round.lower(own, best.0.reach);
            self.round.lower(self.round.component[best.1 as usize], best.0.reach);
        }
    }
}

impl Search for EdgeSearch<'_> {
    #[inline(always)]
    fn enters(&self, node: usize, distances: &Lanes) -> bool {
        let least = self.least(node, distances);
        let near = least
            .iter()
            .zip(&self.limits)
            .fold(false, |any, (least, limit)| any | (least <= limit));
        if near {
            for lane in 0..LEAF {
                if self.may(lane, node, least[lane], distances[lane]) {
                    return true;
                }
            }
        }
        false
    }

    #[inline(always)]
    fn scan(&mut self, node: usize, distances: &Lanes) {
        let least = self.least(node, distances);
        let other = self.round.reach.tree.nodes[node].start / LEAF;
        for lane in 0..LEAF {
            if self.may(lane, node, least[lane], distances[lane]) {
                self.look(lane, other);
            }
        }
        for lane in 0..LEAF {
            if self.component[lane] != MIXED {
                let bound = self.round.bound(self.component[lane]);
                self.limits[lane] = bound.min(self.best[lane].0.reach);
            }
        }
    }
}

/// Adds the shortest edge of every component but the one that `waits`, and renames the components that it joins.
fn join(known: &[Known], waits: u32, component: &mut [u32], keys: &mut Vec<Key>) {
    let mut shortest: Vec<Option<usize>> = vec![None; component.len()];
    for (position, edge) in known.iter().enumerate() {
        if !edge.exact || component[position] == waits {
            continue;
        }
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
