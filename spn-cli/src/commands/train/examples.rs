//! The rows of a training: those to train on and those to measure on.

use std::ops::Range;

use clap::Args;

use crate::Failure;
use crate::arguments::{DataArguments, row_range};
use crate::data::{self, Table};
use crate::model::LoadedModel;
use crate::precision::Real;
use crate::prepared::{Rows, read_labels, read_row_weights};
use crate::training::{Examples, Given};

/// Which rows to train on and to measure on.
#[derive(Args, Debug)]
pub(super) struct ExampleArguments {
    #[command(flatten)]
    data: DataArguments,
    /// The class of each row, from 0: a file of the same kinds as DATA.
    #[arg(long, value_name = "DATA")]
    labels: Option<String>,
    /// A weight for each row, at least 0, of the same kinds of file: what the row counts for. Losses
    /// are then weighted means; with weights of mean 1 the learning rate means what it does without.
    #[arg(long, value_name = "DATA")]
    row_weights: Option<String>,
    /// Rows to measure the quality on after each epoch; with --valid-rows alone, of DATA.
    #[arg(long, value_name = "DATA")]
    valid_data: Option<String>,
    /// Their classes; default --labels, if --valid-data is left out, too.
    #[arg(long, value_name = "DATA", requires = "valid_data")]
    valid_labels: Option<String>,
    /// Which rows to measure the quality on.
    #[arg(long, value_name = "A..B", value_parser = row_range)]
    valid_rows: Option<Range<usize>>,
}

impl ExampleArguments {
    /// What there is to train with.
    pub(super) fn given(&self) -> Given {
        let validation = self.valid_data.is_some() || self.valid_rows.is_some();
        Given { labels: self.labels.is_some(), validation }
    }

    /// The name of the data.
    pub(super) fn data(&self) -> &str {
        &self.data.data
    }

    /// Reads the values of the rows to train on.
    pub(super) fn table(&self) -> Result<Table, Failure> {
        Ok(data::read(&self.data.data, self.data.rows.clone())?)
    }

    /// The rows to train on, for a network with so many classes.
    pub(super) fn training<E: Real>(
        &self,
        table: Table,
        classes: usize,
    ) -> Result<Examples<E>, Failure> {
        let (count, columns, range) = (table.rows, table.columns, self.data.rows.as_ref());
        let labels = self.labels.as_ref();
        let labels = labels.map(|file| read_labels(file, range, count, classes)).transpose()?;
        let weights = self.row_weights.as_ref();
        let row_weights = weights.map(|file| read_row_weights(file, range, count)).transpose()?;
        let rows = Rows { values: E::from_table(table.values), columns };
        Ok(Examples { rows, labels, row_weights })
    }

    /// The validation rows, if any are asked for.
    pub(super) fn validation<E: Real>(
        &self,
        model: &LoadedModel,
        classes: usize,
    ) -> Result<Option<Examples<E>>, Failure> {
        let (file, labels) = match (&self.valid_data, &self.valid_rows) {
            (None, None) => return Ok(None),
            (Some(file), _) => (file, &self.valid_labels),
            (None, Some(_)) => (&self.data.data, &self.labels),
        };
        if labels.is_none() && self.labels.is_some() {
            return Err(Failure::misuse(
                "--valid-data needs --valid-labels, as there are --labels",
            ));
        }
        let rows = self.valid_rows.as_ref();
        let table = data::read(file, rows.cloned())?;
        model.check_columns(file, table.columns)?;
        let count = table.rows;
        let labels = labels.as_ref();
        let labels = labels.map(|file| read_labels(file, rows, count, classes)).transpose()?;
        let rows = Rows { values: E::from_table(table.values), columns: table.columns };
        Ok(Some(Examples { rows, labels, row_weights: None }))
    }
}
