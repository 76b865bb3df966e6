//! TensorBoard event files: one folder per action, `AXES/STAGE/events.out.tfevents.…`.
//!
//! A file is a row of records: length (u64), its checksum, a serialised `Event`, its checksum; checksums are masked CRC-32C,
//! all numbers little-endian (TensorFlow's `record_writer.cc`). The messages of `event.proto`, `summary.proto` and the
//! plugin's `plugin_data.proto` are few and small, so they are written field by field.

use super::{Finished, curves, folder_name, leaves, numbers, started, write};
use crate::error::ResultsError;
use crate::input::display;
use moelab_engine::plan::Axes;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Writes all finished actions that have a history or metrics below `to`; gives how many they are.
///
/// Tags are `STAGE/COLUMN`. Axes and settings are the hyperparameters of each folder, for the HParams page.
pub fn tensorboard(finished: &Finished<'_>, to: &Path) -> Result<usize, ResultsError> {
    let mut written = BTreeSet::new();
    for (node, manifest) in &finished.done {
        let node = &finished.plan.graph[*node];
        let curves = curves(finished.store, manifest)?;
        let numbers = numbers(&manifest.values, &curves);
        if curves.is_empty() && numbers.is_empty() {
            continue;
        }
        let (start, seconds) = (started(manifest), manifest.provenance.seconds);
        let mut events = Events::new(start);
        events.hyperparameters(
            start,
            &hyperparameters(&node.axes, &manifest.action.config),
            finished.experiment,
        );
        for curve in &curves {
            let tag = format!("{}/{}", node.stage, curve.name);
            let last = curve.points.last().map_or(1, |(at, _)| *at).max(1) as f64;
            for (at, value) in &curve.points {
                // When a point was made is not recorded; epochs take about the same time each.
                events.scalar(start + seconds * *at as f64 / last, *at, &tag, *value);
            }
        }
        for (name, value) in &numbers {
            events.scalar(start + seconds, 0, &format!("{}/{name}", node.stage), *value);
        }
        events.end(start + seconds);
        let folder = to.join(folder_name(&node.axes)).join(&node.stage);
        let file = folder.join(format!("events.out.tfevents.{start:.0}.moelab"));
        write(&file, &events.0)?;
        written.insert(file);
    }
    Ok(written.len())
}

fn hyperparameters(axes: &Axes, config: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    leaves(config, "", &mut all);
    all.retain(|_, value| !matches!(value, Value::Null | Value::Object(_)));
    all.extend(axes.clone());
    all
}

/// The bytes of an event file.
struct Events(Vec<u8>);

impl Events {
    fn new(at: f64) -> Self {
        let mut events = Self(vec![]);
        let version = Message::default().bytes(3, b"brain.Event:2");
        events.event(at, 0, version);
        events
    }

    fn scalar(&mut self, at: f64, step: i64, tag: &str, value: f64) {
        let value = Message::default().bytes(1, tag.as_bytes()).float(2, value as f32);
        self.summary(at, step, value);
    }

    /// The start of a session of the HParams page.
    fn hyperparameters(&mut self, at: f64, values: &BTreeMap<String, Value>, group: &str) {
        let mut start = Message::default();
        for (name, value) in values {
            let value = match value {
                Value::Bool(yes) => Message::default().varint(4, u64::from(*yes)),
                Value::Number(number) => Message::default().double(2, number.as_f64().unwrap_or(f64::NAN)),
                other => Message::default().bytes(3, display(other).as_bytes()),
            };
            let entry = Message::default().bytes(1, name.as_bytes()).bytes(2, &value.0);
            start = start.bytes(1, &entry.0);
        }
        let start = start.bytes(2, group.as_bytes()).double(5, at);
        self.plugin(
            at,
            "_hparams_/session_start_info",
            Message::default().bytes(3, &start.0),
        );
    }

    /// The end of that session, with success.
    fn end(&mut self, at: f64) {
        let end = Message::default().varint(1, 1).double(2, at);
        self.plugin(at, "_hparams_/session_end_info", Message::default().bytes(4, &end.0));
    }

    fn plugin(&mut self, at: f64, tag: &str, content: Message) {
        let data = Message::default().bytes(1, b"hparams").bytes(2, &content.0);
        let metadata = Message::default().bytes(1, &data.0);
        // A summary has to hold a value: TensorBoard itself writes an empty tensor.
        let tensor = Message::default()
            .varint(1, 1)
            .bytes(2, &Message::default().bytes(2, &[8, 0]).0);
        let value = Message::default()
            .bytes(1, tag.as_bytes())
            .bytes(9, &metadata.0)
            .bytes(8, &tensor.0);
        self.summary(at, 0, value);
    }

    fn summary(&mut self, at: f64, step: i64, value: Message) {
        let summary = Message::default().bytes(1, &value.0);
        self.event(at, step, Message::default().bytes(5, &summary.0));
    }

    fn event(&mut self, at: f64, step: i64, what: Message) {
        let mut event = Message::default().double(1, at).varint(2, step as u64);
        event.0.extend(what.0);
        let length = (event.0.len() as u64).to_le_bytes();
        self.0.extend(length);
        self.0.extend(masked(&length).to_le_bytes());
        self.0.extend(&event.0);
        self.0.extend(masked(&event.0).to_le_bytes());
    }
}

/// CRC-32C, rotated and shifted so that the checksum of data that holds checksums stays sound.
pub(super) fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protocol buffer under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u32, wire: u32) {
        self.number(u64::from((field << 3) | wire));
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        self.number(value);
        self
    }

    fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, 2);
        self.number(value.len() as u64);
        self.0.extend(value);
        self
    }
}
