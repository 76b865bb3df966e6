//! Which clusters of the condensed tree become the flat clustering, and the labels that follow.

use super::condensed_tree::CondensedTree;

/// How clusters are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionMethod {
    /// Excess of mass: the set of clusters, none inside another, with the largest total stability.
    #[default]
    Eom,
    /// All leaves of the condensed tree: many small, even clusters.
    Leaf,
}

/// The settings of the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SelectionConfig {
    pub method: SelectionMethod,
    /// Clusters that split at a smaller distance than this are joined again (Malzer & Baum 2020); 0 is off.
    pub epsilon: f64,
    /// Larger clusters give way to their children (`Eom` only).
    pub max_cluster_size: Option<usize>,
    /// Whether the root, all rows, may be the one cluster.
    pub allow_single_cluster: bool,
}

impl CondensedTree {
    /// The selected clusters, ascending; label k is the k-th of them. Empty where nothing splits.
    pub fn select(&self, config: &SelectionConfig) -> Vec<usize> {
        let chosen = match config.method {
            SelectionMethod::Eom => self.excess_of_mass(config),
            SelectionMethod::Leaf => self.leaves(),
        };
        if config.epsilon > 0.0 && chosen != [0] {
            self.merge_below(&chosen, config)
        } else {
            chosen
        }
    }

    fn excess_of_mass(&self, config: &SelectionConfig) -> Vec<usize> {
        let clusters = self.clusters();
        let first = usize::from(!config.allow_single_cluster);
        let mut mass: Vec<f64> = clusters.iter().map(|cluster| cluster.stability).collect();
        let mut kept = vec![false; clusters.len()];
        for index in (first..clusters.len()).rev() {
            let cluster = &clusters[index];
            let mut masses: Vec<f64> = cluster.children.iter().map(|&child| mass[child]).collect();
            masses.sort_by(f64::total_cmp);
            let below: f64 = masses.iter().sum();
            let too_large = config.max_cluster_size.is_some_and(|most| cluster.size > most);
            if below > mass[index] || too_large {
                mass[index] = below;
            } else {
                kept[index] = true;
            }
        }
        self.outermost(&kept)
    }

    /// Leaves below the root; a root that never splits is no cluster.
    fn leaves(&self) -> Vec<usize> {
        (1..self.clusters().len())
            .filter(|&index| self.clusters()[index].children.is_empty())
            .collect()
    }

    /// Replaces each cluster that splits off below `epsilon` by its first ancestor that splits off above it.
    fn merge_below(&self, chosen: &[usize], config: &SelectionConfig) -> Vec<usize> {
        let mut kept = vec![false; self.clusters().len()];
        for &start in chosen {
            kept[self.climb(start, config)] = true;
        }
        self.outermost(&kept)
    }

    fn climb(&self, start: usize, config: &SelectionConfig) -> usize {
        let distance = |index: usize| 1.0 / self.clusters()[index].birth;
        if distance(start) >= config.epsilon {
            return start;
        }
        let mut index = start;
        loop {
            match self.clusters()[index].parent {
                None | Some(0) => return if config.allow_single_cluster { 0 } else { index },
                Some(parent) if distance(parent) > config.epsilon => return parent,
                Some(parent) => index = parent,
            }
        }
    }

    /// Those of `kept` that are in no other.
    fn outermost(&self, kept: &[bool]) -> Vec<usize> {
        let mut covered = vec![false; kept.len()];
        for (index, cluster) in self.clusters().iter().enumerate() {
            covered[index] = cluster.parent.is_some_and(|parent| covered[parent] || kept[parent]);
        }
        (0..kept.len())
            .filter(|&index| kept[index] && !covered[index])
            .collect()
    }

    /// The label of each row (-1 for noise) and how firmly it belongs to its cluster, in [0, 1] (0 for noise).
    ///
    /// A row belongs to the selected cluster that it leaves last or any descendant of it. Where the root alone is selected,
    /// that would be every row; only those count that stay until the root's own end, or are as dense as `epsilon` asks.
    pub fn label(&self, selected: &[usize], config: &SelectionConfig) -> (Vec<i32>, Vec<f64>) {
        let owner = self.owners(selected);
        let root_needs = if config.epsilon > 0.0 {
            1.0 / config.epsilon
        } else {
            self.clusters()[0].death
        };
        let label = |(&cluster, &lambda): (&usize, &f64)| {
            let place = owner[cluster]?;
            let stays = selected[place] != 0 || lambda >= root_needs;
            stays.then(|| {
                let death = self.clusters()[selected[place]].death;
                (place as i32, if death > 0.0 { lambda.min(death) / death } else { 1.0 })
            })
        };
        let pairs = self.point_clusters().iter().zip(self.point_lambdas());
        pairs.map(|pair| label(pair).unwrap_or((-1, 0.0))).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MutualReachability;
    use super::*;
    use crate::matrix::Matrix;

    /// Two pairs of groups of four rows: the pairs are 40 apart, the groups of a pair 10 and 4.
    fn tree() -> CondensedTree {
        let starts = [0.0, 13.0, 56.0, 63.0];
        let data: Vec<f32> = starts.iter().flat_map(|s| (0..4).map(move |i| s + i as f32)).collect();
        let linkage = MutualReachability::new(&Matrix::new(16, 1, data))
            .unwrap()
            .single_linkage(1, 1.0)
            .unwrap();
        linkage.condense(3).unwrap()
    }

    fn sizes(config: SelectionConfig) -> Vec<usize> {
        let tree = tree();
        tree.select(&config)
            .iter()
            .map(|&index| tree.clusters()[index].size)
            .collect()
    }

    #[test]
    fn leaves_are_the_four_groups() {
        assert_eq!(
            sizes(SelectionConfig {
                method: SelectionMethod::Leaf,
                ..Default::default()
            }),
            [4; 4]
        );
    }

    #[test]
    fn excess_of_mass_takes_the_stabler_level() {
        assert_eq!(sizes(SelectionConfig::default()), [4; 4]);
    }

    #[test]
    fn epsilon_joins_what_splits_below_it() {
        for (epsilon, expected) in [
            (3.0, vec![4; 4]),
            (5.0, vec![8, 4, 4]),
            (11.0, vec![8, 8]),
            (90.0, vec![8, 8]),
        ] {
            for method in [SelectionMethod::Eom, SelectionMethod::Leaf] {
                let mut found = sizes(SelectionConfig {
                    method,
                    epsilon,
                    ..Default::default()
                });
                found.sort_unstable_by(|a, b| b.cmp(a));
                assert_eq!(found, expected, "epsilon {epsilon}");
            }
        }
    }

    #[test]
    fn epsilon_reaches_the_root_only_where_allowed() {
        assert_eq!(
            sizes(SelectionConfig {
                epsilon: 90.0,
                allow_single_cluster: true,
                ..Default::default()
            }),
            [16]
        );
    }

    #[test]
    fn large_clusters_give_way() {
        let data: Vec<f32> = (0..40)
            .map(|i| (i as f32).powf(1.01) + if i < 20 { 0.0 } else { 0.6 })
            .collect();
        let linkage = MutualReachability::new(&Matrix::new(40, 1, data))
            .unwrap()
            .single_linkage(2, 1.0)
            .unwrap();
        let tree = linkage.condense(4).unwrap();
        let all = SelectionConfig {
            allow_single_cluster: true,
            ..Default::default()
        };
        assert_eq!(tree.select(&all), [0]);
        let capped = tree.select(&SelectionConfig {
            max_cluster_size: Some(30),
            ..all
        });
        assert!(capped.iter().all(|&index| tree.clusters()[index].size <= 30));
    }

    #[test]
    fn labels_follow_the_order_of_clusters() {
        let config = SelectionConfig::default();
        let (labels, probabilities) = tree().label(&tree().select(&config), &config);
        for group in labels.chunks(4) {
            assert!(group.iter().all(|&label| label == group[0] && label >= 0));
        }
        assert_eq!(probabilities, [1.0; 16]);
    }

    #[test]
    fn nothing_selected_is_all_noise() {
        let (labels, probabilities) = tree().label(&[], &SelectionConfig::default());
        assert_eq!((labels, probabilities), (vec![-1; 16], vec![0.0; 16]));
    }
}
