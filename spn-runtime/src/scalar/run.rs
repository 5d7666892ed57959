//! Batches through a scalar program, and again through what is slower where a result is not
//! certified: observed rows, general rows, both in double precision, then the steps of the plan.

use std::sync::PoisonError;

use rayon::prelude::*;
use spn_ir::plan::ScalarProgram;

use super::source::Source;
use super::tile::{Form, Status, TILE, Tile};
use super::{Code, Scalar, program};
use crate::executable::{Number, tile_rows, tile_width};
use crate::kernels::dropout::Dropping;
use crate::simd::Real;
use crate::workspace::{Purpose, Workspace};
use crate::{Executable, Rows, Statistics};

/// Rows that one thread takes at a time.
const CHUNK: usize = 512;

/// Buffers of one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers<E> {
    own: Tile<E>,
    double: Tile<f64>,
    /// All rows of a chunk, by number.
    rows: Vec<u32>,
    /// Rows of the first stage that are not observed.
    general: Vec<u32>,
    /// Rows that are not certified, observed ones and others.
    observed_again: Vec<u32>,
    general_again: Vec<u32>,
    /// Rows for the steps.
    steps: Vec<u32>,
    /// Their values.
    copies: Vec<E>,
}

impl<E: Number> Executable<E> {
    /// Log-likelihoods by the scalar program; `None` if there is none.
    pub(crate) fn scalar_log_likelihood(&self, source: Source<'_>, out: &mut [E]) -> Option<()> {
        let plan = self.plan();
        let program = program(plan, Form::Observed)?;
        if let [out] = out
            && let Some(result) = self.scalar_row(source)
        {
            *out = result;
            return Some(());
        }
        let run = |chunk: usize, out: &mut [E]| {
            let job = Job { executable: self, scalar: self.scalar(), program, source };
            let first = chunk * CHUNK;
            self.with_workspace(|workspace| job.run(first, workspace, out));
        };
        if out.len() <= CHUNK {
            run(0, out);
        } else {
            self.install(|| {
                out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| run(chunk, out));
            });
        }
        Some(())
    }
}

impl<E: Number> Executable<E> {
    /// The log-likelihood of a single row, if it is certified.
    fn scalar_row(&self, source: Source<'_>) -> Option<E> {
        let scalar = self.scalar();
        let program = program(self.plan(), Form::Row)?;
        let code = scalar.own.get(Form::Row, self.plan(), self.quantities())?;
        let free = scalar.rows.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffers = free.unwrap_or_default();
        let result = E::scalar_row(self.level(), (program, code), source, &mut buffers);
        scalar.rows.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        Some(result).filter(|result| !Real::is_nan(*result))
    }
}

/// A batch on its way.
struct Job<'a, E> {
    executable: &'a Executable<E>,
    scalar: &'a Scalar<E>,
    program: &'a ScalarProgram,
    source: Source<'a>,
}

/// Where rows go that a stage does not finish.
struct Left<'a> {
    /// Those that need the general form.
    general: &'a mut Vec<u32>,
    /// Those without a certificate.
    uncertain: &'a mut Vec<u32>,
    /// Those that only the steps know.
    unusual: &'a mut Vec<u32>,
}

impl<E: Number> Job<'_, E> {
    /// Computes the rows from `first` on, one for each value of `out`.
    fn run(&self, first: usize, workspace: &mut Workspace<E>, out: &mut [E]) {
        let mut buffers = std::mem::take(&mut workspace.scalar);
        let Buffers { own, double, rows, general, observed_again, general_again, steps, copies } =
            &mut buffers;
        rows.clear();
        rows.extend(first as u32..(first + out.len()) as u32);
        let code = |form| self.scalar.own.get(form, self.executable.plan(), self.quantities());
        let mut left = Left { general, uncertain: observed_again, unusual: steps };
        self.stage(code(Form::Observed), Form::Observed, rows, own, (first, out), &mut left);
        if !general.is_empty() {
            let rows = std::mem::take(general);
            let mut left = Left { general, uncertain: general_again, unusual: steps };
            self.stage(code(Form::General), Form::General, &rows, own, (first, out), &mut left);
            *general = rows;
        }
        if !observed_again.is_empty() || !general_again.is_empty() {
            self.run_double(double, (observed_again, general_again), steps, (first, out));
        }
        if !steps.is_empty() {
            self.scalar.count(0, steps.len());
            self.run_steps(steps, copies, workspace, (first, out));
        }
        general.clear();
        steps.clear();
        workspace.scalar = buffers;
    }

    fn quantities(&self) -> &[Vec<E>] {
        self.executable.quantities()
    }

    /// Runs rows again in double precision; those that stay uncertain are left for the steps.
    fn run_double(
        &self,
        tile: &mut Tile<f64>,
        (observed, general): (&mut Vec<u32>, &mut Vec<u32>),
        steps: &mut Vec<u32>,
        (first, out): (usize, &mut [E]),
    ) {
        if size_of::<E>() == size_of::<f64>() {
            steps.append(observed);
            steps.append(general);
            return;
        }
        self.scalar.count(observed.len() + general.len(), 0);
        let code = |form| self.scalar.double.get(form, self.executable.plan(), self.quantities());
        let mut again = Vec::new();
        if !observed.is_empty() {
            let mut left = Left { general, uncertain: steps, unusual: &mut again };
            self.stage(
                code(Form::Observed),
                Form::Observed,
                observed,
                tile,
                (first, out),
                &mut left,
            );
            observed.clear();
        }
        if !general.is_empty() {
            let mut left = Left { general: &mut again, uncertain: steps, unusual: &mut Vec::new() };
            self.stage(code(Form::General), Form::General, general, tile, (first, out), &mut left);
            general.clear();
        }
        steps.append(&mut again);
    }

    /// Runs rows by one code.
    fn stage<T: Number>(
        &self,
        code: Option<&Code<T>>,
        form: Form,
        rows: &[u32],
        tile: &mut Tile<T>,
        (first, out): (usize, &mut [E]),
        left: &mut Left<'_>,
    ) {
        let Some(code) = code else {
            left.uncertain.extend_from_slice(rows);
            return;
        };
        for rows in rows.chunks(TILE) {
            let source = (self.source, rows);
            T::scalar(self.executable.level(), (self.program, code), source, form, tile);
            for (sample, &row) in rows.iter().enumerate() {
                match tile.result(sample) {
                    (Status::General, _) => left.general.push(row),
                    (Status::Unusual, _) => left.unusual.push(row),
                    (Status::Computed, result) if Real::is_nan(result) => left.uncertain.push(row),
                    (Status::Computed, result) => {
                        out[row as usize - first] = E::from_f64(Real::to_f64(result));
                    }
                }
            }
        }
    }

    /// Runs rows by the steps of the plan.
    fn run_steps(
        &self,
        rows: &[u32],
        copies: &mut Vec<E>,
        workspace: &mut Workspace<E>,
        (first, out): (usize, &mut [E]),
    ) {
        copies.clear();
        rows.iter().for_each(|row| self.source.append(*row as usize, copies));
        let columns = self.executable.plan().variables as usize;
        // The copies are whole rows, so this is no error.
        let Ok(batch) = Rows::new(copies, columns) else { return };
        let engine =
            self.executable.engine(Purpose::Inference, Statistics::Observed, Dropping::Off);
        let width = tile_width(batch.len());
        for (index, rows) in rows.chunks(width).enumerate() {
            let part = tile_rows(batch, width, index);
            E::forward(&engine, self.executable.level(), part, workspace);
            for (row, total) in rows.iter().zip(&workspace.total) {
                out[*row as usize - first] = *total;
            }
        }
    }
}
