//! The scalar program: a second forward pass for circuits all of whose blocks have one unit.
//!
//! Such circuits (learned trees, imported ones) are many small operations; kernels over blocks
//! spend their time between them. A [`ScalarProgram`] lists the operations depth first over a few
//! *registers*, rows of one number for each sample, and computes linear values instead of
//! logarithms. Parts over few states are *tables*: a lookup takes the place of a sub-circuit.
//! The runtime chooses powers of two that keep numbers in range, and runs samples where that
//! failed again, so the program says nothing about scales. Only log-likelihoods use it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{LeafKernel, Plan, VariableId};
use crate::{LocationScale, Slice};

/// A forward pass over registers, depth first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalarProgram {
    /// Variables read as states.
    pub states: Vec<StateVariable>,
    /// Variables read as numbers.
    pub values: Vec<VariableId>,
    /// Tables of sub-circuits over few states.
    pub tables: Vec<StateTable>,
    /// How many registers there are.
    pub registers: u32,
    /// The operations in order; the last one computes the root.
    pub operations: Vec<ScalarOperation>,
}

/// A variable that leaves read as a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVariable {
    /// The variable.
    pub variable: VariableId,
    /// How many states its leaves tell apart, the most of any, at most [`Self::MOST`].
    pub states: u32,
}

/// The value of a sub-circuit for every combination of states of its variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateTable {
    /// Its variables: indices into [`ScalarProgram::states`]. Together they have at most
    /// [`Self::BITS`] bits (in a program for single rows [`Self::ROW_BITS`]), or it is a single one.
    pub variables: SmallVec<[u32; 4]>,
    /// The sub-circuit in postfix order.
    pub expression: Vec<TableNode>,
}

/// One node of a table's sub-circuit; it takes its children from a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableNode {
    /// The probability of a state.
    Leaf {
        /// Which of the table's variables.
        variable: u8,
        /// How many states the leaf knows; others have probability 0.
        states: u32,
        /// Probabilities of the states; `None`: state 0 has 1.
        probabilities: Option<Slice>,
    },
    /// The product of the last so many values; 1 if there are none.
    Product(u32),
    /// The weighted sum of the last so many values.
    Sum {
        /// How many.
        count: u32,
        /// Their linear weights.
        weights: Slice,
    },
}

/// Writes the sum of some terms into a register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalarOperation {
    /// The register. It may be one that the terms read.
    pub output: u32,
    /// The terms.
    pub terms: Vec<ScalarTerm>,
}

/// A weighted product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalarTerm {
    /// Its linear weight, one value; `None` is 1.
    pub weight: Option<Slice>,
    /// Factors from earlier operations.
    pub registers: SmallVec<[u32; 4]>,
    /// Factors from tables.
    pub tables: SmallVec<[u32; 4]>,
    /// Densities of numbers.
    pub densities: Vec<ScalarDensity>,
}

/// The density of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalarDensity {
    /// Which density.
    pub density: LocationScale,
    /// Index into [`ScalarProgram::values`].
    pub value: u32,
    /// Its location, one value.
    pub location: Slice,
    /// Its scale, one value.
    pub scale: Slice,
}

impl StateVariable {
    /// The most states of a variable of a scalar program.
    pub const MOST: u32 = 256;

    /// How many bits its states take.
    #[must_use]
    pub fn bits(&self) -> u32 {
        (self.states.max(2) - 1).ilog2() + 1
    }
}

impl StateTable {
    /// The most bits of a table over several variables, for batches: a register can hold it.
    pub const BITS: u32 = 4;
    /// The most bits for one row at a time, whose index is a byte.
    pub const ROW_BITS: u32 = 8;
}

impl ScalarTerm {
    /// Whether it is just a weighted register.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.registers.len() == 1 && self.tables.is_empty() && self.densities.is_empty()
    }

    /// Whether it is a product of registers and nothing else.
    #[must_use]
    pub fn is_unweighted(&self) -> bool {
        self.weight.is_none() && self.tables.is_empty() && self.densities.is_empty()
    }
}

impl Plan {
    /// The scalar program as text, one line for each operation; empty if there is none.
    #[must_use]
    pub fn scalar_text(&self) -> String {
        let Some(program) = &self.scalar else { return String::new() };
        let mut text = format!("scalar: {}\n", program.summary());
        for (index, table) in program.tables.iter().enumerate() {
            let names = table.variables.iter().map(|&v| {
                let StateVariable { variable, states } = program.states[v as usize];
                format!("x{}:{states}", variable.0)
            });
            let names: Vec<String> = names.collect();
            let nodes = table.expression.len();
            text.push_str(&format!("  t{index}: {} ({nodes} nodes)\n", names.join(" ")));
        }
        for operation in &program.operations {
            let terms = operation.terms.iter().map(|term| self.scalar_term_text(program, term));
            let terms: Vec<String> = terms.collect();
            text.push_str(&format!("  r{} = {}\n", operation.output, terms.join(" + ")));
        }
        text
    }

    fn scalar_term_text(&self, program: &ScalarProgram, term: &ScalarTerm) -> String {
        let weight = term.weight.iter().map(|slice| {
            let name = self.slice_text(*slice);
            format!("{name}[{}]", slice.offset)
        });
        let registers = term.registers.iter().map(|register| format!("r{register}"));
        let tables = term.tables.iter().map(|table| format!("t{table}"));
        let densities = term.densities.iter().map(|leaf| {
            let kernel = LeafKernel::LocationScale(leaf.density);
            format!("{kernel}(x{})", program.values[leaf.value as usize].0)
        });
        let factors: Vec<String> = weight.chain(registers).chain(tables).chain(densities).collect();
        if factors.is_empty() { "1".to_owned() } else { factors.join("·") }
    }
}

impl ScalarProgram {
    /// Its size in words.
    pub(super) fn summary(&self) -> String {
        let (operations, tables) = (self.operations.len(), self.tables.len());
        format!("{operations} operations, {tables} tables, {} registers", self.registers)
    }
}
