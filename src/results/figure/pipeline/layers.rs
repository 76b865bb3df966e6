//! Layered drawing of a DAG (Sugiyama, Tagawa and Toda 1981): layers by longest path, an order within each that avoids
//! crossings (barycentres), then places.

use std::collections::BTreeSet;

/// Sweeps of the barycentre heuristic, down and up.
const SWEEPS: usize = 12;
/// What an edge needs where it passes a layer.
const PASSAGE: f64 = 10.0;

/// Where everything stands.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    /// Middle of each node.
    pub(super) x: Vec<f64>,
    pub(super) layer: Vec<usize>,
    pub(super) layers: usize,
    pub(super) width: f64,
    /// Per edge the places it goes through: middle and layer, from its producer to its consumer.
    pub(super) paths: Vec<Vec<(f64, usize)>>,
}

/// Lays out nodes of these widths, numbered so that edges go from lower to higher numbers.
pub(super) fn lay_out(widths: &[f64], edges: &BTreeSet<(usize, usize)>, space: f64) -> Layout {
    let n = widths.len();
    let mut layer = vec![0; n];
    for node in 0..n {
        let above = edges.iter().filter(|edge| edge.1 == node).map(|edge| layer[edge.0] + 1);
        layer[node] = above.max().unwrap_or(0);
    }
    // A node with nothing above it stands just above the first that takes from it.
    for node in (0..n).rev() {
        if !edges.iter().any(|edge| edge.1 == node) {
            let below = edges.iter().filter(|edge| edge.0 == node).map(|edge| layer[edge.1]);
            layer[node] = below.min().map_or(0, |below| below - 1);
        }
    }
    let layers = layer.iter().max().map_or(0, |last| last + 1);
    // Edges over several layers get a passage in each between.
    let (mut all, mut wide) = (layer.clone(), widths.to_vec());
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for &(from, to) in edges {
        let mut chain = vec![from];
        for between in layer[from] + 1..layer[to] {
            chain.push(all.len());
            all.push(between);
            wide.push(PASSAGE);
        }
        chain.push(to);
        chains.push(chain);
    }
    let links: Vec<(usize, usize)> = chains
        .iter()
        .flat_map(|chain| chain.windows(2).map(|w| (w[0], w[1])))
        .collect();
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); layers];
    (0..all.len()).for_each(|node| order[all[node]].push(node));
    let mut x = places(&order, &wide, space);
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let middle = |node: usize, x: &[f64]| {
            let beside = links.iter().filter_map(|&(from, to)| match down {
                true if to == node => Some(x[from]),
                false if from == node => Some(x[to]),
                _ => None,
            });
            let beside: Vec<f64> = beside.collect();
            match beside.len() {
                0 => x[node],
                n => beside.iter().sum::<f64>() / n as f64,
            }
        };
        let mut turn: Vec<usize> = (0..layers).collect();
        if !down {
            turn.reverse();
        }
        for layer in turn {
            let wanted: Vec<f64> = order[layer].iter().map(|&node| middle(node, &x)).collect();
            let mut ranked: Vec<usize> = (0..order[layer].len()).collect();
            ranked.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
            order[layer] = ranked.iter().map(|&i| order[layer][i]).collect();
            let wanted: Vec<f64> = ranked.iter().map(|&i| wanted[i]).collect();
            settle(&order[layer], &wanted, &wide, space, &mut x);
        }
    }
    let left = (0..all.len())
        .map(|i| x[i] - wide[i] / 2.0)
        .fold(f64::INFINITY, f64::min);
    let right = (0..all.len())
        .map(|i| x[i] + wide[i] / 2.0)
        .fold(f64::NEG_INFINITY, f64::max);
    x.iter_mut().for_each(|x| *x -= left);
    let paths = chains
        .iter()
        .map(|chain| chain.iter().map(|&node| (x[node], all[node])).collect());
    Layout {
        paths: paths.collect(),
        width: if n == 0 { 0.0 } else { right - left },
        x: x[..n].to_vec(),
        layer,
        layers,
    }
}

/// Side by side, each layer about the same middle.
fn places(order: &[Vec<usize>], wide: &[f64], space: f64) -> Vec<f64> {
    let mut x = vec![0.0; wide.len()];
    for layer in order {
        let total: f64 = layer.iter().map(|&node| wide[node] + space).sum();
        let mut left = -total / 2.0;
        for &node in layer {
            x[node] = left + (wide[node] + space) / 2.0;
            left += wide[node] + space;
        }
    }
    x
}

/// As near to the wanted places as order and widths allow: groups that touch stand about their common mean.
fn settle(layer: &[usize], wanted: &[f64], wide: &[f64], space: f64, x: &mut [f64]) {
    // A group: wanted place of its left end, number of members, width.
    let mut groups: Vec<(f64, usize, f64)> = Vec::new();
    for (i, &node) in layer.iter().enumerate() {
        let width = wide[node] + space;
        groups.push((wanted[i] - width / 2.0, 1, width));
        while let [.., before, last] = &groups[..] {
            if before.0 + before.2 <= last.0 {
                break;
            }
            let members = before.1 + last.1;
            // The later group wishes the common left end to be as far left of its own as the earlier one is wide.
            let left = (before.0 * before.1 as f64 + (last.0 - before.2) * last.1 as f64) / members as f64;
            let merged = (left, members, before.2 + last.2);
            groups.truncate(groups.len() - 2);
            groups.push(merged);
        }
    }
    let mut members = layer.iter();
    for (left, count, _) in groups {
        let mut at = left;
        for &node in members.by_ref().take(count) {
            let width = wide[node] + space;
            x[node] = at + width / 2.0;
            at += width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(n: usize, edges: &[(usize, usize)]) -> Layout {
        lay_out(&vec![100.0; n], &edges.iter().copied().collect(), 20.0)
    }

    #[test]
    fn a_consumer_stands_below_all_it_takes_from() {
        let layout = laid(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]);
        assert_eq!(layout.layer, [0, 1, 2, 3]);
        assert_eq!(layout.layers, 4);
    }

    #[test]
    fn no_two_nodes_of_a_layer_overlap() {
        let layout = laid(
            9,
            &[(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (4, 5), (2, 6), (3, 7), (4, 8)],
        );
        for a in 0..9 {
            for b in 0..a {
                let apart = (layout.x[a] - layout.x[b]).abs() >= 119.9;
                assert!(layout.layer[a] != layout.layer[b] || apart, "{a} and {b}: {layout:?}");
            }
        }
        assert!((0..9).all(|i| layout.x[i] >= 49.9 && layout.x[i] <= layout.width - 49.9));
    }

    #[test]
    fn a_long_edge_passes_between_the_nodes() {
        let layout = laid(3, &[(0, 1), (1, 2), (0, 2)]);
        let long = layout.paths.iter().find(|path| path.len() == 3).unwrap();
        assert!((long[1].0 - layout.x[1]).abs() >= 55.0, "{layout:?}");
    }

    #[test]
    fn a_source_stands_just_above_its_consumer() {
        assert_eq!(laid(4, &[(0, 1), (1, 3), (2, 3)]).layer, [0, 1, 1, 2]);
    }

    #[test]
    fn one_node_and_none_are_laid_out() {
        assert_eq!(laid(1, &[]).width, 100.0);
        assert_eq!(laid(0, &[]).layers, 0);
    }
}
