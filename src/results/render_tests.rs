use super::*;
use crate::input::{Input, Reference, State};
use crate::testing::{Build, action, field};
use polars::prelude::*;
use serde_json::json;

/// Two rows of two metrics: one complete, one with a missing and a failed seed, and a published row.
fn input() -> Input {
    let metrics = [field("acc", "evaluation", "acc"), field("clusters", "evaluation", "k")];
    let mut build = Build::new("mnist_moe", &["dataset", "alpha"]).metrics(metrics);
    for (seed, (acc, k)) in [(0.94, 10), (0.96, 10), (0.95, 11)].into_iter().enumerate() {
        let run = build.run(json!({"dataset": "mnist", "alpha": 10}), seed as u64);
        build.done(run, "evaluation", &format!("a{seed}"), json!({"acc": acc, "k": k}));
    }
    for seed in 0..3 {
        let run = build.run(json!({"dataset": "mnist", "alpha": 100}), seed);
        let name = format!("b{seed}");
        match seed {
            0 => build.done(run, "evaluation", &name, json!({"acc": 0.5, "k": 7})),
            1 => build.act(
                run,
                "evaluation",
                &name,
                action(State::Failed("moe: out of memory".into())),
            ),
            _ => build.act(run, "evaluation", &name, action(State::Missing(None))),
        };
    }
    build.input.references = vec![Reference {
        labels: [("dataset".to_owned(), json!("mnist"))].into(),
        values: [("acc".to_owned(), 0.97)].into(),
        runs: Some("mean of 5".into()),
        source: "Santos & al., Table IV".into(),
    }];
    build.input
}

fn text(format: Format, lines: Lines) -> String {
    let table = Table::build(&[input()]).unwrap();
    String::from_utf8(render(&table, format, lines).unwrap()).unwrap()
}

#[test]
fn markdown() {
    insta::assert_snapshot!(text(Format::Markdown, Lines::Cells), @"
    | dataset | alpha | acc | clusters | seeds | source |
    | --- | --- | ---: | ---: | ---: | --- |
    | mnist | 10 | 0.950 ± 0.010 | 10.3 ± 0.6 | 3 |  |
    | mnist | 100 | 0.500 (1/3) | 7 (1/3) | 1 |  |
    | *published* |  |  |  |  |  |
    | mnist |  | 0.970 | – | mean of 5 | Santos & al., Table IV |

    - mnist_moe: `acc`, `clusters` failed for seed 1 at dataset=mnist alpha=100: moe: out of memory
    - mnist_moe: `acc`, `clusters` missing for seed 2 at dataset=mnist alpha=100
    ");
}

#[test]
fn latex() {
    insta::assert_snapshot!(text(Format::Latex, Lines::Cells), @r"
    % \usepackage{booktabs}
    \begin{tabular}{llrrrl}
    \toprule
    dataset & alpha & acc & clusters & seeds & source \\
    \midrule
    mnist & 10 & 0.950 $\pm$ 0.010 & 10.3 $\pm$ 0.6 & 3 & \\
    mnist & 100 & 0.500 (1/3) & 7 (1/3) & 1 & \\
    \midrule
    mnist &  & 0.970 & -- & mean of 5 & Santos \& al., Table IV \\
    \bottomrule
    \end{tabular}
    % mnist_moe: `acc`, `clusters` failed for seed 1 at dataset=mnist alpha=100: moe: out of memory
    % mnist_moe: `acc`, `clusters` missing for seed 2 at dataset=mnist alpha=100
    ");
}

#[test]
fn terminal() {
    insta::assert_snapshot!(text(Format::Terminal { width: 100 }, Lines::Cells), @"
    dataset  alpha            acc    clusters      seeds  source
    ────────────────────────────────────────────────────────────────────────────
    mnist    10     0.950 ± 0.010  10.3 ± 0.6          3
    mnist    100      0.500 (1/3)     7 (1/3)          1
    ────────────────────────────────────────────────────────────────────────────
    mnist                   0.970           –  mean of 5  Santos & al., Table IV
    note: mnist_moe: `acc`, `clusters` failed for seed 1 at dataset=mnist alpha=100: moe: out of memory
    note: mnist_moe: `acc`, `clusters` missing for seed 2 at dataset=mnist alpha=100
    ");
}

#[test]
fn a_narrow_terminal() {
    insta::assert_snapshot!(text(Format::Terminal { width: 44 }, Lines::Cells), @"
    dataset  alpha            acc    clusters
    ─────────────────────────────────────────
    mnist    10     0.950 ± 0.010  10.3 ± 0.6
    mnist    100      0.500 (1/3)     7 (1/3)
    ─────────────────────────────────────────
    mnist                   0.970           –

    dataset  alpha      seeds  source
    ─────────────────────────────────
    mnist    10             3
    mnist    100            1
    ─────────────────────────────────
    mnist           mean of 5  [1]
    [1] Santos & al., Table IV
    note: mnist_moe: `acc`, `clusters` failed
          for seed 1 at dataset=mnist alpha=100:
          moe: out of memory
    note: mnist_moe: `acc`, `clusters` missing
          for seed 2 at dataset=mnist alpha=100
    ");
}

#[test]
fn csv() {
    insta::assert_snapshot!(text(Format::Csv, Lines::Cells), @r#"
    experiment,kind,dataset,alpha,metric,n,expected,missing,failed,mean,std,ci_low,ci_high,min,median,max,mark,source
    mnist_moe,ours,mnist,10,acc,3,3,0,0,0.9499999999999998,0.010000000000000009,0.94,0.96,0.94,0.95,0.96,,
    mnist_moe,ours,mnist,10,clusters,3,3,0,0,10.333333333333334,0.5773502691896255,10.0,11.0,10.0,10.0,11.0,,
    mnist_moe,ours,mnist,100,acc,1,3,1,1,0.5,,,,0.5,0.5,0.5,,
    mnist_moe,ours,mnist,100,clusters,1,3,1,1,7.0,,,,7.0,7.0,7.0,,
    mnist_moe,reference,mnist,,acc,5,,,,0.97,,,,,,,,"Santos & al., Table IV; mean of 5"
    "#);
}

#[test]
fn raw_csv() {
    insta::assert_snapshot!(text(Format::Csv, Lines::Raw), @"
    experiment,dataset,alpha,seed,metric,value,status,key,device
    mnist_moe,mnist,10,0,acc,0.94,ok,key-a0,cpu
    mnist_moe,mnist,10,1,acc,0.96,ok,key-a1,cpu
    mnist_moe,mnist,10,2,acc,0.95,ok,key-a2,cpu
    mnist_moe,mnist,10,0,clusters,10.0,ok,key-a0,cpu
    mnist_moe,mnist,10,1,clusters,10.0,ok,key-a1,cpu
    mnist_moe,mnist,10,2,clusters,11.0,ok,key-a2,cpu
    mnist_moe,mnist,100,0,acc,0.5,ok,key-b0,cpu
    mnist_moe,mnist,100,1,acc,,failed,key-b1,cpu
    mnist_moe,mnist,100,2,acc,,missing,key-b2,cpu
    mnist_moe,mnist,100,0,clusters,7.0,ok,key-b0,cpu
    mnist_moe,mnist,100,1,clusters,,failed,key-b1,cpu
    mnist_moe,mnist,100,2,clusters,,missing,key-b2,cpu
    ");
}

#[test]
fn json() {
    insta::assert_snapshot!(text(Format::Json, Lines::Cells), @r#"
    [
      {"experiment":"mnist_moe","kind":"ours","dataset":"mnist","alpha":"10","metric":"acc","n":3,"expected":3,"missing":0,"failed":0,"mean":0.9499999999999998,"std":0.010000000000000009,"ci_low":0.94,"ci_high":0.96,"min":0.94,"median":0.95,"max":0.96,"mark":null,"source":null},
      {"experiment":"mnist_moe","kind":"ours","dataset":"mnist","alpha":"10","metric":"clusters","n":3,"expected":3,"missing":0,"failed":0,"mean":10.333333333333334,"std":0.5773502691896255,"ci_low":10.0,"ci_high":11.0,"min":10.0,"median":10.0,"max":11.0,"mark":null,"source":null},
      {"experiment":"mnist_moe","kind":"ours","dataset":"mnist","alpha":"100","metric":"acc","n":1,"expected":3,"missing":1,"failed":1,"mean":0.5,"std":null,"ci_low":null,"ci_high":null,"min":0.5,"median":0.5,"max":0.5,"mark":null,"source":null},
      {"experiment":"mnist_moe","kind":"ours","dataset":"mnist","alpha":"100","metric":"clusters","n":1,"expected":3,"missing":1,"failed":1,"mean":7.0,"std":null,"ci_low":null,"ci_high":null,"min":7.0,"median":7.0,"max":7.0,"mark":null,"source":null},
      {"experiment":"mnist_moe","kind":"reference","dataset":"mnist","alpha":null,"metric":"acc","n":5,"expected":null,"missing":null,"failed":null,"mean":0.97,"std":null,"ci_low":null,"ci_high":null,"min":null,"median":null,"max":null,"mark":null,"source":"Santos & al., Table IV; mean of 5"}
    ]
    "#);
}

#[test]
fn json_is_one_document_with_the_columns_of_the_table() {
    let table = Table::build(&[input()]).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text(Format::Json, Lines::Cells)).unwrap();
    let names: Vec<_> = document[0].as_object().unwrap().keys().cloned().collect();
    let columns: Vec<_> = table
        .tidy()
        .get_column_names()
        .into_iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, columns);
    assert_eq!(document.as_array().unwrap().len(), table.tidy().height());
}

#[test]
fn csv_reads_back_as_the_same_numbers() {
    let table = Table::build(&[input()]).unwrap();
    let bytes = render(&table, Format::Csv, Lines::Cells).unwrap();
    let read = CsvReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
    for name in ["mean", "std", "median"] {
        assert!(
            read.column(name)
                .unwrap()
                .equals_missing(table.tidy().column(name).unwrap()),
            "{name}"
        );
    }
}

#[test]
fn parquet_reads_back_as_itself() {
    let table = Table::build(&[input()]).unwrap();
    for (lines, frame) in [(Lines::Cells, table.tidy()), (Lines::Raw, table.raw())] {
        let bytes = render(&table, Format::Parquet, lines).unwrap();
        let read = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        assert!(read.equals_missing(frame));
    }
}

#[test]
fn the_raw_table_can_be_read_by_people_too() {
    let raw = text(Format::Terminal { width: 100 }, Lines::Raw);
    assert!(raw.contains("failed") && raw.contains("missing"), "{raw}");
}

#[test]
fn two_experiments_share_a_table() {
    let mut other = input();
    other.experiment = "usps".into();
    other.references[0].source = "Santos & al., Table IV".into();
    let table = Table::build(&[input(), other]).unwrap();
    let text = String::from_utf8(render(&table, Format::Markdown, Lines::Cells).unwrap()).unwrap();
    assert!(text.starts_with("| experiment | dataset | alpha |"), "{text}");
    assert!(text.contains("| mnist\\_moe |") && text.contains("| usps |"), "{text}");
    assert_eq!(text.matches("Santos").count(), 1, "the same published row stands once");
}
