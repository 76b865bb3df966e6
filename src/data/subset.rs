//! Fewer items: chosen classes, and a limit on how many.

use super::error::DataError;
use super::images::{Labels, Loaded};
use crate::random::{Draws, permutation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A class by its label or by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Class {
    Label(i64),
    Name(String),
}

/// Keeps the items of the given classes in their order. Labels keep their values and `class_names` stays whole, so a
/// label means the same with and without the filter.
pub(crate) fn classes(loaded: &Loaded, wanted: &[Class]) -> Result<Loaded, DataError> {
    let Some(labels) = loaded.labels() else {
        return Err(DataError::setting(
            "classes",
            "these data have no labels to choose by",
            "leave `classes` out",
        ));
    };
    let present: BTreeSet<i64> = labels.values.iter().copied().collect();
    let mut values = BTreeSet::new();
    for class in wanted {
        values.insert(label_of(class, labels, &present)?);
    }
    if values.is_empty() {
        return Err(DataError::setting(
            "classes",
            "the list is empty",
            "name a class or leave `classes` out",
        ));
    }
    let keep: Vec<usize> = (0..loaded.len())
        .filter(|&i| values.contains(&labels.values[i]))
        .collect();
    Ok(loaded.select(&keep))
}

fn label_of(class: &Class, labels: &Labels, present: &BTreeSet<i64>) -> Result<i64, DataError> {
    let found = match class {
        Class::Label(v) => Some(*v),
        Class::Name(name) => labels.class_names.iter().position(|n| n == name).map(|p| p as i64),
    };
    let found = found.filter(|label| present.contains(label));
    found.ok_or_else(|| {
        let wanted = match class {
            Class::Label(v) => v.to_string(),
            Class::Name(n) => n.clone(),
        };
        let shown = present
            .iter()
            .take(30)
            .map(|v| match labels.class_names.get(*v as usize) {
                Some(name) if *name != v.to_string() => format!("{v} ({name})"),
                _ => v.to_string(),
            });
        let shown = shown.collect::<Vec<_>>().join(", ");
        DataError::setting(
            "classes",
            format!("there is no image or row of class {wanted}"),
            format!("choose from {shown}"),
        )
    })
}

/// At most `limit` items: the first `limit` entries of one fixed permutation of all positions, back in their order.
/// Neither a seed of the user nor a label has a part in it, so every run and every method sees the same items.
pub(crate) fn limit(loaded: &Loaded, limit: usize) -> Result<Loaded, DataError> {
    if limit == 0 {
        return Err(DataError::setting(
            "limit",
            "0 leaves nothing",
            "give at least 1 or leave `limit` out",
        ));
    }
    if limit >= loaded.len() {
        return Ok(loaded.clone());
    }
    let mut keep = permutation(loaded.len(), &mut Draws::new(0).at("limit", 0, 0));
    keep.truncate(limit);
    keep.sort_unstable();
    Ok(loaded.select(&keep))
}

#[cfg(test)]
mod tests {
    use super::super::images::Features;
    use super::*;
    use crate::matrix::Matrix;

    fn rows(labels: &[i64], names: &[&str]) -> Loaded {
        let n = labels.len();
        Loaded::Features(Features {
            matrix: Matrix::new(n, 1, (0..n).map(|i| i as f32).collect()),
            labels: Some(Labels {
                values: labels.to_vec(),
                class_names: names.iter().map(|s| s.to_string()).collect(),
            }),
            name: "t".into(),
            split: "all".into(),
            source_digest: String::new(),
        })
    }

    fn kept(loaded: &Loaded) -> Vec<f32> {
        match loaded {
            Loaded::Features(f) => f.matrix.data().to_vec(),
            Loaded::Images(_) => unreachable!("rows() makes features"),
        }
    }

    #[test]
    fn classes_are_chosen_by_label_or_name_and_keep_their_order() {
        let all = rows(&[2, 0, 1, 2], &["a", "b", "c"]);
        let some = classes(&all, &[Class::Name("c".into()), Class::Label(1)]).unwrap();
        assert_eq!(kept(&some), [0., 2., 3.]);
        assert_eq!(some.labels().unwrap().values, [2, 1, 2]);
    }

    #[test]
    fn an_unknown_class_is_refused_with_the_choice() {
        let text = classes(&rows(&[0, 1], &["a", "b"]), &[Class::Name("z".into())])
            .unwrap_err()
            .to_string();
        assert!(text.contains("of class z") && text.contains("0 (a), 1 (b)"), "{text}");
    }

    #[test]
    fn a_class_without_rows_is_refused_by_name_too() {
        let text = classes(&rows(&[0, 1], &["a", "b", "c"]), &[Class::Name("c".into())]);
        assert!(text.unwrap_err().to_string().contains("class c"));
    }

    #[test]
    fn the_limit_is_fixed_and_blind_to_labels() {
        let one = limit(&rows(&[0; 50], &[]), 7).unwrap();
        let other = limit(&rows(&(0..50).collect::<Vec<_>>(), &[]), 7).unwrap();
        assert_eq!(kept(&one), kept(&other));
        assert!(kept(&one).is_sorted() && kept(&one) != [0., 1., 2., 3., 4., 5., 6.]);
    }

    #[test]
    fn a_smaller_limit_is_a_subset_of_a_larger_one() {
        let all = rows(&[0; 100], &[]);
        let large = kept(&limit(&all, 40).unwrap());
        assert!(kept(&limit(&all, 10).unwrap()).iter().all(|v| large.contains(v)));
    }

    #[test]
    fn a_limit_above_the_number_keeps_all_and_zero_is_refused() {
        let all = rows(&[0; 3], &[]);
        assert_eq!(limit(&all, 9).unwrap(), all);
        assert!(limit(&all, 0).is_err());
    }

    #[test]
    fn the_chosen_items_are_pinned() {
        assert_eq!(kept(&limit(&rows(&[0; 1000], &[]), 5).unwrap()), PINNED);
    }

    /// A change here changes what every experiment with a `limit` was run on: raise the stage's VERSION.
    const PINNED: [f32; 5] = [64., 125., 646., 729., 883.];
}
