//! The values of tables: a sub-circuit evaluated for every combination of states.

use spn_ir::Slice;
use spn_ir::plan::{ScalarProgram, StateTable, TableNode};

use super::tile::Form;
use crate::simd::Element;

/// How the states of a table's variables make up the index of an entry: `Σ code · stride`.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// For each variable how many codes it has and the stride.
    pub(super) digits: Vec<(u32, u32)>,
    /// How many entries there are.
    pub(super) entries: usize,
    /// Whether a lookup of sixteen entries will do.
    pub(super) is_lookup: bool,
    /// Whether the code after those of the states is that of a missing value.
    has_missing: bool,
}

impl Layout {
    /// The layout of a table. For observed rows codes are bit fields; else, and where there are too
    /// many for a lookup, the code of a missing value follows those of the states.
    pub(super) fn new(program: &ScalarProgram, table: &StateTable, form: Form) -> Self {
        let variables = table.variables.iter().map(|v| program.states[*v as usize]);
        let bits: u32 = variables.clone().map(|variable| variable.bits()).sum();
        let is_lookup = form == Form::Observed && bits <= StateTable::BITS;
        let has_missing = form != Form::Row && !is_lookup;
        let mut stride = 1;
        let digits = variables
            .map(|variable| {
                let codes = if has_missing { variable.states + 1 } else { 1 << variable.bits() };
                let digit = (codes, stride);
                stride *= codes;
                digit
            })
            .collect();
        let entries = if is_lookup { 16 } else { stride as usize };
        Self { digits, entries, is_lookup, has_missing }
    }
}

/// Evaluates a table; `None` if an entry is no finite number from 0 on.
pub(super) fn evaluate<Q: Element>(
    program: &ScalarProgram,
    table: &StateTable,
    layout: &Layout,
    quantities: &[Vec<Q>],
) -> Option<Vec<f64>> {
    let entries = layout.entries;
    let read = |slice: Slice, index: usize| {
        quantities[slice.quantity.index()][slice.offset as usize + index].to_f64()
    };
    // Values one node after the other, all entries of each.
    let mut stack: Vec<f64> = Vec::with_capacity(entries * 4);
    for node in &table.expression {
        match *node {
            TableNode::Leaf { variable, states, probabilities } => {
                let (codes, stride) = layout.digits[variable as usize];
                let known = program.states[table.variables[variable as usize] as usize].states;
                let value = |code: u32| match probabilities {
                    _ if layout.has_missing && code == known => 1.0,
                    _ if code >= states => 0.0,
                    Some(slice) => read(slice, code as usize),
                    None => f64::from(u8::from(code == 0)),
                };
                let end = stack.len() + entries;
                while stack.len() < end {
                    for code in 0..codes {
                        stack.extend(std::iter::repeat_n(value(code), stride as usize));
                    }
                }
                stack.truncate(end);
            }
            TableNode::Product(0) => stack.extend(std::iter::repeat_n(1.0, entries)),
            TableNode::Product(count) => {
                let first = stack.len() - count as usize * entries;
                let (product, others) = stack[first..].split_at_mut(entries);
                for factor in others.chunks_exact(entries) {
                    product.iter_mut().zip(factor).for_each(|(product, factor)| *product *= factor);
                }
                stack.truncate(first + entries);
            }
            TableNode::Sum { count: 0, .. } => stack.extend(std::iter::repeat_n(0.0, entries)),
            TableNode::Sum { count, weights } => {
                let first = stack.len() - count as usize * entries;
                let weights: Vec<f64> = (0..count as usize).map(|i| read(weights, i)).collect();
                if weights.iter().any(|weight| !is_proper(*weight)) {
                    return None;
                }
                let (sum, others) = stack[first..].split_at_mut(entries);
                sum.iter_mut().for_each(|value| *value *= weights[0]);
                for (values, weight) in others.chunks_exact(entries).zip(&weights[1..]) {
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value * weight);
                }
                stack.truncate(first + entries);
            }
        }
    }
    stack.iter().all(|value| is_proper(*value)).then_some(stack)
}

/// Whether a number is one that weights and probabilities may be.
pub(super) fn is_proper(value: f64) -> bool {
    value >= 0.0 && value.is_finite()
}
