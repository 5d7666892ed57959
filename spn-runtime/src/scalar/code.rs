//! A scalar program with numbers: constants, scales and bounds for current parameters, laid out in
//! the order in which the kernel reads them.
//!
//! The register of an operation holds its value times `2^scale`. The scale puts the upper bound of
//! the value near the top of the range: as high as the terms that multiply it with other registers
//! allow. All scales of a term are gathered in one constant of it, which becomes part of its first
//! table or of its exponential where there is one, so that they cost nothing.

use std::f64::consts::{LN_2, LOG2_E, PI};

use spn_ir::plan::{ScalarDensity, ScalarOperation, ScalarProgram, ScalarTerm};
use spn_ir::{LocationScale, Slice};

use super::bounds::{Bound, Range};
use super::row::RowCode;
use super::table::{self, Layout, is_proper};
use super::tile::Form;
use crate::simd::Element;

/// A part of one of the lists of [`Code`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline(always)]
    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        &list[self.start as usize..self.end as usize]
    }

    pub(super) fn start(self) -> u32 {
        self.start
    }

    pub(super) fn range(self) -> std::ops::Range<u32> {
        self.start..self.end
    }

    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// What was added to a list since it had `start` entries.
    pub(super) fn since<T>(start: usize, list: &[T]) -> Self {
        Self { start: start as u32, end: list.len() as u32 }
    }
}

/// A program that the kernel runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code<E> {
    pub(super) operations: Vec<Operation>,
    /// Registers that operations write.
    pub(super) outputs: Vec<u32>,
    /// Registers of plain terms, and their weights.
    pub(super) plain: Vec<u32>,
    pub(super) plain_weights: Vec<E>,
    pub(super) terms: Vec<Term<E>>,
    pub(super) mixed: Vec<Mixed<E>>,
    /// Registers of other terms.
    pub(super) registers: Vec<u32>,
    /// For each lookup the planes of codes that are merged.
    pub(super) lookups: Vec<[u32; 4]>,
    /// For each lookup sixteen numbers.
    pub(super) lookup_tables: Vec<[E; 16]>,
    pub(super) gathers: Vec<Gather>,
    pub(super) gather_tables: Vec<E>,
    pub(super) cauchies: Vec<Density<E>>,
    pub(super) normals: Vec<Density<E>>,
    pub(super) laplaces: Vec<Density<E>>,
    /// How many registers there are.
    pub(super) register_count: usize,
    /// The register of the root.
    pub(super) root: u32,
    /// A result from here on is certified.
    pub(super) threshold: E,
    /// The root's scale.
    pub(super) scale: E,
    /// What single observed rows need.
    pub(super) row: Option<RowCode<E>>,
}

/// `output = Σ plain + Σ terms`; or several sums over the same registers and without terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) outputs: Span,
    pub(super) plain: Span,
    /// Weights of the plain terms, of several sums `[registers, outputs]`.
    pub(super) weights: Span,
    pub(super) terms: Span,
}

/// A product, in the order of the fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Term<E> {
    pub(super) registers: Span,
    pub(super) lookups: Span,
    pub(super) rest: Rest<E>,
}

/// What follows registers and lookups.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Rest<E> {
    /// Nothing.
    #[default]
    Nothing,
    /// A weight.
    Weight(E),
    /// Less common factors, by their index.
    Mixed(u32),
}

/// Less common factors of a product, in the order of the fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixed<E> {
    pub(super) gathers: Span,
    pub(super) cauchies: Span,
    pub(super) normals: Span,
    pub(super) laplaces: Span,
    /// Whether there are normals or Laplace densities.
    pub(super) exponential: bool,
    /// Of the exponential, if there is one; else a factor.
    pub(super) constant: E,
}

/// A table that is read number by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gather {
    /// Its variables with the strides of their codes, the first `count`.
    pub(super) digits: [(u32, u32); 8],
    pub(super) count: usize,
    /// Where its numbers are.
    pub(super) entries: Span,
}

/// A density: with `z = (x - location) · inverse` it is a constant times `exp(-z²)`, `exp(-|z|)` or
/// `1 / (1 + z²)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Density<E> {
    pub(super) value: u32,
    pub(super) location: E,
    pub(super) inverse: E,
    /// Where rows may have missing values, the logarithm of the constant; of a Cauchy density the
    /// constant itself, in every form.
    pub(super) constant: E,
    /// What takes the place of a Cauchy density of a missing value.
    pub(super) missing: E,
}

/// The code of a program; `None` if there is no bound for its numbers.
pub(super) fn build<E: Element, Q: Element>(
    program: &ScalarProgram,
    quantities: &[Vec<Q>],
    form: Form,
) -> Option<Code<E>> {
    if program.states.is_empty() && program.values.is_empty() {
        return None;
    }
    let nothing = Register { bound: Bound { value: 0.0, error: f64::NEG_INFINITY }, scale: 0 };
    let mut builder = Builder {
        program,
        quantities,
        form,
        range: Range::of::<E>(),
        registers: vec![nothing; program.registers as usize],
        code: Code { register_count: program.registers as usize, ..Code::default() },
    };
    let mut root = nothing;
    for (operation, top) in program.operations.iter().zip(tops(program, builder.range.top)) {
        root = builder.operation(operation, top)?;
        builder.registers[operation.output as usize] = root;
        builder.code.root = operation.output;
    }
    // An error that is this much smaller than the result is smaller than its rounding.
    let threshold = (root.bound.error - E::EPSILON.to_f64().log2()).max(builder.range.flush);
    let mut code = builder.code;
    code.group();
    if form == Form::Row {
        code.row = RowCode::new(program, &code);
    }
    code.threshold = E::from_f64(threshold.exp2());
    code.scale = E::from_f64(root.scale as f64);
    (threshold < builder.range.top && root.bound.value > f64::NEG_INFINITY).then_some(code)
}

/// How high the value of each operation may be, so that the terms that read it do not overflow.
fn tops(program: &ScalarProgram, top: f64) -> Vec<f64> {
    let mut most_factors = vec![1_usize; program.operations.len()];
    let mut writer = vec![0; program.registers as usize];
    for (index, operation) in program.operations.iter().enumerate() {
        for term in &operation.terms {
            for register in &term.registers {
                let most = &mut most_factors[writer[*register as usize]];
                *most = (*most).max(term.registers.len());
            }
        }
        writer[operation.output as usize] = index;
    }
    most_factors.into_iter().map(|most| top / most as f64).collect()
}

/// What is known of a register's present value.
#[derive(Clone, Copy, Debug)]
struct Register {
    /// Bounds of the number in the register: of the value times `2^scale`.
    bound: Bound,
    scale: i64,
}

/// What is known of a term before its constant is chosen.
struct Factors {
    /// The logarithm of the largest value of the term, without scales.
    value: f64,
    /// The logarithm to base 2 of the constant factor, without the scale of the sum.
    constant: f64,
    /// That of the largest value of the exponential besides the constant.
    exponential: f64,
    /// Evaluated tables of the term.
    tables: Vec<(Layout, Vec<f64>)>,
}

struct Builder<'a, E, Q> {
    program: &'a ScalarProgram,
    quantities: &'a [Vec<Q>],
    form: Form,
    range: Range,
    registers: Vec<Register>,
    code: Code<E>,
}

impl<E: Element> Code<E> {
    /// Adds an operation.
    fn push(&mut self, output: u32, plain: Span, terms: Span) {
        self.outputs.push(output);
        let outputs = Span::since(self.outputs.len() - 1, &self.outputs);
        self.operations.push(Operation { outputs, plain, weights: plain, terms });
    }

    /// Makes one operation of consecutive sums over the same registers.
    fn group(&mut self) {
        let single = std::mem::take(&mut self.operations);
        let mut rest = single.as_slice();
        while let Some(first) = rest.first() {
            let registers = first.plain.of(&self.plain);
            let mut count = 1;
            while let Some(next) = rest.get(count) {
                // Only the last one may write what they all read.
                let written = rest[count - 1].outputs.of(&self.outputs);
                let same = next.terms.is_empty() && next.plain.of(&self.plain) == registers;
                if !first.terms.is_empty() || !same || registers.contains(&written[0]) {
                    break;
                }
                count += 1;
            }
            let (group, others) = rest.split_at(count);
            rest = others;
            let mut operation = *first;
            if count > 1 {
                let start = self.plain_weights.len();
                for input in 0..registers.len() {
                    for sum in group {
                        let weight = sum.weights.of(&self.plain_weights)[input];
                        self.plain_weights.push(weight);
                    }
                }
                operation.weights = Span::since(start, &self.plain_weights);
                operation.outputs.end += count as u32 - 1;
            }
            self.operations.push(operation);
        }
    }
}

impl<E: Element, Q: Element> Builder<'_, E, Q> {
    fn read(&self, slice: Slice) -> f64 {
        self.quantities[slice.quantity.index()][slice.offset as usize].to_f64()
    }

    fn operation(&mut self, operation: &ScalarOperation, top: f64) -> Option<Register> {
        let factors: Vec<Factors> =
            operation.terms.iter().map(|term| self.factors(term)).collect::<Option<_>>()?;
        let value = factors.iter().fold(f64::NEG_INFINITY, |v, f| super::bounds::add(v, f.value));
        let mut scale = if value == f64::NEG_INFINITY { 0 } else { (top - value).floor() as i64 };
        if let ([term], [factors]) = (operation.terms.as_slice(), factors.as_slice())
            && term.is_unweighted()
            && (0.0..8.0).contains(&(factors.constant + scale as f64))
        {
            // Nearly at the top without any constant.
            scale = -factors.constant as i64;
        }
        if value.is_nan() || value == f64::INFINITY || scale.unsigned_abs() >= 1 << 22 {
            return None;
        }
        let (plain, terms) = (self.code.plain.len(), self.code.terms.len());
        let mut bound = Bound { value: f64::NEG_INFINITY, error: f64::NEG_INFINITY };
        for (term, factors) in operation.terms.iter().zip(factors) {
            // A term that is always zero takes part as such, whatever its scale.
            let possible = factors.value > f64::NEG_INFINITY;
            let constant =
                if possible { factors.constant + scale as f64 } else { f64::NEG_INFINITY };
            let own = if term.is_plain() {
                self.plain(term, constant)
            } else {
                self.term(term, &factors, constant)?
            };
            bound = bound.plus(own);
        }
        let plain = Span::since(plain, &self.code.plain);
        let terms = Span::since(terms, &self.code.terms);
        self.code.push(operation.output, plain, terms);
        // Rounding may lift the bound a little.
        (bound.value <= top + 2.0).then_some(Register { bound, scale })
    }

    /// The bound of a term's value, and its constant.
    fn factors(&self, term: &ScalarTerm) -> Option<Factors> {
        let weight = term.weight.map_or(1.0, |slice| self.read(slice));
        if !is_proper(weight) {
            return None;
        }
        let (mut value, mut constant) = (weight.log2(), weight.log2());
        for register in &term.registers {
            let Register { bound, scale } = self.registers[*register as usize];
            value += bound.value - scale as f64;
            constant -= scale as f64;
        }
        let mut exponential = 0.0;
        let mut tables = Vec::with_capacity(term.tables.len());
        for &index in &term.tables {
            let table = &self.program.tables[index as usize];
            let layout = Layout::new(self.program, table, self.form);
            let mut entries = table::evaluate(self.program, table, &layout, self.quantities)?;
            // Entries are at most 1; what that takes is in the constant.
            let largest = entries.iter().copied().fold(0.0, f64::max);
            if largest > 0.0 {
                entries.iter_mut().for_each(|entry| *entry /= largest);
                constant += largest.log2();
            }
            value += largest.log2();
            tables.push((layout, entries));
        }
        for leaf in &term.densities {
            let peak = self.peak(leaf)?;
            let largest = if self.form == Form::General { peak.max(0.0) } else { peak };
            value += largest;
            match (leaf.density, self.form) {
                (LocationScale::Cauchy, _) | (_, Form::Observed | Form::Row) => constant += largest,
                (_, Form::General) => exponential += largest,
            }
        }
        Some(Factors { value, constant, exponential, tables })
    }

    /// The logarithm to base 2 of a density's largest value, `None` if it is no density.
    fn peak(&self, leaf: &ScalarDensity) -> Option<f64> {
        let (location, scale) = (self.read(leaf.location), self.read(leaf.scale));
        let area = match leaf.density {
            LocationScale::Normal => (2.0 * PI).sqrt(),
            LocationScale::Cauchy => PI,
            LocationScale::Laplace => 2.0,
        };
        let inverse = E::from_f64(inverse(leaf.density, scale)).to_f64();
        let fits = scale > 0.0 && inverse.is_finite() && inverse > 0.0;
        let fits = fits && E::from_f64(location).to_f64().is_finite();
        fits.then(|| -scale.log2() - area.log2())
    }

    /// Adds a term that is a weighted register.
    fn plain(&mut self, term: &ScalarTerm, constant: f64) -> Bound {
        let register = self.registers[term.registers[0] as usize];
        let (weight, flushed) = self.number(constant.exp2());
        self.code.plain.push(term.registers[0]);
        self.code.plain_weights.push(weight);
        register.bound.times(Bound::constant(constant, flushed, self.range), self.range)
    }

    /// Adds another term; `None` if something on the way may overflow.
    fn term(
        &mut self,
        term: &ScalarTerm,
        Factors { tables, exponential: largest, .. }: &Factors,
        constant: f64,
    ) -> Option<Bound> {
        let start = self.code.registers.len();
        self.code.registers.extend_from_slice(&term.registers);
        let registers = Span::since(start, &self.code.registers);
        let mut bound = Bound { value: 0.0, error: f64::NEG_INFINITY };
        for register in &term.registers {
            bound = bound.times(self.registers[*register as usize].bound, self.range);
        }
        let exponential = term.densities.iter().any(|d| d.density != LocationScale::Cauchy);
        let mut mixed = Mixed { exponential, constant: E::ONE, ..Mixed::default() };
        let mut rest = if exponential { None } else { Some(constant) };
        let lookups = self.code.lookups.len();
        bound = self.tables(term, tables, &mut rest, &mut mixed, bound)?;
        let lookups = Span::since(lookups, &self.code.lookups);
        bound = self.densities(term, &mut mixed, bound);
        if exponential {
            mixed.constant = E::from_f64(constant * LN_2);
            let largest = constant + largest;
            bound = bound.times(Bound::constant(largest, true, self.range), self.range);
        } else if let Some(constant) = rest.filter(|constant| *constant != 0.0) {
            let (number, flushed) = self.number(constant.exp2());
            mixed.constant = number;
            bound = bound.times(Bound::constant(constant, flushed, self.range), self.range);
        }
        let rest = if exponential || !mixed.gathers.is_empty() || !mixed.cauchies.is_empty() {
            self.code.mixed.push(mixed);
            Rest::Mixed(self.code.mixed.len() as u32 - 1)
        } else if mixed.constant == E::ONE {
            Rest::Nothing
        } else {
            Rest::Weight(mixed.constant)
        };
        self.code.terms.push(Term { registers, lookups, rest });
        (bound.value <= self.range.top + 4.0).then_some(bound)
    }

    /// Adds the tables of a term, those for lookups first; the first one takes the constant.
    fn tables(
        &mut self,
        term: &ScalarTerm,
        tables: &[(Layout, Vec<f64>)],
        constant: &mut Option<f64>,
        mixed: &mut Mixed<E>,
        mut bound: Bound,
    ) -> Option<Bound> {
        let gathers = self.code.gathers.len();
        for wanted in [true, false] {
            let pairs = term.tables.iter().zip(tables);
            for (&index, (layout, entries)) in pairs.filter(|(_, t)| t.0.is_lookup == wanted) {
                let factor = constant.take().unwrap_or(0.0);
                let scaled: Vec<f64> = entries.iter().map(|e| scaled(*e, factor)).collect();
                let (own, flushed) = self.table(index, layout, &scaled);
                bound = bound.times(Bound::constant(own, flushed, self.range), self.range);
                if bound.value > self.range.top + 4.0 {
                    return None;
                }
            }
        }
        mixed.gathers = Span::since(gathers, &self.code.gathers);
        Some(bound)
    }

    /// Adds a table; gives the logarithm of its largest entry and whether some entry is too small.
    fn table(&mut self, index: u32, layout: &Layout, entries: &[f64]) -> (f64, bool) {
        let numbers: Vec<(E, bool)> = entries.iter().map(|entry| self.number(*entry)).collect();
        let flushed = numbers.iter().any(|(_, flushed)| *flushed);
        let numbers = numbers.into_iter().map(|(number, _)| number);
        let variables = &self.program.tables[index as usize].variables;
        let code = &mut self.code;
        if layout.is_lookup {
            // A code of several bits begins at its plane and reaches into those of zeros above.
            let mut planes = [self.program.states.len() as u32; 4];
            for (variable, digit) in variables.iter().zip(&layout.digits) {
                planes[digit.1.ilog2() as usize] = *variable;
            }
            let mut table = [E::ZERO; 16];
            table.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
            code.lookups.push(planes);
            code.lookup_tables.push(table);
        } else {
            let mut digits = [(0, 0); 8];
            for ((to, variable), digit) in digits.iter_mut().zip(variables).zip(&layout.digits) {
                *to = (*variable, digit.1);
            }
            let start = code.gather_tables.len();
            code.gather_tables.extend(numbers);
            let entries = Span::since(start, &code.gather_tables);
            code.gathers.push(Gather { digits, count: variables.len(), entries });
        }
        (entries.iter().copied().fold(0.0, f64::max).log2(), flushed)
    }

    /// Adds the densities of a term; gives the bound with those that are no exponentials.
    fn densities(&mut self, term: &ScalarTerm, mixed: &mut Mixed<E>, mut bound: Bound) -> Bound {
        let lists = [LocationScale::Cauchy, LocationScale::Normal, LocationScale::Laplace];
        for wanted in lists {
            let mut list = std::mem::take(self.list(wanted));
            let start = list.len();
            for leaf in term.densities.iter().filter(|leaf| leaf.density == wanted) {
                list.push(self.density(leaf));
                if wanted == LocationScale::Cauchy {
                    bound = bound.times(Bound::constant(0.0, true, self.range), self.range);
                }
            }
            let span = Span::since(start, &list);
            *self.list(wanted) = list;
            match wanted {
                LocationScale::Cauchy => mixed.cauchies = span,
                LocationScale::Normal => mixed.normals = span,
                LocationScale::Laplace => mixed.laplaces = span,
            }
        }
        bound
    }

    fn list(&mut self, density: LocationScale) -> &mut Vec<Density<E>> {
        match density {
            LocationScale::Cauchy => &mut self.code.cauchies,
            LocationScale::Normal => &mut self.code.normals,
            LocationScale::Laplace => &mut self.code.laplaces,
        }
    }

    /// A density's constants. As a factor it is at most 1.
    fn density(&self, leaf: &ScalarDensity) -> Density<E> {
        let peak = self.peak(leaf).unwrap_or(0.0);
        let largest = if self.form == Form::General { peak.max(0.0) } else { peak };
        let (constant, missing) = match leaf.density {
            LocationScale::Cauchy => ((peak - largest).exp2(), (-largest).exp2()),
            _ => (peak / LOG2_E, 0.0),
        };
        Density {
            value: leaf.value,
            location: E::from_f64(self.read(leaf.location)),
            inverse: E::from_f64(inverse(leaf.density, self.read(leaf.scale))),
            constant: E::from_f64(constant),
            missing: E::from_f64(missing),
        }
    }

    /// A number in this precision, zero if it is too small; and whether that happened.
    fn number(&self, value: f64) -> (E, bool) {
        let flushed = value > 0.0 && value < self.range.flush.exp2();
        (E::from_f64(if flushed { 0.0 } else { value }), flushed)
    }
}

/// What deviations are multiplied by.
fn inverse(density: LocationScale, scale: f64) -> f64 {
    match density {
        LocationScale::Normal => 1.0 / (scale * 2.0_f64.sqrt()),
        LocationScale::Cauchy | LocationScale::Laplace => 1.0 / scale,
    }
}

/// `value · 2^exponent`, also where the power alone is out of range.
fn scaled(value: f64, exponent: f64) -> f64 {
    if exponent == f64::NEG_INFINITY {
        return 0.0;
    }
    let half = (exponent / 2.0).floor();
    value * half.exp2() * (exponent - half).exp2()
}
