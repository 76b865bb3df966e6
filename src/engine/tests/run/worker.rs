//! A stage runner whose stages do as their settings say.

use moelab_engine::job::worker::Worker;
use moelab_engine::job::{Failure, FailureKind, JobContext, Memory};
use serde::Deserialize;
use std::fs;
use std::io::Write;
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
    eprintln!("echo says {text}");
    let data = context.data();
    match behave.split_once(':') {
        // Fails this way in the first attempt only, which leaves a checkpoint.
        Some(("once", way)) => {
            let state = context.checkpoints_dir()?.join("state");
            if !state.exists() {
                fs::write(state, "saved")?;
                misbehave(way, context)?;
            }
        }
        // Goes on when a file of that name appears.
        Some(("wait_for", name)) => wait_for(&data.join(name)),
        _ => misbehave(&behave, context)?,
    }
    match behave.as_str() {
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
        // Two such jobs end only if they run at the same time.
        "meet" => {
            fs::write(data.join(&text), "")?;
            for other in ["left", "right"] {
                wait_for(&data.join(other));
            }
        }
        // Leaves a line for every time it ran.
        "count" => {
            let mut file = fs::File::options().create(true).append(true).open(data.join("ran"))?;
            writeln!(file, "{text}")?;
        }
        _ => {}
    }
    let mut made = text;
    // A graph of many layers would end in gigabytes.
    let quoted = if behave == "brief" { &[] } else { context.all("points") };
    for input in quoted {
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

/// The ways to fail.
fn misbehave(behave: &str, context: &JobContext) -> Result<(), Failure> {
    let fail = |kind| Err(Failure::new(kind, format!("told to end with {kind:?}")));
    let memory = context.job().memory;
    match behave {
        "fail" => Err(Failure::stage("told to fail")),
        "fail_unless_mended" if !context.data().join("mended").exists() => Err(Failure::stage("not mended")),
        "panic" => panic!("told to panic"),
        "abort" => std::process::abort(),
        // No machine has so much.
        "allocate" => {
            // Else a release build sees that nobody looks into it, and leaves it out.
            std::hint::black_box(vec![1_u8; isize::MAX as usize]);
            Ok(())
        }
        "kill" => {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                .map_err(std::io::Error::from)?;
            Ok(())
        }
        "exit" => std::process::exit(3),
        "bad_input" => fail(FailureKind::BadInput),
        "timeout" => fail(FailureKind::Timeout),
        "disk_full" => Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into()),
        "out_of_memory" => fail(FailureKind::OutOfMemory),
        "out_of_memory_unless_alone" if memory == Memory::Normal => fail(FailureKind::OutOfMemory),
        "device_out_of_memory" => fail(FailureKind::DeviceOutOfMemory),
        "device_out_of_memory_unless_saving" if !context.saves_memory() => fail(FailureKind::DeviceOutOfMemory),
        _ => Ok(()),
    }
}

fn wait_for(file: &std::path::Path) {
    while !file.exists() {
        std::thread::yield_now();
    }
}
