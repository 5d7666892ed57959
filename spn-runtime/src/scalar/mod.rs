//! Log-likelihoods of scalar circuits: a plan's [`ScalarProgram`] in linear arithmetic.
//!
//! In: the program, quantities and rows. Out: log-likelihoods, each either *certified* or computed
//! again. How numbers stay in range:
//!
//! * Every register holds its node's value times a power of two that was chosen, when parameters
//!   last changed, from an upper bound of the value: nothing can overflow.
//! * What can be lost is a number below the smallest normal one, flushed to zero. A bound of what
//!   this can change at the root is computed beforehand ([`bounds`]). A row whose result is not
//!   far above that bound is computed again in double precision, then in log space by the steps
//!   of the plan. So is everything unusual: states out of range, rows without any evidence.
//! * Rows with missing values run a second form of the program, with larger tables.
//!
//! What happens to a row depends on that row alone, not on its neighbours.

mod bounds;
mod code;
mod kernel;
mod row;
mod run;
mod source;
mod table;
mod tile;

use std::sync::{Mutex, OnceLock};

use spn_ir::plan::{Plan, ScalarProgram};

use crate::simd::Element;

pub(crate) use code::Code;
pub(crate) use kernel::tile as evaluate_tile;
pub(crate) use row::{Buffers as RowBuffers, row as evaluate_row};
pub(crate) use run::Buffers;
pub(crate) use source::Source;
pub(crate) use tile::{Form, Tile};

/// The forms of a scalar program for the current parameters, each computed when it is first used.
/// A form is `None` if its numbers have no bounds.
#[derive(Debug)]
pub(crate) struct Scalar<E> {
    own: Forms<E>,
    double: Forms<f64>,
    /// Buffers for single rows that no call uses now.
    #[expect(clippy::vec_box, reason = "taken out and put back for every row: a pointer is quick")]
    rows: Mutex<Vec<Box<RowBuffers<E>>>>,
}

/// The two forms of the program.
#[derive(Debug)]
struct Forms<E> {
    observed: OnceLock<Option<Code<E>>>,
    general: OnceLock<Option<Code<E>>>,
    row: OnceLock<Option<Code<E>>>,
}

impl<E> Default for Forms<E> {
    fn default() -> Self {
        Self { observed: OnceLock::new(), general: OnceLock::new(), row: OnceLock::new() }
    }
}

/// The program for a form.
fn program(plan: &Plan, form: Form) -> Option<&ScalarProgram> {
    let row = plan.scalar_row.as_ref().filter(|_| form == Form::Row);
    row.or(plan.scalar.as_ref()).filter(|_| plan.normalisation.is_none())
}

impl<E: Element> Forms<E> {
    fn get<Q: Element>(&self, form: Form, plan: &Plan, quantities: &[Vec<Q>]) -> Option<&Code<E>> {
        let program = program(plan, form)?;
        let cell = match form {
            Form::Observed => &self.observed,
            Form::General => &self.general,
            Form::Row => &self.row,
        };
        cell.get_or_init(|| code::build(program, quantities, form)).as_ref()
    }
}

impl<E: Element> Scalar<E> {
    pub(crate) fn new() -> Self {
        Self { own: Forms::default(), double: Forms::default(), rows: Mutex::new(Vec::new()) }
    }

    /// Parameters changed: everything is computed again when it is used again.
    pub(crate) fn forget(&mut self) {
        self.own = Forms::default();
        self.double = Forms::default();
    }
}
