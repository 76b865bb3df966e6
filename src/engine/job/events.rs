//! Events: lines a job appends to `events.jsonl` and its runner reads as they come.

use super::Event;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Progress is written at most this often.
const PERIOD: Duration = Duration::from_millis(200);

/// The writing side.
pub(super) struct EventLog {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    last: Option<Instant>,
}

impl EventLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    /// Appends a line, in one write: a reader sees it whole or waits for its end. An event that cannot be written is
    /// dropped, since no result depends on it.
    pub(super) fn write(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(&mut state, event);
    }

    /// As `write`, but drops what comes too soon after the last, unless it is the last there will be.
    pub(super) fn progress(&self, event: impl FnOnce() -> Event, last: bool) {
        self.progress_at(Instant::now(), event, last);
    }

    fn progress_at(&self, now: Instant, event: impl FnOnce() -> Event, last: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !last
            && state
                .last
                .is_some_and(|before| now.saturating_duration_since(before) < PERIOD)
        {
            return;
        }
        state.last = Some(now);
        self.append(&mut state, &event());
    }

    fn append(&self, state: &mut State, event: &Event) {
        if state.file.is_none() {
            state.file = File::options().create(true).append(true).open(&self.path).ok();
        }
        let mut line = serde_json::to_string(event).expect("an event is plain data");
        line.push('\n');
        if let Some(Err(e)) = state.file.as_mut().map(|file| file.write_all(line.as_bytes())) {
            tracing::debug!("{}: {e}", self.path.display());
        }
    }
}

/// The reading side: each call gives the lines that came since the last.
pub struct EventTail<E = Event> {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    events: PhantomData<E>,
}

impl<E: DeserializeOwned> EventTail<E> {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            offset: 0,
            events: PhantomData,
        }
    }

    /// New complete lines; lines that are no event are passed over.
    pub fn read(&mut self) -> Vec<E> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return vec![] };
        let mut text = vec![];
        if file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| file.read_to_end(&mut text))
            .is_err()
        {
            return vec![];
        }
        let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else {
            return vec![];
        };
        self.offset += end as u64 + 1;
        text[..end]
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Event {
        Event::Note { text: text.into() }
    }

    fn texts(events: Vec<Event>) -> Vec<String> {
        let text = |event| match event {
            Event::Note { text } => text,
            other => panic!("{other:?}"),
        };
        events.into_iter().map(text).collect()
    }

    #[test]
    fn a_tail_gives_each_event_once_and_waits_for_the_end_of_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut tail: EventTail = EventTail::new(path.clone());
        assert!(tail.read().is_empty(), "no file yet");
        let log = EventLog::new(path.clone());
        log.write(&note("one"));
        log.write(&note("two"));
        assert_eq!(texts(tail.read()), ["one", "two"]);
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(br#"{"event":"note","text":"th"#).unwrap();
        assert!(tail.read().is_empty());
        file.write_all(b"ree\"}\nrubbish\n").unwrap();
        assert_eq!(texts(tail.read()), ["three"]);
    }

    #[test]
    fn progress_is_thinned_but_its_end_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let log = EventLog::new(path.clone());
        let start = Instant::now();
        log.progress_at(start, || note("first"), false);
        log.progress_at(start + PERIOD / 2, || note("too soon"), false);
        log.progress_at(start + PERIOD, || note("later"), false);
        log.progress_at(start + PERIOD, || note("end"), true);
        assert_eq!(texts(EventTail::<Event>::new(path).read()), ["first", "later", "end"]);
    }
}
