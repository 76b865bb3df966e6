//! Runs `evaluate`, the one stage that reads labels.

use super::cluster_table::{Assignments, Clusters, greatest};
use super::refuse;
use crate::matrix::Matrix;
use crate::metrics::noise::NOISE;
use crate::metrics::{
    Confusion, NoiseReport, Scores, assign_noise, confusion, neighbours_alike, representative_accuracy, score,
};
use crate::tensors::TensorFile;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::artifact;
use moelab_stages::evaluate::{Evaluate, Noise};
use moelab_stages::frame::write_parquet;
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What is scored: hard labels (−1 is noise), soft memberships, and the experts' costs where there are any.
struct Scored {
    labels: Vec<i32>,
    memberships: Matrix,
    costs: Option<Matrix>,
}

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Evaluate = job.settings()?;
    let (classes, names) = read_labels(job)?;
    let scored = read_scored(job)?;
    if classes.len() != scored.labels.len() {
        return Err(Failure::bad_input(format!(
            "there are {} labels and {} rows to score: both must come from the same `load`",
            classes.len(),
            scored.labels.len()
        )));
    }
    let (mut metrics, matrix) = scores(&classes, &scored, settings.noise)?;
    if let Some(points) = job.optional("points") {
        let points = super::embed::points(&points.path, &points.artifact)?;
        if points.rows() != classes.len() {
            return Err(Failure::bad_input(format!(
                "there are {} labels and {} points: both must describe the same images",
                classes.len(),
                points.rows()
            )));
        }
        let alike = neighbours_alike(&points, &classes).map_err(refuse)?;
        metrics.extend(alike.map(|share| ("neighbours_alike".to_owned(), json!(share))));
    }
    std::fs::write(job.output("metrics")?, Value::Object(metrics).to_string())?;
    write_confusion(job, &matrix, &names)
}

/// All metrics, and the confusion matrix behind the headline.
fn scores(classes: &[i32], scored: &Scored, noise: Noise) -> Result<(Map<String, Value>, Confusion), Failure> {
    let report = NoiseReport::new(classes, &scored.labels, &scored.memberships).map_err(refuse)?;
    let headline_labels = match noise {
        Noise::Assign => assign_noise(&scored.labels, &scored.memberships).map_err(refuse)?,
        Noise::Exclude | Noise::Wrong => scored.labels.clone(),
    };
    let headline = match noise {
        Noise::Assign => Some(report.all.clone()),
        Noise::Exclude => report.labelled.clone(),
        Noise::Wrong => Some(score(classes, &scored.labels).map_err(refuse)?),
    };
    let headline =
        headline.ok_or_else(|| refuse("every row is noise: there is nothing to score under `noise: exclude`"))?;
    let matrix = confusion(classes, &headline_labels).map_err(refuse)?;
    let mut metrics = named_scores(&headline);
    metrics.insert("clusters".into(), json!(matrix.clusters.len()));
    metrics.insert("classes".into(), json!(matrix.classes.len()));
    metrics.insert("labelled".into(), json!(report.coverage));
    metrics.insert("acc_labelled".into(), json!(report.labelled.as_ref().map(|s| s.acc)));
    metrics.insert("nmi_labelled".into(), json!(report.labelled.as_ref().map(|s| s.nmi)));
    metrics.insert("ari_labelled".into(), json!(report.labelled.as_ref().map(|s| s.ari)));
    metrics.insert("acc_noise_wrong".into(), json!(report.acc_noise_wrong));
    metrics.insert("acc_assigned".into(), json!(report.all.acc));
    let excluded = |row: usize| noise == Noise::Exclude && headline_labels[row] == NOISE;
    let rows: Vec<usize> = (0..classes.len()).filter(|&row| !excluded(row)).collect();
    let of = |labels: &[i32]| -> Vec<i32> { rows.iter().map(|&row| labels[row]).collect() };
    let memberships = scored.memberships.select(&rows);
    let by_representative =
        representative_accuracy(&of(classes), &of(&headline_labels), &memberships).map_err(refuse)?;
    metrics.insert("acc_representative".into(), json!(by_representative));
    if let Some(costs) = &scored.costs {
        metrics.extend(cheapest_expert(classes, &scored.labels, costs)?);
    }
    metrics.retain(|_, value| !value.is_null());
    Ok((metrics, matrix))
}

/// Classes as numbers from 0, and their names by number.
fn read_labels(job: &JobContext) -> Result<(Vec<i32>, Vec<String>), Failure> {
    #[derive(Deserialize)]
    struct Meta {
        classes: Vec<String>,
    }
    let file = TensorFile::open(&job.input("labels")?.path).map_err(refuse)?;
    let labels = file.i64("labels").map_err(refuse)?;
    let meta: Meta = file.meta().map_err(refuse)?;
    if labels.contains(&-1) && labels.iter().all(|&label| label >= -1) {
        let n = labels.iter().filter(|&&label| label == -1).count();
        job.note(format!(
            "{n} rows have the label -1, which is scored as a class like any other"
        ));
    }
    // Labels of arrays may be any integers; the metrics want small ones from 0.
    let mut distinct = labels.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let number = |label: &i64| {
        distinct
            .binary_search(label)
            .expect("every label is among the distinct ones") as i32
    };
    let name = |&label: &i64| {
        let named = usize::try_from(label).ok().and_then(|i| meta.classes.get(i));
        named.cloned().unwrap_or_else(|| label.to_string())
    };
    Ok((labels.iter().map(number).collect(), distinct.iter().map(name).collect()))
}

fn read_scored(job: &JobContext) -> Result<Scored, Failure> {
    let input = job.input("assignments")?;
    if input.artifact == artifact::CLUSTERS {
        let clusters = Clusters::read(&input.path)?;
        return Ok(Scored {
            labels: clusters.labels,
            memberships: clusters.memberships,
            costs: None,
        });
    }
    let assignments = Assignments::read(&input.path)?;
    // Costs say something of clusters where each has an expert of its own.
    let per_cluster = assignments.reconstruction.cols() == assignments.manager_p.cols();
    let costs = per_cluster.then(|| assignments.reconstruction.clone());
    Ok(Scored {
        labels: assignments.labels(),
        memberships: assignments.manager_p,
        costs,
    })
}

fn named_scores(scores: &Scores) -> Map<String, Value> {
    let pairs = [
        ("acc", scores.acc),
        ("nmi", scores.nmi),
        ("nmi_geometric", scores.nmi_geometric),
        ("ari", scores.ari),
        ("ami", scores.ami),
        ("homogeneity", scores.homogeneity),
        ("completeness", scores.completeness),
        ("v_measure", scores.v_measure),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

/// The second way to assign: the expert with the least cost; and how often the manager agrees with it.
fn cheapest_expert(classes: &[i32], labels: &[i32], costs: &Matrix) -> Result<Map<String, Value>, Failure> {
    let negative = |row: usize| costs.row(row).iter().map(|cost| -cost).collect::<Vec<f32>>();
    let cheapest: Vec<i32> = (0..costs.rows()).map(|row| greatest(&negative(row))).collect();
    let agree = cheapest.iter().zip(labels).filter(|(a, b)| a == b).count() as f64 / labels.len() as f64;
    let scores = score(classes, &cheapest).map_err(refuse)?;
    let pairs = [
        ("acc_cheapest_expert", scores.acc),
        ("nmi_cheapest_expert", scores.nmi),
        ("ari_cheapest_expert", scores.ari),
        ("agreement", agree),
    ];
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect())
}

/// Classes by clusters in Hungarian order: the matched cluster of class i stands in place i.
fn write_confusion(job: &JobContext, confusion: &Confusion, names: &[String]) -> Result<(), Failure> {
    let (mut class, mut class_name, mut cluster, mut count, mut matched) = (vec![], vec![], vec![], vec![], vec![]);
    let mut push = |row: usize, which: i32, n: u64, hit: bool| {
        class.push(confusion.classes[row]);
        class_name.push(names[confusion.classes[row] as usize].clone());
        cluster.push(which);
        count.push(n as u32);
        matched.push(hit);
    };
    for row in 0..confusion.classes.len() {
        for column in confusion.hungarian_order() {
            let hit = confusion.matched[row] == Some(column);
            push(row, confusion.clusters[column], confusion.counts[row][column], hit);
        }
        if confusion.noise.iter().any(|&n| n > 0) {
            push(row, -1, confusion.noise[row], false);
        }
    }
    let n = class.len();
    let columns = vec![
        Series::new("class".into(), class).into(),
        Series::new("class_name".into(), class_name).into(),
        Series::new("cluster".into(), cluster).into(),
        Series::new("count".into(), count).into(),
        Series::new("matched".into(), matched).into(),
    ];
    let mut frame = DataFrame::new(n, columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("confusion")?).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::tensors::{Content, write};
    use moelab_stages::frame::read_parquet;

    #[test]
    fn accuracy_by_every_convention_stands_beside_the_headline() {
        // Two clusters in order; a noise row of class 0 nearer to cluster 1, and the surest of it.
        let scored = Scored {
            labels: vec![0, 0, 1, 1, NOISE],
            memberships: Matrix::new(5, 2, vec![0.8, 0.1, 0.7, 0.1, 0.1, 0.6, 0.1, 0.7, 0.0, 0.9]),
            costs: None,
        };
        let of = |noise| {
            let (metrics, _) = scores(&[0, 0, 1, 1, 0], &scored, noise).unwrap();
            [
                "acc",
                "acc_assigned",
                "acc_labelled",
                "acc_noise_wrong",
                "acc_representative",
            ]
            .map(|name| metrics[name].as_f64().unwrap())
        };
        // The noise row, of class 0, speaks for cluster 1 where it is scored.
        assert_eq!(of(Noise::Assign), [0.8, 0.8, 1.0, 0.8, 0.6]);
        assert_eq!(of(Noise::Wrong), [0.8, 0.8, 1.0, 0.8, 0.4]);
        assert_eq!(of(Noise::Exclude), [1.0, 0.8, 1.0, 0.8, 1.0]);
    }

    #[test]
    fn a_cluster_that_keeps_no_row_is_not_counted() {
        let scored = Scored {
            labels: vec![0, 2, 2],
            memberships: Matrix::new(3, 3, vec![0.6, 0.3, 0.1, 0.1, 0.4, 0.5, 0.2, 0.3, 0.5]),
            costs: None,
        };
        let (metrics, _) = scores(&[0, 1, 1], &scored, Noise::Assign).unwrap();
        assert_eq!(metrics["clusters"], 2);
    }

    #[test]
    fn with_noise_alone_nothing_is_left_to_score() {
        let scored = Scored {
            labels: vec![NOISE; 2],
            memberships: Matrix::new(2, 1, vec![0.5, 0.5]),
            costs: None,
        };
        let refused = scores(&[0, 1], &scored, Noise::Exclude).unwrap_err().message;
        assert!(refused.contains("every row is noise"), "{refused}");
        assert!(scores(&[0, 1], &scored, Noise::Assign).is_ok());
    }

    /// A job that reads these labels, with the names of classes 0, 1, ….
    fn labelled(labels: &[i64], names: &[&str]) -> Bench {
        let make = |path: &std::path::Path| {
            let tensors = [("labels", &[labels.len()][..], Content::I64(labels))];
            write(path, &tensors, &json!({"classes": names})).unwrap();
        };
        Bench::new("evaluate", json!({})).given("labels", artifact::LABELS, None, make)
    }

    #[test]
    fn labels_may_be_any_integers_and_become_numbers_in_their_order() {
        let bench = labelled(&[5, 1 << 40, -7, 5], &["a", "b", "c", "d", "e", "six"]);
        let (classes, names) = read_labels(&bench.job(&[])).unwrap();
        assert_eq!(classes, [1, 2, 0, 1]);
        // Only numbers that have a name are called by it.
        assert_eq!(names, ["-7", "six", "1099511627776"]);
        assert_eq!(bench.events(), "", "there is no -1 among them");
    }

    #[test]
    fn a_label_of_minus_one_is_a_class_and_is_told() {
        let bench = labelled(&[0, -1, 1, -1], &["zero", "one"]);
        let (classes, names) = read_labels(&bench.job(&[])).unwrap();
        assert_eq!((classes, names.len()), (vec![1, 0, 2, 0], 3));
        assert!(
            bench.events().contains("2 rows have the label -1"),
            "{}",
            bench.events()
        );
        // Beside other negative numbers it is one of many and says nothing.
        let bench = labelled(&[0, -1, -2], &[]);
        read_labels(&bench.job(&[])).unwrap();
        assert_eq!(bench.events(), "");
    }

    #[test]
    fn the_cheapest_expert_takes_the_row_and_is_compared_with_the_manager() {
        let costs = Matrix::new(3, 2, vec![1.0, 2.0, 3.0, 1.0, 0.5, 0.4]);
        // The experts say 0, 1, 1; of three pairs of rows, each side joins another one.
        let found = cheapest_expert(&[0, 1, 0], &[0, 1, 0], &costs).unwrap();
        let of = |name: &str| found[name].as_f64().unwrap();
        assert_eq!((of("acc_cheapest_expert"), of("agreement")), (2.0 / 3.0, 2.0 / 3.0));
        assert!((of("ari_cheapest_expert") + 0.5).abs() < 1e-12);
        // Both entropies are ln 3 - 2/3 ln 2, the joint one is ln 3.
        let entropy = 3.0_f64.ln() - 2.0 / 3.0 * 2.0_f64.ln();
        let nmi = (2.0 * entropy - 3.0_f64.ln()) / entropy;
        assert!((of("nmi_cheapest_expert") - nmi).abs() < 1e-12);
        // Of equal costs the first.
        let tie = cheapest_expert(&[0, 1], &[0, 0], &Matrix::new(2, 2, vec![1.0; 4])).unwrap();
        assert_eq!(tie["agreement"], 1.0);
    }

    #[test]
    fn the_confusion_stands_in_the_order_of_its_matching_with_noise_last() {
        let classes = [0, 0, 0, 1, 1, 1, 1];
        let found = confusion(&classes, &[2, 2, 0, 1, 1, 0, NOISE]).unwrap();
        let bench = Bench::new("evaluate", json!({}));
        write_confusion(&bench.job(&["confusion"]), &found, &["no".to_owned(), "yes".to_owned()]).unwrap();
        let frame = read_parquet(&bench.output("confusion")).unwrap();
        let i32s =
            |name: &str| -> Vec<i32> { frame.column(name).unwrap().i32().unwrap().into_no_null_iter().collect() };
        let names = frame.column("class_name").unwrap().str().unwrap();
        let counts = frame.column("count").unwrap().u32().unwrap();
        let matched = frame.column("matched").unwrap().bool().unwrap();
        assert_eq!(i32s("class"), [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(
            names.iter().flatten().collect::<Vec<_>>(),
            [["no"; 4], ["yes"; 4]].concat()
        );
        // Cluster 2 is class 0's, cluster 1 class 1's; cluster 0 is nobody's.
        assert_eq!(i32s("cluster"), [2, 1, 0, -1, 2, 1, 0, -1]);
        assert_eq!(counts.into_no_null_iter().collect::<Vec<_>>(), [2, 0, 1, 0, 0, 2, 1, 1]);
        let hits: Vec<bool> = matched.iter().flatten().collect();
        assert_eq!(hits, [true, false, false, false, false, true, false, false]);
    }
}
