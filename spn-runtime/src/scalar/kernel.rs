//! The kernel: runs a program's code on a tile.
//!
//! Four registers of samples at a time, one operation after the other: sums and products stay in
//! machine registers from the first factor to the last term.

use std::f64::consts::LN_2;

use spn_ir::plan::ScalarProgram;

use super::code::{Code, Density, Gather, Operation, Term};
use super::source::Source;
use super::tile::{Form, TILE, Tile};
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// Registers of samples that run together.
const FOUR: usize = 4;

/// Loads some rows, at most [`TILE`], and computes their log-likelihoods.
#[inline(always)]
pub(crate) fn tile<I: Isa, E: Element>(
    isa: I,
    (program, code): (&ScalarProgram, &Code<E>),
    (source, rows): (Source<'_>, &[u32]),
    form: Form,
    tile: &mut Tile<E>,
) {
    tile.load::<I>(program, code, source, rows, form);
    // The positions of the last samples may lie anywhere in their block.
    let samples = rows.len().next_multiple_of(LanesOf::<I, E>::CODES);
    match form {
        Form::Observed => run::<I, E, false>(isa, code, tile, samples),
        Form::General => run::<I, E, true>(isa, code, tile, samples),
    }
    logarithms(isa, code, tile, samples);
}

#[inline(always)]
fn run<I: Isa, E: Element, const GENERAL: bool>(
    isa: I,
    code: &Code<E>,
    tile: &mut Tile<E>,
    samples: usize,
) {
    let each = FOUR * LanesOf::<I, E>::N;
    for operation in &code.operations {
        for at in (0..samples).step_by(each) {
            let sum = Unit::<'_, I, E, GENERAL> { isa, code, tile, at }.operation(operation);
            let output = operation.output as usize * TILE + at;
            store(sum, &mut tile.registers[output..output + each]);
        }
    }
}

/// Four registers of samples from position `at` on.
struct Unit<'a, I, E, const GENERAL: bool> {
    isa: I,
    code: &'a Code<E>,
    tile: &'a Tile<E>,
    at: usize,
}

type Four<I, E> = [LanesOf<I, E>; FOUR];

#[inline(always)]
fn store<L: Lanes>(four: [L; FOUR], out: &mut [L::Elem]) {
    for q in 0..FOUR {
        four[q].store(&mut out[q * L::N..]);
    }
}

impl<I: Isa, E: Element, const GENERAL: bool> Unit<'_, I, E, GENERAL> {
    #[inline(always)]
    fn splat(&self, value: E) -> LanesOf<I, E> {
        LanesOf::<I, E>::splat(self.isa, value)
    }

    #[inline(always)]
    fn load(&self, rows: &[E], row: u32) -> Four<I, E> {
        let start = row as usize * TILE + self.at;
        let lanes = LanesOf::<I, E>::N;
        let values = &rows[start..start + FOUR * lanes];
        let mut four = [self.splat(E::ZERO); FOUR];
        for q in 0..FOUR {
            four[q] = LanesOf::<I, E>::load(self.isa, &values[q * lanes..]);
        }
        four
    }

    #[inline(always)]
    fn operation(&self, operation: &Operation) -> Four<I, E> {
        let mut sum = [self.splat(E::ZERO); FOUR];
        let registers = operation.plain.of(&self.code.plain);
        for (&register, &weight) in registers.iter().zip(operation.plain.of(&self.code.plain_weights))
        {
            let (value, weight) = (self.load(&self.tile.registers, register), self.splat(weight));
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
        let lookups = term.lookups.range();
        let (mut product, lookups) = match term.registers.of(&self.code.registers) {
            [first, others @ ..] => {
                let mut product = self.load(&self.tile.registers, *first);
                for &register in others {
                    let factor = self.load(&self.tile.registers, register);
                    for q in 0..FOUR {
                        product[q] = product[q].mul(factor[q]);
                    }
                }
                (product, lookups)
            }
            [] if !lookups.is_empty() => {
                (self.lookup(lookups.start), lookups.start + 1..lookups.end)
            }
            [] => ([self.splat(E::ONE); FOUR], lookups),
        };
        for index in lookups {
            let factor = self.lookup(index);
            for q in 0..FOUR {
                product[q] = product[q].mul(factor[q]);
            }
        }
        for gather in term.gathers.of(&self.code.gathers) {
            let factor = self.gather(gather);
            for q in 0..FOUR {
                product[q] = product[q].mul(factor[q]);
            }
        }
        self.densities(term, product)
    }

    /// Sixteen numbers chosen by the bits of four planes.
    #[inline(always)]
    fn lookup(&self, index: usize) -> Four<I, E> {
        // The codes of four registers are a whole register of bytes, or half of it in double
        // precision.
        let codes = LanesOf::<I, E>::CODES;
        let (block, half) = (self.at / codes * codes, self.at % codes);
        let [a, b, c, d] = self.code.lookups[index];
        let (a, b) = (self.codes(a, block), self.codes(b, block));
        let (c, d) = (self.codes(c, block), self.codes(d, block));
        let pair = LanesOf::<I, E>::merge_codes(c, d);
        let mut merged = LanesOf::<I, E>::merge_codes(LanesOf::<I, E>::merge_codes(a, b), pair);
        if half != 0 {
            for _ in 0..FOUR {
                merged = LanesOf::<I, E>::next_codes(merged);
            }
        }
        let table = &self.code.lookup_tables[index * 16..index * 16 + 16];
        let table = LanesOf::<I, E>::table(self.isa, table);
        let mut four = [self.splat(E::ZERO); FOUR];
        for number in &mut four {
            *number = LanesOf::<I, E>::lookup(merged, table);
            merged = LanesOf::<I, E>::next_codes(merged);
        }
        four
    }

    /// The codes of a plane from sample `start` on.
    #[inline(always)]
    fn codes(&self, plane: u32, start: usize) -> <LanesOf<I, E> as Lanes>::Codes {
        LanesOf::<I, E>::load_codes(self.isa, &self.tile.planes[plane as usize * TILE + start..])
    }

    /// Numbers chosen one by one.
    #[inline(always)]
    fn gather(&self, gather: &Gather) -> Four<I, E> {
        let lanes = LanesOf::<I, E>::N;
        let mut indices = [0_u32; FOUR * MAX_LANES];
        for &(variable, stride) in &gather.digits[..gather.count] {
            let start = variable as usize * TILE + self.at;
            let codes = &self.tile.codes[start..start + FOUR * lanes];
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

    /// Multiplies by the densities and the constant of a term.
    #[inline(always)]
    fn densities(&self, term: &Term<E>, mut product: Four<I, E>) -> Four<I, E> {
        for leaf in term.cauchies.of(&self.code.cauchies) {
            let (constant, missing) = (self.splat(leaf.constant), self.splat(leaf.missing));
            let one = self.splat(E::ONE);
            let (x, z) = self.deviations(leaf);
            for q in 0..FOUR {
                let density = constant.div(z[q].mul_add(z[q], one));
                let factor = if GENERAL { x[q].select_nan(missing, density) } else { density };
                product[q] = product[q].mul(factor);
            }
        }
        let (normals, laplaces) =
            (term.normals.of(&self.code.normals), term.laplaces.of(&self.code.laplaces));
        if normals.is_empty() && laplaces.is_empty() {
            if term.lookups.range().is_empty() && term.gathers.range().is_empty() {
                let constant = self.splat(term.constant);
                for factor in &mut product {
                    *factor = factor.mul(constant);
                }
            }
            return product;
        }
        let zero = self.splat(E::ZERO);
        let mut exponent = [zero; FOUR];
        for leaf in normals {
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
        for leaf in laplaces {
            let (x, z) = self.deviations(leaf);
            for q in 0..FOUR {
                let size = z[q].max(zero.sub(z[q]));
                let log = if GENERAL { size.sub(self.splat(leaf.constant)) } else { size };
                let log = if GENERAL { x[q].select_nan(zero, log) } else { log };
                exponent[q] = exponent[q].add(log);
            }
        }
        let constant = self.splat(term.constant);
        for q in 0..FOUR {
            product[q] = product[q].mul(exp(self.isa, constant.sub(exponent[q])));
        }
        product
    }

    /// The numbers a density reads, and their deviations from its location.
    #[inline(always)]
    fn deviations(&self, leaf: &Density<E>) -> (Four<I, E>, Four<I, E>) {
        let (location, inverse) = (self.splat(leaf.location), self.splat(leaf.inverse));
        let x = self.load(&self.tile.values, leaf.value);
        let mut z = x;
        for deviation in &mut z {
            *deviation = deviation.sub(location).mul(inverse);
        }
        (x, z)
    }
}

/// `ln root - scale · ln 2` of each sample; NaN where the root is not certified.
#[inline(always)]
fn logarithms<I: Isa, E: Element>(isa: I, code: &Code<E>, tile: &mut Tile<E>, samples: usize) {
    let lanes = LanesOf::<I, E>::N;
    let constant = |value| LanesOf::<I, E>::splat(isa, value);
    let (threshold, scale) = (constant(code.threshold), constant(code.scale));
    let (ln_2, nan) = (constant(E::from_f64(LN_2)), constant(E::NAN));
    let root = code.root as usize * TILE;
    for at in (0..samples).step_by(lanes) {
        let value = LanesOf::<I, E>::load(isa, &tile.registers[root + at..]);
        // The scale is taken off the exponent, which is exact: logarithms near 0 stay precise.
        let (mantissa, exponent) = value.split_exponent();
        let log = exponent.sub(scale).mul_add(ln_2, ln(isa, mantissa));
        let certain = threshold.select_lt(value, log, nan);
        certain.store(&mut tile.results[at..at + lanes]);
    }
}
