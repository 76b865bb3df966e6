//! A stage runner whose stages do as their settings say.

use moelab_engine::job::worker::Worker;
use moelab_engine::job::{Failure, JobContext};
use serde::Deserialize;
use std::fs;
use std::sync::Arc;

#[derive(Deserialize)]
struct Settings {
    text: String,
    n: i64,
    behave: String,
}

pub fn serve() {
    // A worker that says it is of another build.
    let build = std::env::var("ECHO_BUILD").unwrap_or_else(|_| super::lab::BUILD.into());
    Worker::new(build, &echo, Arc::default())
        .serve(std::io::stdin().lock())
        .expect("job folders are good");
    std::process::exit(0);
}

fn echo(context: &JobContext) -> Result<(), Failure> {
    let Settings { text, n, behave } = context.settings()?;
    let data = context.data();
    eprintln!("echo says {text}");
    match behave.as_str() {
        "fail" => return Err(Failure::stage("told to fail")),
        "panic" => panic!("told to panic"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "until_stopped" => loop {
            if context.should_stop() {
                fs::write(context.checkpoints_dir()?.join("state"), "saved")?;
                return Err(context.interrupted());
            }
            std::thread::yield_now();
        },
        "for_ever" => loop {
            std::thread::park();
        },
        // Goes on when the file `go` appears.
        "wait_for_go" => wait_for(&data.join("go")),
        // Two such jobs end only if they run at the same time.
        "meet" => {
            fs::write(data.join(&text), "")?;
            for other in ["left", "right"] {
                wait_for(&data.join(other));
            }
        }
        // Fails until somebody mends it.
        "fail_unless_mended" if !data.join("mended").exists() => return Err(Failure::stage("not mended")),
        _ => {}
    }
    let mut made = text;
    for input in context.all("points") {
        made.push('(');
        made.push_str(&fs::read_to_string(&input.path)?);
        made.push(')');
    }
    if behave == "noise" {
        made.push_str(&context.job().nonce);
    }
    context.progress(1, 1, "step", &[("loss", 0.5), ("nan", f64::NAN)]);
    fs::write(context.output("data")?, &made)?;
    fs::write(context.output("size")?, n.to_string())?;
    Ok(())
}

fn wait_for(file: &std::path::Path) {
    while !file.exists() {
        std::thread::yield_now();
    }
}
