//! The kernel: runs a program's code on a tile.
//!
//! Four registers of samples at a time, one operation after the other: sums and products stay in
//! machine registers from the first factor to the last term. Of sums over the same registers,
//! several are computed together, so that what they read is loaded once.

use std::f64::consts::LN_2;

use spn_ir::plan::ScalarProgram;

use super::code::{Code, Density, Gather, Mixed, Operation, Rest, Term};
use super::source::Source;
use super::tile::{BLOCK, Block, Form, Tile};
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// Registers of samples that run together.
const FOUR: usize = 4;

/// With more registers, blocks run one after the other.
const MOST_REGISTERS: usize = 48;

type Four<I, E> = [LanesOf<I, E>; FOUR];

/// Loads some rows, at most as many as a tile has, and computes their log-likelihoods.
#[inline(always)]
pub(crate) fn tile<I: Isa, E: Element>(
    isa: I,
    (program, code): (&ScalarProgram, &Code<E>),
    (source, rows): (Source<'_>, &[u32]),
    form: Form,
    tile: &mut Tile<E>,
) {
    let blocks = &mut tile.blocks[..rows.len().div_ceil(BLOCK)];
    for (block, rows) in blocks.iter_mut().zip(rows.chunks(BLOCK)) {
        block.load(isa, program, code, source, rows, form);
    }
    // Several blocks share the cost of reading an operation, unless they would leave the cache.
    let together = if code.register_count > MOST_REGISTERS { 1 } else { blocks.len() };
    for blocks in blocks.chunks_mut(together.max(1)) {
        for operation in &code.operations {
            for block in blocks.iter_mut() {
                match form {
                    Form::Observed | Form::Row => run::<I, E, false>(isa, code, operation, block),
                    Form::General => run::<I, E, true>(isa, code, operation, block),
                }
            }
        }
        for block in blocks {
            logarithms(isa, code, block);
        }
    }
}

/// Runs one operation on one block.
#[inline(always)]
fn run<I: Isa, E: Element, const GENERAL: bool>(
    isa: I,
    code: &Code<E>,
    operation: &Operation,
    block: &mut Block<E>,
) {
    let outputs = operation.outputs.of(&code.outputs);
    for at in (0..BLOCK).step_by(FOUR * LanesOf::<I, E>::N) {
        if let [output] = *outputs {
            let sum = Unit::<'_, I, E, GENERAL> { isa, code, block, at }.operation(operation);
            store(sum, &mut block.registers[output as usize], at);
        } else if LanesOf::<I, E>::CODES == 64 {
            sums::<I, E, 4>(isa, code, operation, block, at);
        } else {
            sums::<I, E, 2>(isa, code, operation, block, at);
        }
    }
}

/// Weighted sums of the same registers, `TOGETHER` at a time.
#[inline(always)]
fn sums<I: Isa, E: Element, const TOGETHER: usize>(
    isa: I,
    code: &Code<E>,
    operation: &Operation,
    block: &mut Block<E>,
    at: usize,
) {
    let count = operation.outputs.of(&code.outputs).len();
    let mut first = 0;
    while first + TOGETHER <= count {
        some_sums::<I, E, TOGETHER>(isa, code, operation, block, (first, at));
        first += TOGETHER;
    }
    for first in first..count {
        some_sums::<I, E, 1>(isa, code, operation, block, (first, at));
    }
}

/// The sums from number `first` on, at position `at`.
#[inline(always)]
fn some_sums<I: Isa, E: Element, const COUNT: usize>(
    isa: I,
    code: &Code<E>,
    operation: &Operation,
    block: &mut Block<E>,
    (first, at): (usize, usize),
) {
    let outputs = operation.outputs.of(&code.outputs);
    let registers = operation.plain.of(&code.plain);
    let weights = operation.weights.of(&code.plain_weights).chunks_exact(outputs.len());
    let mut totals = [[LanesOf::<I, E>::splat(isa, E::ZERO); FOUR]; COUNT];
    for (&register, weights) in registers.iter().zip(weights) {
        let value = load::<I, E>(isa, &block.registers[register as usize], at);
        let weights = &weights[first..first + COUNT];
        for o in 0..COUNT {
            let weight = LanesOf::<I, E>::splat(isa, weights[o]);
            for q in 0..FOUR {
                totals[o][q] = value[q].mul_add(weight, totals[o][q]);
            }
        }
    }
    // Only the last sum of all may write a register that they read.
    for o in 0..COUNT {
        store(totals[o], &mut block.registers[outputs[first + o] as usize], at);
    }
}

#[inline(always)]
fn load<I: Isa, E: Element>(isa: I, row: &[E; BLOCK], at: usize) -> Four<I, E> {
    let lanes = LanesOf::<I, E>::N;
    let row = &row[at..at + FOUR * lanes];
    let mut four = [LanesOf::<I, E>::splat(isa, E::ZERO); FOUR];
    for q in 0..FOUR {
        four[q] = LanesOf::<I, E>::load(isa, &row[q * lanes..]);
    }
    four
}

#[inline(always)]
fn store<L: Lanes>(four: [L; FOUR], row: &mut [L::Elem; BLOCK], at: usize) {
    let row = &mut row[at..at + FOUR * L::N];
    for q in 0..FOUR {
        four[q].store(&mut row[q * L::N..]);
    }
}

#[inline(always)]
fn multiply<L: Lanes>(product: &mut [L; FOUR], factor: [L; FOUR]) {
    for q in 0..FOUR {
        product[q] = product[q].mul(factor[q]);
    }
}

/// Four registers of samples from position `at` on.
struct Unit<'a, I, E, const GENERAL: bool> {
    isa: I,
    code: &'a Code<E>,
    block: &'a Block<E>,
    at: usize,
}

impl<I: Isa, E: Element, const GENERAL: bool> Unit<'_, I, E, GENERAL> {
    #[inline(always)]
    fn splat(&self, value: E) -> LanesOf<I, E> {
        LanesOf::<I, E>::splat(self.isa, value)
    }

    #[inline(always)]
    fn register(&self, register: u32) -> Four<I, E> {
        load::<I, E>(self.isa, &self.block.registers[register as usize], self.at)
    }

    #[inline(always)]
    fn operation(&self, operation: &Operation) -> Four<I, E> {
        let mut sum = [self.splat(E::ZERO); FOUR];
        let registers = operation.plain.of(&self.code.plain);
        let weights = operation.weights.of(&self.code.plain_weights);
        for (&register, &weight) in registers.iter().zip(weights) {
            let (value, weight) = (self.register(register), self.splat(weight));
            for q in 0..FOUR {
                sum[q] = value[q].mul_add(weight, sum[q]);
            }
        }
        for term in operation.terms.of(&self.code.terms) {
            let product = self.term(term);
            for q in 0..FOUR {
                sum[q] = sum[q].add(product[q]);
            }
        }
        sum
    }

    #[inline(always)]
    fn term(&self, term: &Term<E>) -> Four<I, E> {
        let lookups = term.lookups.of(&self.code.lookups);
        let tables = term.lookups.of(&self.code.lookup_tables);
        let mut lookups = lookups.iter().zip(tables);
        let mut product = match term.registers.of(&self.code.registers) {
            [first, others @ ..] => {
                let mut product = self.register(*first);
                for &register in others {
                    multiply(&mut product, self.register(register));
                }
                product
            }
            [] => match lookups.next() {
                Some((planes, table)) => self.lookup(*planes, table),
                None => [self.splat(E::ONE); FOUR],
            },
        };
        for (planes, table) in lookups {
            multiply(&mut product, self.lookup(*planes, table));
        }
        match term.rest {
            Rest::Nothing => product,
            Rest::Weight(weight) => {
                multiply(&mut product, [self.splat(weight); FOUR]);
                product
            }
            Rest::Mixed(index) => self.mixed(&self.code.mixed[index as usize], product),
        }
    }

    /// Sixteen numbers chosen by the bits of four planes.
    #[inline(always)]
    fn lookup(&self, [a, b, c, d]: [u32; 4], table: &[E; 16]) -> Four<I, E> {
        let mut codes = self.codes(d);
        codes = LanesOf::<I, E>::push_codes(codes, self.codes(c));
        codes = LanesOf::<I, E>::push_codes(codes, self.codes(b));
        codes = LanesOf::<I, E>::push_codes(codes, self.codes(a));
        // In double precision, eight registers of samples have their codes in one of bytes.
        if !self.at.is_multiple_of(LanesOf::<I, E>::CODES) {
            for _ in 0..FOUR {
                codes = LanesOf::<I, E>::next_codes(codes);
            }
        }
        let table = LanesOf::<I, E>::table(self.isa, table);
        let mut four = [self.splat(E::ZERO); FOUR];
        for number in &mut four {
            *number = LanesOf::<I, E>::lookup(codes, table);
            codes = LanesOf::<I, E>::next_codes(codes);
        }
        four
    }

    /// The codes of a plane.
    #[inline(always)]
    fn codes(&self, plane: u32) -> <LanesOf<I, E> as Lanes>::Codes {
        let codes = LanesOf::<I, E>::CODES;
        let start = self.at / codes * codes;
        let plane = &self.block.planes[plane as usize];
        LanesOf::<I, E>::load_codes(self.isa, &plane[start..start + codes])
    }

    /// Numbers chosen one by one.
    #[inline(always)]
    fn gather(&self, gather: &Gather) -> Four<I, E> {
        let lanes = LanesOf::<I, E>::N;
        let mut indices = [0_u32; FOUR * MAX_LANES];
        for &(variable, stride) in &gather.digits[..gather.count] {
            let codes = &self.block.codes[variable as usize][self.at..self.at + FOUR * lanes];
            for (index, &code) in indices.iter_mut().zip(codes) {
                *index += u32::from(code) * stride;
            }
        }
        let entries = gather.entries.of(&self.code.gather_tables);
        let mut numbers = [E::ZERO; FOUR * MAX_LANES];
        for (number, &index) in numbers[..FOUR * lanes].iter_mut().zip(&indices) {
            *number = entries[index as usize];
        }
        let mut four = [self.splat(E::ZERO); FOUR];
        for q in 0..FOUR {
            four[q] = LanesOf::<I, E>::load(self.isa, &numbers[q * lanes..]);
        }
        four
    }

    /// Multiplies by everything else.
    #[inline(always)]
    fn mixed(&self, mixed: &Mixed<E>, mut product: Four<I, E>) -> Four<I, E> {
        for gather in mixed.gathers.of(&self.code.gathers) {
            multiply(&mut product, self.gather(gather));
        }
        for leaf in mixed.cauchies.of(&self.code.cauchies) {
            let (constant, missing) = (self.splat(leaf.constant), self.splat(leaf.missing));
            let one = self.splat(E::ONE);
            let (x, z) = self.deviations(leaf);
            for q in 0..FOUR {
                let density = constant.div(z[q].mul_add(z[q], one));
                let factor = if GENERAL { x[q].select_nan(missing, density) } else { density };
                product[q] = product[q].mul(factor);
            }
        }
        let constant = self.splat(mixed.constant);
        if !mixed.exponential {
            multiply(&mut product, [constant; FOUR]);
            return product;
        }
        let exponent = self.exponent(mixed);
        for q in 0..FOUR {
            product[q] = product[q].mul(exp(self.isa, constant.sub(exponent[q])));
        }
        product
    }

    /// What normals and Laplace densities take off the exponent.
    #[inline(always)]
    fn exponent(&self, mixed: &Mixed<E>) -> Four<I, E> {
        let zero = self.splat(E::ZERO);
        let mut exponent = [zero; FOUR];
        for leaf in mixed.normals.of(&self.code.normals) {
            let (x, z) = self.deviations(leaf);
            for q in 0..FOUR {
                exponent[q] = if GENERAL {
                    let log = z[q].mul_add(z[q], zero.sub(self.splat(leaf.constant)));
                    exponent[q].add(x[q].select_nan(zero, log))
                } else {
                    z[q].mul_add(z[q], exponent[q])
                };
            }
        }
        for leaf in mixed.laplaces.of(&self.code.laplaces) {
            let (x, z) = self.deviations(leaf);
            for q in 0..FOUR {
                let size = z[q].max(zero.sub(z[q]));
                let log = if GENERAL { size.sub(self.splat(leaf.constant)) } else { size };
                let log = if GENERAL { x[q].select_nan(zero, log) } else { log };
                exponent[q] = exponent[q].add(log);
            }
        }
        exponent
    }

    /// The numbers a density reads, and their deviations from its location.
    #[inline(always)]
    fn deviations(&self, leaf: &Density<E>) -> (Four<I, E>, Four<I, E>) {
        let (location, inverse) = (self.splat(leaf.location), self.splat(leaf.inverse));
        let x = load::<I, E>(self.isa, &self.block.values[leaf.value as usize], self.at);
        let mut z = x;
        for deviation in &mut z {
            *deviation = deviation.sub(location).mul(inverse);
        }
        (x, z)
    }
}

/// `ln root - scale · ln 2` of each sample; NaN where the root is not certified.
#[inline(always)]
fn logarithms<I: Isa, E: Element>(isa: I, code: &Code<E>, block: &mut Block<E>) {
    let lanes = LanesOf::<I, E>::N;
    let constant = |value| LanesOf::<I, E>::splat(isa, value);
    let (threshold, scale) = (constant(code.threshold), constant(code.scale));
    let (ln_2, nan) = (constant(E::from_f64(LN_2)), constant(E::NAN));
    let root = &block.registers[code.root as usize];
    for (value, result) in root.chunks_exact(lanes).zip(block.results.chunks_exact_mut(lanes)) {
        let value = LanesOf::<I, E>::load(isa, value);
        // The scale is taken off the exponent, which is exact: logarithms near 0 stay precise.
        let (mantissa, exponent) = value.split_exponent();
        let log = exponent.sub(scale).mul_add(ln_2, ln(isa, mantissa));
        threshold.select_lt(value, log, nan).store(result);
    }
}
