//! One row at a time: what a batch does for each sample is done on the lanes for many tables,
//! densities and exponentials of one row; the rest is scalar arithmetic in the order of the
//! operations.
//!
//! In: the code of observed rows and a row. Out: its log-likelihood, NaN if that is not certified
//! or the row is not observed. The order of additions is not that of a batch, so the last bits may
//! differ.

use std::f64::consts::LN_2;

use spn_ir::plan::ScalarProgram;

use super::code::{Code, Operation, Rest, Span, Term};
use super::source::{Cell, Source};
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// Indices of tables are computed for so many at a time.
const GROUP: usize = 64;

/// The most bytes of [`RowCode::bits`].
const MOST_BITS: usize = 1 << 20;

/// What a code needs besides for single rows.
#[derive(Clone, Debug, Default)]
pub(super) struct RowCode<E> {
    /// For each variable and state the bits of it in the index of each table.
    bits: Vec<u8>,
    /// For each variable the number of its first state in `bits`, and its largest state.
    first: Vec<u32>,
    largest: Vec<u8>,
    /// Bytes of a state: the tables, filled up to whole groups.
    stride: usize,
    /// Where the numbers of each table begin.
    starts: Vec<u32>,
    /// The terms of each operation.
    parts: Vec<Part<E>>,
    operations: Vec<Span>,
    /// Normals of all exponentials.
    locations: Vec<E>,
    inverses: Vec<E>,
    values: Vec<u32>,
    /// The normals of each exponential and the constant, in the order of their terms.
    normals: Vec<Span>,
    constants: Vec<E>,
    /// Whether each exponential's normals read neighbouring numbers.
    neighbours: Vec<bool>,
}

/// A part of a product: two registers and two entries of tables, always, so that there is nothing to
/// decide. Where there are fewer, 1 takes their place.
#[derive(Clone, Copy, Debug)]
struct Part<E> {
    registers: [u32; 2],
    factors: [u32; 2],
    last: Last<E>,
}

/// What follows a part of a product.
#[derive(Clone, Copy, Debug)]
enum Last<E> {
    /// More of the product.
    More,
    /// Nothing: the product goes to the sum.
    Nothing,
    /// A weight.
    Weight(E),
    /// An exponential, by its index.
    Exponential(u32),
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(crate) struct Buffers<E> {
    codes: Vec<u8>,
    indices: Vec<u8>,
    /// The chosen entry of each table.
    factors: Vec<E>,
    numbers: Vec<E>,
    /// The numbers that one exponential reads.
    chosen: Vec<E>,
    exponentials: Vec<E>,
    registers: Vec<E>,
}

impl<E: Element> RowCode<E> {
    /// What single rows need; nothing if the program has other factors than tables and normals, or
    /// too many tables.
    pub(super) fn new(program: &ScalarProgram, code: &Code<E>) -> Option<Self> {
        let stride = code.gathers.len().next_multiple_of(GROUP);
        let states: usize = program.states.iter().map(|state| state.states as usize).sum();
        if !code.cauchies.is_empty() || !code.laplaces.is_empty() || states * stride > MOST_BITS {
            return None;
        }
        let mut row = Self { stride, bits: vec![0; states * stride], ..Self::default() };
        let mut first = 0;
        for state in &program.states {
            row.first.push(first);
            row.largest.push((state.states - 1) as u8);
            first += state.states;
        }
        for (table, gather) in code.gathers.iter().enumerate() {
            for &(variable, unit) in &gather.digits[..gather.count] {
                for code in 0..program.states[variable as usize].states {
                    let at = (row.first[variable as usize] + code) as usize * stride + table;
                    row.bits[at] |= (code * unit) as u8;
                }
            }
        }
        row.starts = code.gathers.iter().map(|gather| gather.entries.start()).collect();
        for operation in &code.operations {
            let start = row.parts.len();
            for term in operation.terms.of(&code.terms) {
                row.add_term(code, term);
            }
            row.operations.push(Span::since(start, &row.parts));
        }
        for mixed in &code.mixed {
            let normals = mixed.normals.of(&code.normals);
            let start = row.values.len();
            row.constants.push(mixed.constant);
            row.locations.extend(normals.iter().map(|leaf| leaf.location));
            row.inverses.extend(normals.iter().map(|leaf| leaf.inverse));
            row.values.extend(normals.iter().map(|leaf| leaf.value));
            let pairs = normals.windows(2);
            row.neighbours.push(pairs.into_iter().all(|w| w[0].value + 1 == w[1].value));
            // Whole registers: what is behind the last normal is multiplied by 0.
            let end = row.values.len().next_multiple_of(MAX_LANES);
            row.locations.resize(end, E::ZERO);
            row.inverses.resize(end, E::ZERO);
            row.values.resize(end, 0);
            row.normals.push(Span::since(start, &row.values));
        }
        Some(row)
    }

    /// Adds a term in parts, all registers before the first table: the order of the bounds.
    fn add_term(&mut self, code: &Code<E>, term: &Term<E>) {
        let ones = (code.register_count as u32, code.gathers.len() as u32);
        let (mut factors, mut last) = (0..0, Last::Nothing);
        match term.rest {
            Rest::Nothing => {}
            Rest::Weight(weight) => last = Last::Weight(weight),
            Rest::Mixed(index) => {
                let mixed = &code.mixed[index as usize];
                factors = mixed.gathers.range();
                if mixed.exponential {
                    last = Last::Exponential(index);
                } else if mixed.constant != E::ONE {
                    last = Last::Weight(mixed.constant);
                }
            }
        }
        let mut registers = term.registers.of(&code.registers).iter().copied();
        loop {
            let pair = [registers.next(), registers.next()].map(|one| one.unwrap_or(ones.0));
            let mut own = [ones.1; 2];
            if registers.len() == 0 {
                own = [factors.next(), factors.next()].map(|one| one.unwrap_or(ones.1));
            }
            let done = registers.len() == 0 && factors.is_empty();
            let last = if done { last } else { Last::More };
            self.parts.push(Part { registers: pair, factors: own, last });
            if done {
                return;
            }
        }
    }
}

/// The log-likelihood of the first row.
#[inline(always)]
pub(crate) fn row<I: Isa, E: Element>(
    isa: I,
    (program, code): (&ScalarProgram, &Code<E>),
    source: Source<'_>,
    buffers: &mut Buffers<E>,
) -> E {
    let Some(extra) = &code.row else { return E::NAN };
    let loaded = match source {
        Source::Single(rows) => load(program, extra, rows.row(0), rows.mask(0), buffers),
        Source::Double(rows) => load(program, extra, rows.row(0), rows.mask(0), buffers),
        Source::States(rows) => load(program, extra, rows.row(0), None, buffers),
    };
    if !loaded {
        return E::NAN;
    }
    indices::<I, E>(isa, extra, buffers);
    // All entries first: none of these loads waits for another one.
    buffers.factors.resize(extra.starts.len() + 1, E::ONE);
    let places = extra.starts.iter().zip(&buffers.indices);
    for (factor, (&start, &index)) in buffers.factors.iter_mut().zip(places) {
        *factor = code.gather_tables[start as usize + index as usize];
    }
    exponentials(isa, extra, buffers);
    buffers.registers.resize(code.register_count + 1, E::ONE);
    for (operation, parts) in code.operations.iter().zip(&extra.operations) {
        run(code, operation, parts.of(&extra.parts), buffers);
    }
    logarithm(isa, code, buffers.registers[code.root as usize])
}

/// Takes in a row; says whether it is observed.
#[inline(always)]
fn load<C: Cell, E: Element>(
    program: &ScalarProgram,
    extra: &RowCode<E>,
    row: &[C],
    mask: Option<&[bool]>,
    buffers: &mut Buffers<E>,
) -> bool {
    if mask.is_some_and(|mask| mask.contains(&false)) {
        return false;
    }
    buffers.codes.resize(program.states.len(), 0);
    let mut fits = true;
    if program.states.len() == row.len() {
        fits = C::encode(row, &extra.largest, &mut buffers.codes);
    } else {
        let codes = buffers.codes.iter_mut().zip(&extra.largest).zip(&program.states);
        for ((code, &largest), state) in codes {
            let cell = [row[state.variable.0 as usize]];
            fits &= C::encode(&cell, &[largest], std::slice::from_mut(code));
        }
    }
    buffers.numbers.clear();
    for variable in &program.values {
        let number: E = row[variable.0 as usize].number();
        fits &= !number.is_nan();
        buffers.numbers.push(number);
    }
    // Whole registers may be read from any number on.
    buffers.numbers.resize(program.values.len() + MAX_LANES, E::ZERO);
    fits
}

/// The index into every table.
#[inline(always)]
fn indices<I: Isa, E: Element>(isa: I, extra: &RowCode<E>, buffers: &mut Buffers<E>) {
    let count = LanesOf::<I, E>::CODES;
    buffers.indices.resize(extra.stride, 0);
    for (group, indices) in buffers.indices.chunks_exact_mut(count).enumerate() {
        let mut merged = LanesOf::<I, E>::load_codes(isa, &[0; GROUP]);
        for (&code, &first) in buffers.codes.iter().zip(&extra.first) {
            let start = (first as usize + code as usize) * extra.stride + group * count;
            let bits = LanesOf::<I, E>::load_codes(isa, &extra.bits[start..]);
            merged = LanesOf::<I, E>::merge_codes(merged, bits);
        }
        LanesOf::<I, E>::store_codes(merged, indices);
    }
}

/// All exponentials, first their exponents one by one.
#[inline(always)]
fn exponentials<I: Isa, E: Element>(isa: I, extra: &RowCode<E>, buffers: &mut Buffers<E>) {
    if extra.values.is_empty() {
        return;
    }
    let lanes = LanesOf::<I, E>::N;
    let Buffers { numbers, chosen, exponentials, .. } = buffers;
    exponentials.resize(extra.normals.len().next_multiple_of(MAX_LANES), E::ZERO);
    for (index, &span) in extra.normals.iter().enumerate() {
        let values = span.of(&extra.values);
        let x = match values.first() {
            None => &[],
            Some(&first) if extra.neighbours[index] => &numbers[first as usize..],
            Some(_) => {
                chosen.clear();
                chosen.extend(values.iter().map(|value| numbers[*value as usize]));
                chosen.as_slice()
            }
        };
        let mut sum = LanesOf::<I, E>::splat(isa, E::ZERO);
        let (locations, inverses) = (span.of(&extra.locations), span.of(&extra.inverses));
        let parameters = locations.chunks_exact(lanes).zip(inverses.chunks_exact(lanes));
        for (x, (location, inverse)) in x.chunks_exact(lanes).zip(parameters) {
            let x = LanesOf::<I, E>::load(isa, x);
            let z = x.sub(LanesOf::<I, E>::load(isa, location));
            let z = z.mul(LanesOf::<I, E>::load(isa, inverse));
            sum = z.mul_add(z, sum);
        }
        exponentials[index] = extra.constants[index] - sum.reduce_add();
    }
    for exponent in exponentials.chunks_exact_mut(lanes) {
        exp(isa, LanesOf::<I, E>::load(isa, exponent)).store(exponent);
    }
}

#[inline(always)]
fn run<E: Element>(
    code: &Code<E>,
    operation: &Operation,
    parts: &[Part<E>],
    buffers: &mut Buffers<E>,
) {
    let outputs = operation.outputs.of(&code.outputs);
    let registers = operation.plain.of(&code.plain);
    let weights = operation.weights.of(&code.plain_weights);
    if let [output] = *outputs {
        let mut sum = E::ZERO;
        for (&register, &weight) in registers.iter().zip(weights) {
            sum += buffers.registers[register as usize] * weight;
        }
        let mut product = E::ONE;
        for part in parts {
            for register in part.registers {
                product *= buffers.registers[register as usize];
            }
            for factor in part.factors {
                product *= buffers.factors[factor as usize];
            }
            match part.last {
                Last::More => continue,
                Last::Nothing => sum += product,
                Last::Weight(weight) => sum += product * weight,
                Last::Exponential(index) => sum += product * buffers.exponentials[index as usize],
            }
            product = E::ONE;
        }
        buffers.registers[output as usize] = sum;
        return;
    }
    for (index, &output) in outputs.iter().enumerate() {
        let weights = weights.iter().skip(index).step_by(outputs.len());
        let mut sum = E::ZERO;
        for (&register, &weight) in registers.iter().zip(weights) {
            sum += buffers.registers[register as usize] * weight;
        }
        // Only the last output may be one of the registers that are read.
        buffers.registers[output as usize] = sum;
    }
}

/// As for tiles, of one number.
#[inline(always)]
fn logarithm<I: Isa, E: Element>(isa: I, code: &Code<E>, root: E) -> E {
    let certified = root > code.threshold;
    if !certified {
        return E::NAN;
    }
    let constant = |value| LanesOf::<I, E>::splat(isa, value);
    let (mantissa, exponent) = constant(root).split_exponent();
    let exponent = exponent.sub(constant(code.scale));
    let log = exponent.mul_add(constant(E::from_f64(LN_2)), ln(isa, mantissa));
    let mut result = [E::ZERO];
    log.store_partial(&mut result);
    result[0]
}
