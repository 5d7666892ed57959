//! Evidence that may be left out: without it, queries are about the network alone.
//!
//! In: the arguments of a command. Out: a [`Prepared`] question, of one row with nothing observed where no
//! data are given.

use std::ops::Range;

use clap::Args;
use spn_compiler::Options;

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments, row_range};
use crate::data::Table;
use crate::model::{LoadOptions, LoadedModel};
use crate::prepared::Prepared;
use crate::{Failure, Session};

/// Rows of evidence, or none.
#[derive(Args, Clone, Debug)]
pub(crate) struct EvidenceArguments {
    /// The evidence: .npy, FILE.npz:KEY, CSV or IDX, also .gz. Empty cells, NaN and ? are missing values,
    /// which are what is asked for. Without it nothing is observed.
    #[arg(long, value_name = "E")]
    pub(crate) data: Option<String>,
    /// Which rows, from 0 and without the end: A..B.
    #[arg(long, value_name = "A..B", value_parser = row_range, requires = "data")]
    pub(crate) rows: Option<Range<usize>>,
}

impl EvidenceArguments {
    /// Reads and compiles the model and reads the evidence.
    pub(crate) fn prepare(
        &self,
        model: &ModelArguments,
        precision: PrecisionArguments,
        session: &Session,
    ) -> Result<Prepared, Failure> {
        if let Some(data) = &self.data {
            let data = DataArguments { data: data.clone(), rows: self.rows.clone() };
            return Prepared::new(model, &data, precision, session);
        }
        let options = LoadOptions { seed: session.seed, ..LoadOptions::default() };
        let loaded = LoadedModel::read(&model.model, options)?;
        let options = Options { allow_invalid: model.allow_invalid, ..Options::default() };
        let plan = loaded.plan(None, &options)?;
        let columns = plan.variables as usize;
        let shape = loaded.row_shape();
        let shape = match shape.iter().product::<usize>() == columns {
            true => shape,
            false => vec![columns],
        };
        let table = Table { rows: 1, columns, shape, values: vec![f32::NAN; columns] };
        let precision = precision.precision.unwrap_or(loaded.precision);
        Ok(Prepared { model: loaded, plan, table, precision })
    }
}
