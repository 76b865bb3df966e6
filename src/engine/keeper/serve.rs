//! The keeper's side.

use super::{Order, Reply, Request, family};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process_group, set_child_subreaper, set_parent_process_death_signal,
    wait as wait_any,
};
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the two threads share: one starts programs and waits for them, the other hears requests.
#[derive(Default)]
struct State {
    /// The group of the running program.
    group: Option<Pid>,
    /// The owner is gone: nothing may be started any more.
    closed: bool,
}

/// Runs one program after another as requested, until the input ends; then nothing it started is left.
pub fn serve(input: impl BufRead + Send + 'static, mut output: impl Write) -> io::Result<()> {
    // What a program leaves behind becomes a child of this process, and is found.
    set_child_subreaper(Some(getpid()))?;
    let state = Arc::new(Mutex::new(State::default()));
    let (orders, queue) = channel();
    let shared = Arc::clone(&state);
    std::thread::spawn(move || hear(input, &orders, &shared));
    for order in queue {
        let reply = match start(&order, &state) {
            Ok(Some(group)) => {
                let leader = group.as_raw_nonzero().get();
                // An owner that cannot be told is gone, and that is noticed elsewhere.
                let _gone = tell(&mut output, &Reply::Started { group: leader });
                let reply = wait(group);
                lock(&state).group = None;
                reply
            }
            Ok(None) => return Ok(()),
            Err(e) => Reply::NotStarted {
                code: e.raw_os_error(),
                text: e.to_string(),
            },
        };
        family::end();
        tell(&mut output, &reply)?;
    }
    Ok(())
}

fn hear(input: impl BufRead, orders: &Sender<Order>, state: &Mutex<State>) {
    for line in input.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            // The other thread ends only with the process.
            Ok(Request::Run(order)) => drop(orders.send(order)),
            Ok(Request::Terminate) => {
                if let Some(group) = lock(state).group {
                    let _gone = kill_process_group(group, Signal::TERM);
                }
            }
            Ok(Request::Kill) => kill_all(&lock(state)),
            Err(e) => tracing::error!("no request: {e}"),
        }
    }
    let mut state = lock(state);
    state.closed = true;
    kill_all(&state);
}

/// The program's end is waited for by the other thread, which then ends whatever came up meanwhile.
fn kill_all(state: &State) {
    if let Some(group) = state.group {
        let _gone = kill_process_group(group, Signal::KILL);
        family::kill();
    }
}

/// Starts a program; nothing if the owner is gone.
fn start(order: &Order, state: &Mutex<State>) -> io::Result<Option<Pid>> {
    // Held over the start: an owner that dies now finds either nothing started, or a group to kill.
    let mut state = lock(state);
    if state.closed {
        return Ok(None);
    }
    let log = || -> io::Result<Stdio> {
        match &order.log {
            Some(path) => Ok(File::options().create(true).append(true).open(path)?.into()),
            None => Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
        }
    };
    let mut command = Command::new(&order.program);
    // A keeper that is killed itself ends nothing any more; then at least the program hears of it.
    // SAFETY: between fork and exec only one system call is made, and nothing is allocated.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    let child = command
        .args(&order.args)
        .env_clear()
        .envs(&order.env)
        .current_dir(&order.dir)
        .stdin(Stdio::null())
        .stdout(log()?)
        .stderr(log()?)
        .process_group(0)
        .spawn()?;
    state.group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok(state.group)
}

/// Waits for the program itself, and takes note of what else ends meanwhile.
fn wait(program: Pid) -> Reply {
    loop {
        match wait_any(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Reply::Exited(code),
                    (None, signal) => Reply::Killed(signal.unwrap_or(0)),
                };
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => {
                return Reply::NotStarted {
                    code: Some(e.raw_os_error()),
                    text: e.to_string(),
                };
            }
        }
    }
}

fn tell(output: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
