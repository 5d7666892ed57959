//! A model and the rows it is asked about, checked against each other.
//!
//! In: the arguments of a command. Out: a [`Prepared`] question: the plan is compiled, the columns
//! fit, labels are classes of the network.

use std::ops::Range;

use spn_compiler::Options;
use spn_ir::plan::Plan;
use spn_runtime::Executable;

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments};
use crate::data::{self, Table};
use crate::model::{LoadOptions, LoadedModel};
use crate::precision::{Precision, Real};
use crate::{Failure, Session};

/// A model and rows that fit each other.
pub(crate) struct Prepared {
    pub(crate) model: LoadedModel,
    pub(crate) plan: Plan,
    pub(crate) table: Table,
    pub(crate) precision: Precision,
}

impl Prepared {
    /// Reads and compiles the model and reads the data.
    pub(crate) fn new(
        model: &ModelArguments,
        data: &DataArguments,
        precision: PrecisionArguments,
        session: &Session,
    ) -> Result<Self, Failure> {
        let options = LoadOptions { seed: session.seed, ..LoadOptions::default() };
        let loaded = LoadedModel::read(&model.model, options)?;
        let table = data::read(&data.data, data.rows.clone())?;
        loaded.check_columns(&data.data, table.columns)?;
        let options = Options { allow_invalid: model.allow_invalid, ..Options::default() };
        let plan = loaded.plan(Some(table.columns), &options)?;
        let precision = precision.precision.unwrap_or(loaded.precision);
        Ok(Self { model: loaded, plan, table, precision })
    }

    /// The executable and the values of the rows in one precision.
    pub(crate) fn into_parts<E: Real>(
        self,
        session: &Session,
    ) -> Result<(Executable<E>, Rows<E>), Failure> {
        let executable = session.executable(self.plan)?;
        let columns = self.table.columns;
        Ok((executable, Rows { values: E::from_table(self.table.values), columns }))
    }
}

/// Owned rows.
#[derive(Clone, Debug)]
pub(crate) struct Rows<E> {
    pub(crate) values: Vec<E>,
    pub(crate) columns: usize,
}

impl<E: Real> Rows<E> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// The rows as the runtime borrows them.
    pub(crate) fn borrow(&self) -> Result<spn_runtime::Rows<'_, E>, Failure> {
        Ok(spn_runtime::Rows::new(&self.values, self.columns)?)
    }
}

/// Reads a weight for each of `count` rows.
pub(crate) fn read_row_weights<E: Real>(
    file: &str,
    rows: Option<&Range<usize>>,
    count: usize,
) -> Result<Vec<E>, Failure> {
    let Table { rows: found, columns, values, .. } = data::read(file, rows.cloned())?;
    if (found, columns) != (count, 1) {
        return Err(Failure::misuse(format!(
            "{file} has {found} rows of {columns} values, but there are {count} rows of data; give \
             one weight for each of them"
        )));
    }
    if let Some(at) = values.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        let row = rows.map_or(0, |rows| rows.start) + at;
        return Err(Failure::misuse(format!(
            "{file}, row {row} (counted from 0): the weight is {}; weights are finite and not \
             negative",
            values[at]
        )));
    }
    Ok(E::from_table(values))
}

/// Reads the labels of `count` rows and checks that they are classes of the network.
pub(crate) fn read_labels(
    file: &str,
    rows: Option<&Range<usize>>,
    count: usize,
    classes: usize,
) -> Result<Vec<u32>, Failure> {
    let labels = data::read_labels(file, rows.cloned())?;
    let found = labels.len();
    if found != count {
        return Err(Failure::misuse(format!(
            "{file} has {found} labels, but there are {count} rows; give one label for each row"
        )));
    }
    let Some(at) = labels.iter().position(|label| *label as usize >= classes) else {
        return Ok(labels);
    };
    let row = rows.map_or(0, |rows| rows.start) + at;
    let label = labels[at];
    let mend = if classes == 1 {
        "its root does not tell classes apart: put a DenseSum with one sum for each class below \
         the RootSum"
            .to_owned()
    } else {
        format!("labels run from 0 to {}", classes - 1)
    };
    Err(Failure::misuse(format!(
        "{file}, row {row} (counted from 0): the label is {label}, but the network has {classes} \
         class{}; {mend}",
        if classes == 1 { "" } else { "es" }
    )))
}
