//! Figures and the report, from a small pipeline; and the report in a browser.

use crate::lab::Lab;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// Something of every kind that is drawn.
const PIPELINE: &str = "\
pipeline: drawn
stages:
  images: {stage: load, dataset: digits, limit: 240, resize: 16}
  vae: {stage: pretrain_vae, inputs: {images: images}, latent_dim: 6, filters: 2, epochs: 3}
  size: {stage: latent_finder, inputs: {images: images, model: vae}, variance: 0.8}
  embedding: {stage: embed, inputs: {images: images}, n_components: 2, n_neighbors: 15, n_epochs: 100}
  deep: {stage: embed, inputs: {images: images}, n_components: 3, n_neighbors: 15, n_epochs: 50}
  linkage: {stage: single_linkage, inputs: {points: embedding}, min_samples: 5}
  groups: {stage: hdbscan, inputs: {points: embedding}, min_cluster_size: 10}
  clusters: {stage: kmeans, inputs: {points: embedding}, n_clusters: 9}
  damic: {stage: mixture_train, inputs: {images: images, clusters: clusters}, method: damic, reduction: sum, warm_up: 1, filters: 2, epochs: 2}
  portraits: {stage: portray, inputs: {images: images, model: damic}, samples: 3, units: 1, steps: 3}
  first_scores: {stage: evaluate, inputs: {assignments: groups, labels: images}}
  scores: {stage: evaluate, inputs: {assignments: clusters, labels: images}}
";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("pipelines/drawn.yaml", PIPELINE);
    lab.write(
        "experiments/drawn.yaml",
        "experiment: drawn\npipeline: drawn\ndescription: A test of <drawings> & reports.\nseeds: 2\n\
         metrics: {acc: scores.acc, K: first_scores.clusters}\ntable: {columns: [acc, K]}\n",
    );
    lab
}

fn page(lab: &Lab) -> String {
    let said = lab.moelab(&["report", "drawn", "--to", "report.html"]);
    assert_eq!(said.code, 0, "{}", said.err);
    std::fs::read_to_string(lab.path("report.html")).unwrap()
}

/// Values of an attribute, in order.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let open = format!(" {attribute}=\"");
    let parts = page.split(open.as_str()).skip(1);
    parts.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn before_the_first_run_figures_name_what_to_run_and_the_report_says_what_is_missing() {
    let lab = lab();
    for (stage, figure) in [("vae", "vae"), ("scores", "scores"), ("embedding", "embedding")] {
        let said = lab.moelab(&["plot", "drawn", figure, "--seed", "0"]);
        assert_eq!(said.code, 2);
        let remedy = format!("`moelab run drawn --only {stage}` makes it");
        assert!(
            said.err.contains("has not run yet") && said.err.contains(&remedy),
            "{}",
            said.err
        );
    }
    let page = page(&lab);
    assert!(page.contains("0 of 23 actions are done"), "{page}");
    assert!(page.contains("23 missing") && page.contains("moelab run drawn"));
    assert!(
        lab.moelab(&["graph", "drawn", "--format", "svg"])
            .out
            .contains("2 to run")
    );
}

#[test]
fn every_stage_is_drawn_and_the_report_holds_it_all() {
    let lab = lab();
    lab.run(&["drawn"]);
    let plot = |args: &[&str]| lab.moelab(&[&["plot", "drawn"], args].concat());
    for (args, wanted) in [
        (&["vae"][..], "mean and ± 1 std over seeds"),
        (&["damic.history.loss"], "2 runs"),
        (&["size"], "chosen for 80 %"),
        (&["embedding", "--seed", "0"], "coloured by cluster"),
        (
            &["embedding", "--seed", "0", "--by", "images"],
            "coloured by label: 10 classes",
        ),
        (&["embedding", "--seed", "1", "--by", "scores"], "misassigned"),
        (
            &["deep", "--seed", "0", "--by", "clusters"],
            "first two principal components of 3",
        ),
        (&["linkage", "--seed", "0"], "mutual reachability"),
        (&["groups", "--seed", "0"], "density"),
        (&["scores", "--seed", "0"], "in matched cells"),
        (&["portraits.exchange", "--seed", "0"], "as every expert gives it back"),
    ] {
        let said = plot(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        assert!(
            said.out.starts_with("<svg") && said.out.contains(wanted),
            "{args:?}: {}",
            said.out
        );
    }
    for (args, wanted) in [
        (&["scores"][..], "choose one with --seed"),
        (&["images"], "nothing is drawn"),
        (&["vae.history.los"], "has no `los`; it has loss"),
        (&["scores", "--seed", "0", "--by", "images"], "is no map"),
        (
            &["embedding", "--seed", "0", "--by", "vae"],
            "nothing of `vae` colours a map",
        ),
        (
            &["embedding", "--seed", "0", "--by", "cluster"],
            "did you mean `clusters`",
        ),
    ] {
        let said = plot(args);
        assert!(said.code == 2 && said.err.contains(wanted), "{args:?}: {}", said.err);
    }
    assert_eq!(plot(&["scores", "--seed", "0", "--to", "c.png"]).code, 0);
    assert!(std::fs::read(lab.path("c.png")).unwrap().starts_with(b"\x89PNG"));

    let page = page(&lab);
    let cells = "Tables of results: mean ± sample standard deviation over seeds.";
    assert!(page.contains(cells), "what cells hold is said");
    assert_eq!(page, self::page(&lab), "the same store gives the same page");
    assert!(page.len() < 10_000_000, "{} bytes", page.len());
    assert!(page.contains("A test of &lt;drawings&gt; &amp; reports."));
    for section in [
        "status",
        "results",
        "clusters",
        "map",
        "curves",
        "spectra",
        "confusion",
        "trees",
        "portraits",
        "pipeline",
        "provenance",
    ] {
        assert!(page.contains(&format!("<h2 id=\"{section}\"")), "{section}");
    }
    let ids = values(&page, "id");
    assert_eq!(
        ids.len(),
        ids.iter().collect::<BTreeSet<_>>().len(),
        "every id is there once"
    );
    for attribute in [
        "aria-controls",
        "aria-labelledby",
        "aria-describedby",
        "data-sheet",
        "data-picture",
    ] {
        for id in values(&page, attribute) {
            assert!(ids.contains(&id), "{attribute} {id}");
        }
    }
    let elsewhere = |url: &&str| !url.starts_with("data:") && !url.starts_with('#');
    let links: Vec<&str> = [values(&page, "href"), values(&page, "src")].concat();
    assert_eq!(
        links.iter().copied().find(elsewhere),
        None,
        "nothing is loaded from anywhere"
    );
    assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<svg ").count(), page.matches("<svg role=\"img\"").count());
    assert!(
        !page.contains(&*lab.path("").to_string_lossy()),
        "no path of this machine"
    );
}

fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let programs = ["chromium", "chromium-browser", "google-chrome"];
    let found = programs.iter().find_map(|name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    });
    found.expect("this test needs Chromium on the PATH")
}

/// Collects what goes wrong, before anything else of the page runs.
const COLLECT: &str = "<script>\
    window.wrong = [];\
    addEventListener('error', (e) => wrong.push(String(e.message)));\
    addEventListener('unhandledrejection', (e) => wrong.push(String(e.reason)));\
    addEventListener('securitypolicyviolation', (e) => wrong.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI));\
    for (const kind of ['error', 'warn']) console[kind] = (...said) => wrong.push(said.join(' '));\
    </script>";

#[test]
#[ignore = "needs Chromium; `make test` runs it where there is one"]
fn in_a_browser_the_report_opens_sorts_hovers_and_zooms() {
    let lab = lab();
    lab.run(&["drawn"]);
    let driver = format!("<script>{}</script></body>", include_str!("report.js"));
    let page = page(&lab).replacen("<head>", &format!("<head>{COLLECT}"), 1);
    lab.write("driven.html", &page.replacen("</body>", &driver, 1));
    let said = Command::new(chromium())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1000,900",
            "--virtual-time-budget=4000",
        ])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", lab.path("profile").display()))
        .arg(format!("file://{}", lab.path("driven.html").display()))
        .output()
        .unwrap();
    let (dom, log) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    let outcome = dom
        .split("id=\"outcome\">")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let outcome = outcome.unwrap_or_else(|| panic!("the driver did not come to its end\n{log}"));
    let mut lines: Vec<&str> = outcome.lines().collect();
    let done = lines.pop();
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{outcome}");
    assert_eq!(done, Some("done"), "{outcome}");
    assert!(lines.len() >= 15, "{outcome}");
    assert!(!log.contains("CONSOLE"), "{log}");
}
