//! What the epochs were: as JSON, as a file, as a picture. A resumed training has them all.

use std::path::Path;

use serde_json::{Value, json};
use spn_runtime::learn::Epoch;

use crate::Failure;
use crate::format::number;
use crate::output::{OutputError, write_atomically};
use crate::picture::Image;
use crate::picture::curve::{self, Curve, Series};

/// One epoch for programs: losses are `null` if they are not finite.
pub(crate) fn epoch_json(epoch: &Epoch) -> Value {
    let mut json = json!({
        "epoch": epoch.epoch,
        "train": number(epoch.train),
        "valid": epoch.valid.map_or(Value::Null, |valid| number(valid.loss)),
        "seconds": epoch.training_time.as_secs_f64(),
    });
    if let Some(valid) = epoch.valid {
        json["valid_log_likelihood"] = number(valid.log_likelihood);
        if let Some(accuracy) = valid.accuracy {
            json["accuracy"] = json!(accuracy);
        }
    }
    json
}

/// Writes the history: one JSON document or a JSON line for each epoch if the file is called so
/// (`.json`, `.jsonl`), else CSV.
pub(super) fn write_history(path: &Path, epochs: &[Epoch]) -> Result<(), Failure> {
    let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match kind {
        "json" => {
            let json = Value::Array(epochs.iter().map(epoch_json).collect());
            write_atomically(path, |writer| writeln!(writer, "{json:#}"))?;
        }
        "jsonl" => write_atomically(path, |writer| {
            epochs.iter().try_for_each(|epoch| writeln!(writer, "{}", epoch_json(epoch)))
        })?,
        _ => write_csv(path, epochs)?,
    }
    Ok(())
}

fn write_csv(path: &Path, epochs: &[Epoch]) -> Result<(), OutputError> {
    write_atomically(path, |writer| {
        writeln!(writer, "epoch,train,valid,valid_log_likelihood,accuracy,seconds")?;
        for epoch in epochs {
            let valid = epoch.valid;
            let cell = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
            let (loss, llh) = (valid.map(|v| v.loss), valid.map(|v| v.log_likelihood));
            let accuracy = valid.and_then(|v| v.accuracy);
            let seconds = epoch.training_time.as_secs_f64();
            let (number, train) = (epoch.epoch, epoch.train);
            let (loss, llh, accuracy) = (cell(loss), cell(llh), cell(accuracy));
            writeln!(writer, "{number},{train},{loss},{llh},{accuracy},{seconds}")?;
        }
        Ok(())
    })
}

/// Draws the losses of the epochs.
pub(crate) fn draw_curve(title: &str, label: &str, epochs: &[Epoch]) -> Result<Image, Failure> {
    let train: Vec<f64> = epochs.iter().map(|epoch| epoch.train).collect();
    let valid: Vec<f64> =
        epochs.iter().filter_map(|epoch| epoch.valid.map(|valid| valid.loss)).collect();
    let mut series = vec![Series { name: "training", values: &train }];
    if !valid.is_empty() {
        series.push(Series { name: "validation", values: &valid });
    }
    Ok(curve::draw_curve(&Curve { title, label, series: &series })?)
}
