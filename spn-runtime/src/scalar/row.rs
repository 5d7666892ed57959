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

/// Buffers for one row.
#[derive(Debug, Default)]
pub(crate) struct Buffers<E> {
    codes: Vec<u8>,
    indices: Vec<u8>,
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
        for mixed in &code.mixed {
            let normals = mixed.normals.of(&code.normals);
            row.normals.push(mixed.normals);
            row.constants.push(mixed.constant);
            row.locations.extend(normals.iter().map(|leaf| leaf.location));
            row.inverses.extend(normals.iter().map(|leaf| leaf.inverse));
            row.values.extend(normals.iter().map(|leaf| leaf.value));
            let pairs = normals.windows(2);
            row.neighbours.push(pairs.into_iter().all(|w| w[0].value + 1 == w[1].value));
        }
        Some(row)
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
    exponentials(isa, extra, buffers);
    buffers.registers.resize(code.register_count, E::ZERO);
    for operation in &code.operations {
        run(code, operation, buffers);
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
            let bits = LanesOf::<I, E>::load_codes(isa, &extra.bits[start..start + count]);
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
            Some(&first) if extra.neighbours[index] => {
                &numbers[first as usize..first as usize + values.len()]
            }
            Some(_) => {
                chosen.clear();
                chosen.extend(values.iter().map(|value| numbers[*value as usize]));
                chosen.as_slice()
            }
        };
        let mut sum = LanesOf::<I, E>::splat(isa, E::ZERO);
        let parameters =
            span.of(&extra.locations).chunks(lanes).zip(span.of(&extra.inverses).chunks(lanes));
        for (x, (location, inverse)) in x.chunks(lanes).zip(parameters) {
            // Lanes behind the last number are 0.
            let x = LanesOf::<I, E>::load_partial(isa, x);
            let location = LanesOf::<I, E>::load_partial(isa, location);
            let z = x.sub(location).mul(LanesOf::<I, E>::load_partial(isa, inverse));
            sum = z.mul_add(z, sum);
        }
        exponentials[index] = extra.constants[index] - sum.reduce_add();
    }
    for exponent in exponentials.chunks_exact_mut(lanes) {
        exp(isa, LanesOf::<I, E>::load(isa, exponent)).store(exponent);
    }
}

#[inline(always)]
fn run<E: Element>(code: &Code<E>, operation: &Operation, buffers: &mut Buffers<E>) {
    let outputs = operation.outputs.of(&code.outputs);
    let registers = operation.plain.of(&code.plain);
    let weights = operation.weights.of(&code.plain_weights);
    if let [output] = *outputs {
        let mut sum = E::ZERO;
        for (&register, &weight) in registers.iter().zip(weights) {
            sum += buffers.registers[register as usize] * weight;
        }
        for term in operation.terms.of(&code.terms) {
            sum += product(code, term, buffers);
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

#[inline(always)]
fn product<E: Element>(code: &Code<E>, term: &Term<E>, buffers: &Buffers<E>) -> E {
    // In the order that the bounds are for.
    let mut product = E::ONE;
    for &register in term.registers.of(&code.registers) {
        product = product * buffers.registers[register as usize];
    }
    match term.rest {
        Rest::Nothing => product,
        Rest::Weight(weight) => product * weight,
        Rest::Mixed(index) => {
            let mixed = &code.mixed[index as usize];
            let gathers = mixed.gathers.of(&code.gathers).iter();
            for (gather, &index) in gathers.zip(mixed.gathers.of(&buffers.indices)) {
                product = product * gather.entries.of(&code.gather_tables)[index as usize];
            }
            let exponential = mixed.exponential;
            product * if exponential { buffers.exponentials[index as usize] } else { mixed.constant }
        }
    }
}

/// As for tiles, of one number.
#[inline(always)]
fn logarithm<I: Isa, E: Element>(isa: I, code: &Code<E>, root: E) -> E {
    if !(root > code.threshold) {
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
