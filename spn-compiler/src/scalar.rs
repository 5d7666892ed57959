//! The scalar program of a circuit whose blocks all have one unit.
//!
//! In: a simplified circuit. Out: a [`ScalarProgram`], or nothing if some block is wider, rows are
//! normalised or a variable has too many states.
//!
//! ```text
//! a, b over {x0, x1}, few states:   s = sum(product(a, b), product(c, d))   ->  one table t0
//! p = product(s, t, leaf(x2))       ->  r0 · t1        (t needs a register, s and the leaf one table)
//! ```
//!
//! * A sub-circuit over a few states becomes a *table*; small factors of one product share tables.
//! * Sums, and products that several nodes read, get a *register*; all other products are written
//!   out where they are read.
//! * Operations are ordered depth first, and registers are used again when their last reader is
//!   done, so that what is read was written a short time ago.

mod registers;
mod tables;

use std::collections::HashMap;

use smallvec::SmallVec;
use spn_ir::plan::{
    ScalarDensity, ScalarOperation, ScalarProgram, ScalarTerm, StateTable, StateVariable,
};
use spn_ir::{Circuit, Leaf, LeafFamily, NodeId, NodeKind, Slice, VariableId};

use self::registers::Registers;
use self::tables::{Factor, Small};
use crate::check::reachable;

/// The scalar program of a circuit with tables of at most so many bits, if it can have one.
#[must_use]
pub fn run(circuit: &Circuit, bits: u32) -> Option<ScalarProgram> {
    if circuit.normalisation.is_some() {
        return None;
    }
    let reachable = reachable(&circuit.nodes, &[circuit.root]);
    let nodes = || circuit.iter().filter(|(id, _)| reachable[id.index()]);
    if nodes().any(|(_, node)| node.width != 1) {
        return None;
    }
    let mut pass = Pass {
        circuit,
        bits,
        variables: variables(circuit, &reachable)?,
        readers: vec![0; circuit.nodes.len()],
        small: Vec::with_capacity(circuit.nodes.len()),
        program: ScalarProgram::default(),
    };
    for (_, node) in nodes() {
        for child in node.children() {
            pass.readers[child.index()] += 1;
        }
    }
    pass.list_variables();
    for (id, _) in circuit.iter() {
        let small = if reachable[id.index()] { pass.small_node(id) } else { None };
        pass.small.push(small);
    }
    pass.emit();
    Some(pass.program)
}

/// How a variable is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Unread,
    /// As one of so many states.
    State(u32),
    /// As a number.
    Value,
}

/// How each variable is read; nothing if that is both ways or as one of too many states.
fn variables(circuit: &Circuit, reachable: &[bool]) -> Option<Vec<Reading>> {
    let mut readings = vec![Reading::Unread; circuit.variables as usize];
    for (_, node) in circuit.iter().filter(|(id, _)| reachable[id.index()]) {
        let NodeKind::Leaf(leaf) = &node.kind else { continue };
        let reading = match leaf.family {
            LeafFamily::LocationScale { .. } => Reading::Value,
            LeafFamily::Indicator => Reading::State(1),
            LeafFamily::Categorical { states, .. } => Reading::State(states),
        };
        for variable in &leaf.variables {
            let known = &mut readings[variable.index()];
            *known = match (*known, reading) {
                (Reading::Unread, new) => new,
                (Reading::State(old), Reading::State(new)) => Reading::State(old.max(new)),
                (Reading::Value, Reading::Value) => Reading::Value,
                _ => return None,
            };
        }
    }
    let fits = |reading: &Reading| match *reading {
        Reading::State(states) => (1..=StateVariable::MOST).contains(&states),
        _ => true,
    };
    readings.iter().all(fits).then_some(readings)
}

struct Pass<'a> {
    circuit: &'a Circuit,
    /// The most bits of a table.
    bits: u32,
    variables: Vec<Reading>,
    /// How often each node is read.
    readers: Vec<u32>,
    /// What can be said of each node if it fits into a table.
    small: Vec<Option<Small>>,
    program: ScalarProgram,
}

impl<'a> Pass<'a> {
    /// Lists the variables; afterwards [`Reading`] counts for nothing but its kind.
    fn list_variables(&mut self) {
        for (index, reading) in self.variables.iter().enumerate() {
            let variable = VariableId(index as u32);
            match *reading {
                Reading::State(states) => {
                    self.program.states.push(StateVariable { variable, states });
                }
                Reading::Value => self.program.values.push(variable),
                Reading::Unread => {}
            }
        }
    }

    /// The index of a variable among those that are read as states.
    fn state(&self, variable: VariableId) -> u32 {
        self.program.states.partition_point(|state| state.variable < variable) as u32
    }

    /// Whether a node's value is kept in a register.
    fn has_register(&self, id: NodeId) -> bool {
        if id == self.circuit.root {
            return true;
        }
        if self.small[id.index()].is_some() {
            return false;
        }
        matches!(self.circuit.node(id).kind, NodeKind::Sum(_)) || self.readers[id.index()] > 1
    }

    /// Writes the operations, depth first, then gives them registers.
    fn emit(&mut self) {
        let mut registers = Registers::new(self.circuit.nodes.len());
        let siblings = self.siblings();
        // A node is visited twice: before what it reads and after.
        let mut stack = vec![(self.circuit.root, false)];
        let mut seen = vec![false; self.circuit.nodes.len()];
        while let Some((id, after)) = stack.pop() {
            if after {
                registers.push(id, self.operation(id));
            } else if !seen[id.index()] {
                // Sums over the same children follow each other: what they read is at hand.
                let group = siblings.get(self.circuit.node(id).children());
                let group = group.map_or(std::slice::from_ref(&id), Vec::as_slice);
                for &sibling in group.iter().rev() {
                    seen[sibling.index()] = true;
                    stack.push((sibling, true));
                }
                stack.extend(self.reads(id).into_iter().rev().map(|read| (read, false)));
            }
        }
        (self.program.operations, self.program.registers) = registers.allocate();
    }

    /// The sums with registers over each list of children that several sums have.
    fn siblings(&self) -> HashMap<&'a [NodeId], Vec<NodeId>> {
        let circuit = self.circuit;
        let mut siblings: HashMap<&[NodeId], Vec<NodeId>> = HashMap::new();
        for (id, node) in circuit.iter() {
            let read = self.readers[id.index()] > 0 && self.has_register(id);
            if let (NodeKind::Sum(sum), true) = (&node.kind, read) {
                siblings.entry(sum.children.as_slice()).or_default().push(id);
            }
        }
        siblings.retain(|_, group| group.len() > 1);
        siblings
    }

    /// The nodes of which a node's operation reads registers.
    fn reads(&self, id: NodeId) -> Vec<NodeId> {
        let mut stack = self.circuit.node(id).children().to_vec();
        let mut reads = Vec::new();
        while let Some(child) = stack.pop() {
            if self.has_register(child) {
                reads.push(child);
            } else if self.small[child.index()].is_none() {
                stack.extend_from_slice(self.circuit.node(child).children());
            }
        }
        reads.reverse();
        reads
    }

    /// A node's operation; registers are still numbers of nodes.
    fn operation(&mut self, id: NodeId) -> ScalarOperation {
        let circuit = self.circuit;
        let terms = match &circuit.node(id).kind {
            NodeKind::Sum(sum) => {
                let weights = (0..).map(|index| at(sum.weights, index));
                sum.children.iter().zip(weights).map(|(&c, w)| self.term(c, Some(w))).collect()
            }
            NodeKind::Product(_) | NodeKind::Leaf(_) => vec![self.term_of(id, None)],
        };
        ScalarOperation { output: id.0, terms }
    }

    fn term(&mut self, id: NodeId, weight: Option<Slice>) -> ScalarTerm {
        if self.has_register(id) {
            let registers = SmallVec::from_slice(&[id.0]);
            return ScalarTerm { weight, registers, ..ScalarTerm::default() };
        }
        self.term_of(id, weight)
    }

    /// The term that computes a product or a leaf.
    fn term_of(&mut self, id: NodeId, weight: Option<Slice>) -> ScalarTerm {
        let mut term = ScalarTerm { weight, ..ScalarTerm::default() };
        let mut factors = Vec::new();
        let mut stack = vec![id];
        while let Some(factor) = stack.pop() {
            if factor != id && self.has_register(factor) {
                term.registers.push(factor.0);
            } else if let Some(small) = &self.small[factor.index()] {
                factors.push(Factor { node: factor, variables: small.variables.clone() });
            } else if let NodeKind::Leaf(leaf) = &self.circuit.node(factor).kind {
                self.leaf_factors(leaf, &mut term);
            } else {
                stack.extend(self.circuit.node(factor).children().iter().rev());
            }
        }
        for table in self.pack(factors) {
            term.tables.push(self.program.tables.len() as u32);
            self.program.tables.push(table);
        }
        term
    }

    /// Adds the factors of a leaf that fits into no table: densities, or a table for each variable.
    fn leaf_factors(&mut self, leaf: &Leaf, term: &mut ScalarTerm) {
        for (index, &variable) in leaf.variables.iter().enumerate() {
            let index = index as u32;
            if let LeafFamily::LocationScale { density, location, scale } = leaf.family {
                let value = self.program.values.partition_point(|v| *v < variable) as u32;
                let (location, scale) = (at(location, index), at(scale, index));
                term.densities.push(ScalarDensity { density, value, location, scale });
            } else {
                let variables = SmallVec::from_slice(&[self.state(variable)]);
                let expression = vec![tables::leaf(leaf, index, 0)];
                term.tables.push(self.program.tables.len() as u32);
                self.program.tables.push(StateTable { variables, expression });
            }
        }
    }
}

/// The slice that begins `index` values later.
fn at(slice: Slice, index: u32) -> Slice {
    Slice { offset: slice.offset + index, ..slice }
}
