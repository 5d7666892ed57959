//! A tile of samples of a scalar program: its codes, numbers and registers, in blocks of
//! [`BLOCK`] samples.
//!
//! Codes of observed rows lie in *planes*, one byte for each sample; the last plane is zero, for
//! lookups of fewer than four variables. A lookup finds the codes of the lanes of one register a
//! number's size apart, so everything else lies in the order of [`position`].

use spn_ir::plan::ScalarProgram;

use super::code::Code;
use super::source::{Cell, Source};
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// Samples of a block: a whole number of registers of codes of every instruction set.
pub(super) const BLOCK: usize = 64;

/// How many samples run through a program together.
pub(super) const TILE: usize = 2 * BLOCK;

/// Which rows a program's code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing is missing, states are whole numbers in range.
    Observed,
    /// Values may be missing.
    General,
    /// As observed, one row at a time.
    Row,
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

/// Buffers of one tile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tile<E> {
    pub(super) blocks: [Block<E>; TILE / BLOCK],
}

/// Buffers of one block: rows of one number or byte for each sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Block<E> {
    /// Codes of each variable, then zeros, in the order of samples.
    pub(super) planes: Vec<[u8; BLOCK]>,
    /// Codes of each variable by position, where numbers are read one by one.
    pub(super) codes: Vec<[u16; BLOCK]>,
    /// Numbers by position.
    pub(super) values: Vec<[E; BLOCK]>,
    /// Registers by position.
    pub(super) registers: Vec<[E; BLOCK]>,
    /// Log-likelihoods by position; NaN is not certified.
    pub(super) results: Vec<E>,
    /// The position of each sample.
    positions: Vec<usize>,
    /// What became of each sample.
    statuses: Vec<Status>,
    /// Codes sample by sample, `stride` for each.
    rows: Vec<u8>,
    /// Numbers sample by sample, `number_stride` for each.
    numbers: Vec<E>,
    /// The largest code of each variable.
    largest: Vec<u8>,
    stride: usize,
    number_stride: usize,
}

/// Where a sample's numbers are: lane `l` of register `q` has the sample with byte `l · size + q`.
fn position<I: Isa, E: Element>(sample: usize) -> usize {
    let (lanes, codes, size) = (LanesOf::<I, E>::N, LanesOf::<I, E>::CODES, size_of::<E>());
    let (block, byte) = (sample / codes, sample % codes);
    block * codes + byte % size * lanes + byte / size
}

impl<E: Element> Tile<E> {
    /// The log-likelihood of a sample, and what became of it.
    pub(super) fn result(&self, sample: usize) -> (Status, E) {
        let (block, sample) = (&self.blocks[sample / BLOCK], sample % BLOCK);
        (block.statuses[sample], block.results[block.positions[sample]])
    }
}

impl<E: Element> Block<E> {
    /// Makes the buffers fit.
    fn fit<I: Isa>(&mut self, program: &ScalarProgram, code: &Code<E>) {
        let states = program.states.len();
        self.planes.resize(states + 1, [0; BLOCK]);
        self.codes.resize(states, [0; BLOCK]);
        self.values.resize(program.values.len(), [E::ZERO; BLOCK]);
        self.registers.resize(code.register_count, [E::ZERO; BLOCK]);
        self.results.resize(BLOCK, E::ZERO);
        self.statuses.resize(BLOCK, Status::Computed);
        self.stride = states.next_multiple_of(EIGHT);
        self.rows.resize(self.stride * BLOCK, 0);
        self.number_stride = program.values.len().next_multiple_of(MAX_LANES);
        self.numbers.resize(self.number_stride * BLOCK, E::ZERO);
        if self.positions.is_empty() {
            self.positions.extend((0..BLOCK).map(position::<I, E>));
            self.largest.extend(program.states.iter().map(|state| (state.states - 1) as u8));
        }
    }

    /// Fills the inputs with the chosen rows.
    #[inline(always)]
    pub(super) fn load<I: Isa>(
        &mut self,
        isa: I,
        program: &ScalarProgram,
        code: &Code<E>,
        source: Source<'_>,
        rows: &[u32],
        form: Form,
    ) {
        self.fit::<I>(program, code);
        for (sample, &row) in rows.iter().enumerate() {
            let row = row as usize;
            self.statuses[sample] = match source {
                Source::Single(rows) => {
                    self.load_row(program, sample, rows.row(row), rows.mask(row), form)
                }
                Source::Double(rows) => {
                    self.load_row(program, sample, rows.row(row), rows.mask(row), form)
                }
                Source::States(rows) => self.load_row(program, sample, rows.row(row), None, form),
            };
        }
        if form == Form::Observed {
            self.transpose(rows.len());
            self.transpose_numbers(isa);
            if !code.gathers.is_empty() {
                self.spread();
            }
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
    ) -> Status {
        match form {
            Form::General => self.load_general(program, sample, row, mask),
            Form::Observed | Form::Row => {
                let masked = mask.is_some_and(|mask| mask.contains(&false));
                let fits = !masked && self.load_observed(program, sample, row);
                if fits {
                    return Status::Computed;
                }
                // It must not disturb its neighbours.
                let start = sample * self.stride;
                self.rows[start..start + self.stride].fill(0);
                Status::General
            }
        }
    }

    #[inline(always)]
    fn load_observed<C: Cell>(
        &mut self,
        program: &ScalarProgram,
        sample: usize,
        row: &[C],
    ) -> bool {
        let states = program.states.len();
        let codes = &mut self.rows[sample * self.stride..][..states];
        let mut fits = true;
        if states == row.len() {
            // Every variable is a state, in the order of the row.
            fits = C::encode(row, &self.largest[..states], codes);
        } else {
            for ((state, largest), code) in program.states.iter().zip(&self.largest).zip(codes) {
                let cell = [row[state.variable.0 as usize]];
                fits &= C::encode(&cell, &[*largest], std::slice::from_mut(code));
            }
        }
        let count = program.values.len();
        let numbers = &mut self.numbers[sample * self.number_stride..][..count];
        if count == row.len() {
            for (number, cell) in numbers.iter_mut().zip(row) {
                *number = cell.number();
            }
        } else {
            for (number, variable) in numbers.iter_mut().zip(&program.values) {
                *number = row[variable.0 as usize].number();
            }
        }
        // Zero times a number is zero, but not of NaN; infinite numbers go the same way. Many sums
        // at once, so that this becomes vector code; behind the last number there are zeros.
        let mut sums = [E::ZERO; MAX_LANES];
        let numbers = &self.numbers[sample * self.number_stride..][..self.number_stride];
        for numbers in numbers.chunks_exact(MAX_LANES) {
            for (sum, &number) in sums.iter_mut().zip(numbers) {
                *sum += number * E::ZERO;
            }
        }
        fits & !sums.iter().any(|sum| sum.is_nan())
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
        for (state, codes) in program.states.iter().zip(&mut self.codes) {
            let value = number(state.variable.0 as usize);
            let inside = value > -1.0 && value < f64::from(state.states);
            observed |= !value.is_nan();
            possible &= inside || value.is_nan();
            // Truncated towards zero, as leaves do.
            codes[position] = if inside { value as u16 } else { state.states as u16 };
        }
        for (variable, values) in program.values.iter().zip(&mut self.values) {
            let value = number(variable.0 as usize);
            observed |= !value.is_nan();
            values[position] = E::from_f64(value);
        }
        if observed && possible { Status::Computed } else { Status::Unusual }
    }

    /// Takes codes from rows to planes, eight rows of eight codes at a time.
    #[inline(always)]
    fn transpose(&mut self, samples: usize) {
        let stride = self.stride;
        for first in (0..samples).step_by(EIGHT) {
            let rows = &self.rows[first * stride..(first + EIGHT) * stride];
            for (group, planes) in self.planes.chunks_mut(EIGHT).enumerate() {
                let mut words = [0; EIGHT];
                for (index, word) in words.iter_mut().enumerate() {
                    let codes = rows[index * stride..].get(group * EIGHT..);
                    if let Some(codes) = codes.and_then(|codes| codes.first_chunk()) {
                        *word = u64::from_le_bytes(*codes);
                    }
                }
                for (plane, word) in planes.iter_mut().zip(transpose_bytes(words)) {
                    plane[first..first + EIGHT].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        if let Some(zeros) = self.planes.last_mut() {
            *zeros = [0; BLOCK];
        }
    }

    /// Takes numbers from rows to positions, a square of lanes at a time.
    #[inline(always)]
    fn transpose_numbers<I: Isa>(&mut self, isa: I) {
        let (lanes, size) = (LanesOf::<I, E>::N, size_of::<E>());
        let mut square = [LanesOf::<I, E>::splat(isa, E::ZERO); MAX_LANES];
        for position in (0..BLOCK).step_by(lanes) {
            // The sample at the first position; those of the next lanes follow a size apart.
            let (codes, first) = (LanesOf::<I, E>::CODES, position / lanes);
            let first = first / size * codes + first % size;
            for (group, values) in self.values.chunks_mut(lanes).enumerate() {
                for (lane, row) in square[..lanes].iter_mut().enumerate() {
                    let start = (first + lane * size) * self.number_stride + group * lanes;
                    *row = LanesOf::<I, E>::load(isa, &self.numbers[start..]);
                }
                transpose_lanes(&mut square);
                for (values, column) in values.iter_mut().zip(square) {
                    column.store(&mut values[position..]);
                }
            }
        }
    }

    /// Takes codes from planes to positions.
    fn spread(&mut self) {
        for (plane, codes) in self.planes.iter().zip(&mut self.codes) {
            for (&position, &code) in self.positions.iter().zip(plane) {
                codes[position] = u16::from(code);
            }
        }
    }
}

/// Rows and columns of bytes that are transposed together.
const EIGHT: usize = 8;

/// Transposes a matrix of bytes: byte `i` of word `j` becomes byte `j` of word `i`.
#[inline(always)]
fn transpose_bytes(mut words: [u64; EIGHT]) -> [u64; EIGHT] {
    // Off-diagonal quarters are exchanged, of the whole, then of quarters, then of theirs.
    for (distance, mask) in
        [(4, 0x0000_0000_FFFF_FFFF), (2, 0x0000_FFFF_0000_FFFF), (1, 0x00FF_00FF_00FF_00FF_u64)]
    {
        let shift = 8 * distance as u32;
        for first in (0..EIGHT).filter(|index| index & distance == 0) {
            let (a, b) = (words[first], words[first + distance]);
            words[first] = a & mask | (b & mask) << shift;
            words[first + distance] = a >> shift & mask | b & (mask << shift);
        }
    }
    words
}

/// Transposes a square of lanes: each round interleaves the halves of the rows.
#[inline(always)]
fn transpose_lanes<L: Lanes>(square: &mut [L; MAX_LANES]) {
    let mut round = 1;
    while round < L::N {
        let rows = *square;
        for index in 0..L::N / 2 {
            let (even, odd) = rows[index].interleave(rows[index + L::N / 2]);
            square[2 * index] = even;
            square[2 * index + 1] = odd;
        }
        round *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_change_rows_and_columns() {
        let rows: [[u8; 8]; 8] =
            std::array::from_fn(|row| std::array::from_fn(|column| (row * 8 + column) as u8));
        let columns = transpose_bytes(rows.map(u64::from_le_bytes)).map(u64::to_le_bytes);
        for (row, bytes) in rows.iter().enumerate() {
            for (column, byte) in bytes.iter().enumerate() {
                assert_eq!(columns[column][row], *byte);
            }
        }
    }
}
