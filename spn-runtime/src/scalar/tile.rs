//! A tile of samples of a scalar program: its codes, numbers and registers.
//!
//! Codes of observed rows lie in *planes* of one byte for each sample: for every variable one with
//! its codes, and three more with the codes moved up by 1, 2 and 3 bits, so that the index of a
//! lookup is the bits of four planes; the last plane is zero. A lookup finds the codes of the lanes
//! of one register a number's size apart, so everything else lies in the order of [`position`].

use spn_ir::plan::{ScalarProgram, StateVariable};

use super::code::Code;
use super::source::{Cell, Source};
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// How many samples run through a program together.
pub(super) const TILE: usize = 128;

/// Planes of each variable.
const SHIFTS: usize = 4;

/// Which rows a program's code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing is missing, states are whole numbers in range.
    Observed,
    /// Values may be missing.
    General,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// Its result is there, NaN if it is not certified.
    #[default]
    Computed,
    /// The general form has to be used.
    General,
    /// Only the steps can say: a state is out of range, or nothing is observed.
    Unusual,
}

/// The index of the plane with the codes of a variable, moved up by so many bits; or of zeros.
pub(super) fn plane(variables: usize, code: Option<(u32, u32)>) -> u32 {
    let index = match code {
        Some((variable, shift)) => shift as usize * variables + variable as usize,
        None => SHIFTS * variables,
    };
    index as u32
}

/// Buffers of one tile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tile<E> {
    /// One byte for each sample, in the order of samples.
    pub(super) planes: Vec<u8>,
    /// Codes of variables, in the order of positions.
    pub(super) codes: Vec<u16>,
    /// Numbers, in the order of positions.
    pub(super) values: Vec<E>,
    /// Registers, in the order of positions.
    pub(super) registers: Vec<E>,
    /// Log-likelihoods in the order of positions; NaN is not certified.
    pub(super) results: Vec<E>,
    /// The position of each sample.
    positions: Vec<usize>,
    /// What became of each sample.
    statuses: Vec<Status>,
    /// The codes of one row.
    row: Vec<u8>,
}

/// Where a sample's numbers are: lane `l` of register `q` has the sample with byte `l · size + q`.
fn position<I: Isa, E: Element>(sample: usize) -> usize {
    let (lanes, codes, size) = (LanesOf::<I, E>::N, LanesOf::<I, E>::CODES, size_of::<E>());
    let (block, byte) = (sample / codes, sample % codes);
    block * codes + byte % size * lanes + byte / size
}

impl<E: Element> Tile<E> {
    /// The log-likelihood of a sample, or what became of it.
    pub(super) fn result(&self, sample: usize) -> (Status, E) {
        (self.statuses[sample], self.results[self.positions[sample]])
    }

    /// Makes the buffers fit.
    fn fit<I: Isa>(&mut self, program: &ScalarProgram, code: &Code<E>) {
        let states = program.states.len();
        self.planes.resize((states * SHIFTS + 1) * TILE, 0);
        self.codes.resize(states * TILE, 0);
        self.values.resize(program.values.len() * TILE, E::ZERO);
        self.registers.resize(code.register_count * TILE, E::ZERO);
        self.results.resize(TILE, E::ZERO);
        self.statuses.resize(TILE, Status::Computed);
        self.row.resize(states, 0);
        self.positions.clear();
        self.positions.extend((0..TILE).map(position::<I, E>));
    }

    /// Fills the inputs with the chosen rows.
    #[inline(always)]
    pub(super) fn load<I: Isa>(
        &mut self,
        program: &ScalarProgram,
        code: &Code<E>,
        source: Source<'_>,
        rows: &[u32],
        form: Form,
    ) {
        self.fit::<I>(program, code);
        for (sample, &row) in rows.iter().enumerate() {
            let row = row as usize;
            match source {
                Source::Single(rows) => {
                    self.load_row(program, sample, rows.row(row), rows.mask(row), form);
                }
                Source::Double(rows) => {
                    self.load_row(program, sample, rows.row(row), rows.mask(row), form);
                }
                Source::States(rows) => self.load_row(program, sample, rows.row(row), None, form),
            }
        }
        if form == Form::Observed {
            self.shift_planes::<I>(program, code, rows.len());
        }
    }

    #[inline(always)]
    fn load_row<C: Cell>(
        &mut self,
        program: &ScalarProgram,
        sample: usize,
        row: &[C],
        mask: Option<&[bool]>,
        form: Form,
    ) {
        self.statuses[sample] = match form {
            Form::General => self.load_general(program, sample, row, mask),
            Form::Observed if mask.is_some_and(|mask| mask.contains(&false)) => Status::General,
            Form::Observed => self.load_observed(program, sample, row),
        };
        if form == Form::Observed {
            // A row that is not for this form must not disturb its neighbours' bits.
            let computed = self.statuses[sample] == Status::Computed;
            for (variable, &code) in self.row.iter().enumerate() {
                self.planes[variable * TILE + sample] = if computed { code } else { 0 };
            }
        }
    }

    #[inline(always)]
    fn load_observed<C: Cell>(
        &mut self,
        program: &ScalarProgram,
        sample: usize,
        row: &[C],
    ) -> Status {
        let mut fits = true;
        if program.states.len() == row.len() {
            // Every variable is a state: in the order of the row.
            for ((state, cell), to) in program.states.iter().zip(row).zip(&mut self.row) {
                fits &= encode(state, *cell, to);
            }
        } else {
            for (state, to) in program.states.iter().zip(&mut self.row) {
                fits &= encode(state, row[state.variable.index()], to);
            }
        }
        let position = self.positions[sample];
        for (index, variable) in program.values.iter().enumerate() {
            let number: E = row[variable.index()].number();
            fits &= !number.is_nan();
            self.values[index * TILE + position] = number;
        }
        if fits { Status::Computed } else { Status::General }
    }

    fn load_general<C: Cell>(
        &mut self,
        program: &ScalarProgram,
        sample: usize,
        row: &[C],
        mask: Option<&[bool]>,
    ) -> Status {
        let position = self.positions[sample];
        let number = |variable: usize| -> f64 {
            let observed = mask.is_none_or(|mask| mask[variable]);
            if observed { row[variable].number() } else { f64::NAN }
        };
        let (mut observed, mut possible) = (false, true);
        for (index, state) in program.states.iter().enumerate() {
            let value = number(state.variable.index());
            let inside = value > -1.0 && value < f64::from(state.states);
            observed |= !value.is_nan();
            possible &= inside || value.is_nan();
            // Truncated towards zero, as leaves do.
            let code = if inside { value as u16 } else { state.states as u16 };
            self.codes[index * TILE + position] = code;
        }
        for (index, variable) in program.values.iter().enumerate() {
            let value = number(variable.index());
            observed |= !value.is_nan();
            self.values[index * TILE + position] = E::from_f64(value);
        }
        if observed && possible { Status::Computed } else { Status::Unusual }
    }

    /// Fills the planes of moved codes, and codes by position where the program reads them so.
    #[inline(always)]
    fn shift_planes<I: Isa>(&mut self, program: &ScalarProgram, code: &Code<E>, samples: usize) {
        let states = program.states.len();
        if !code.gathers.is_empty() {
            for (plane, codes) in
                self.planes.chunks_exact(TILE).zip(self.codes.chunks_exact_mut(TILE)).take(states)
            {
                for (sample, &position) in self.positions[..samples].iter().enumerate() {
                    codes[position] = u16::from(plane[sample]);
                }
            }
        }
        let (codes, moved) = self.planes.split_at_mut(states * TILE);
        for (shift, moved) in moved.chunks_exact_mut((states * TILE).max(1)).take(3).enumerate() {
            for (to, &code) in moved.iter_mut().zip(&*codes) {
                *to = code << (shift + 1);
            }
        }
    }
}

/// Encodes one state; says whether it is one that the program knows.
#[inline(always)]
fn encode<C: Cell>(state: &StateVariable, cell: C, to: &mut u8) -> bool {
    let (code, exact) = cell.code();
    *to = code;
    exact && u32::from(code) < state.states
}
