//! Scheduling: operations become steps, isomorphic operations of one level share a step.
//!
//! The *level* of an operation is one more than the highest level of what it reads. Operations of
//! one level are independent, so those of one shape form a group that one kernel call runs over
//! many blocks. Steps are ordered by level, within a level by first appearance.

use std::collections::BTreeMap;
use std::fmt;

use spn_ir::plan::{
    DropoutStep, LeafInstance, LeafKernel, LeafStep, ProductStep, SlotId, Step, SumInstance,
    SumProductStep, Term,
};
use spn_ir::{Circuit, Leaf, LeafFamily, NodeId, NodeKind};

use crate::fuse::{Fused, FusedTerm, Operation, OperationKind};

/// Steps in order and the slots they write.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The steps.
    pub steps: Vec<Step>,
    /// Rows of each slot.
    pub slots: Vec<u32>,
    /// The slot of each node that has one.
    slot_of: Vec<Option<SlotId>>,
}

impl Schedule {
    /// The slots of these nodes, which all are operations.
    pub fn slots_of(&self, nodes: &[NodeId]) -> Vec<SlotId> {
        nodes.iter().filter_map(|id| self.slot_of[id.index()]).collect()
    }

    /// The node that each slot holds.
    fn nodes(&self) -> Vec<NodeId> {
        let mut nodes = vec![NodeId::default(); self.slots.len()];
        for (index, slot) in self.slot_of.iter().enumerate() {
            if let Some(slot) = slot {
                nodes[slot.index()] = NodeId(index as u32);
            }
        }
        nodes
    }

    /// Gives every slot the id that stands at its old one.
    pub(crate) fn rename(&mut self, renamed: &[SlotId]) {
        for slot in self.slot_of.iter_mut().flatten() {
            *slot = renamed[slot.index()];
        }
    }

    fn new_slot(&mut self, node: NodeId, rows: u32) -> SlotId {
        let slot = SlotId(self.slots.len() as u32);
        self.slots.push(rows);
        self.slot_of[node.index()] = Some(slot);
        slot
    }
}

/// What operations of one step have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Leaf(LeafKernel, u32, usize),
    Product(Term),
    SumProduct(u32, Vec<Term>),
    Dropout(u32),
}

/// Groups the operations and gives every one its slot.
#[must_use]
pub fn run(fused: &Fused) -> Schedule {
    let circuit = &fused.circuit;
    let mut schedule =
        Schedule { steps: Vec::new(), slots: Vec::new(), slot_of: vec![None; circuit.nodes.len()] };
    for group in groups(fused) {
        let first = &fused.operations[group[0]];
        let operations = group.iter().map(|&index| &fused.operations[index]);
        let step = match &first.kind {
            OperationKind::Leaf => Step::Leaf(leaf_step(&mut schedule, circuit, operations)),
            OperationKind::Product(term) => {
                Step::Product(product_step(&mut schedule, term, operations))
            }
            OperationKind::SumProduct(terms) => {
                Step::SumProduct(sum_step(&mut schedule, circuit, terms, operations))
            }
            OperationKind::Dropout(_) => {
                Step::Dropout(dropout_step(&mut schedule, circuit, operations))
            }
        };
        schedule.steps.push(step);
    }
    schedule
}

/// The groups of one level, and where the group of each shape stands.
#[derive(Default)]
struct Level {
    known: BTreeMap<Shape, usize>,
    groups: Vec<Vec<usize>>,
}

/// Indices of the operations of each step, in the order of the steps.
fn groups(fused: &Fused) -> Vec<Vec<usize>> {
    let mut level_of = vec![0_u32; fused.circuit.nodes.len()];
    let mut levels: Vec<Level> = Vec::new();
    for (index, operation) in fused.operations.iter().enumerate() {
        let level = factors(operation).map(|id| level_of[id.index()] + 1).max().unwrap_or(0);
        level_of[operation.node.index()] = level;
        if levels.len() <= level as usize {
            levels.resize_with(level as usize + 1, Default::default);
        }
        let Level { known, groups } = &mut levels[level as usize];
        let group = *known.entry(shape(&fused.circuit, operation)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(index);
    }
    levels.into_iter().flat_map(|level| level.groups).collect()
}

fn factors(operation: &Operation) -> Box<dyn Iterator<Item = NodeId> + '_> {
    match &operation.kind {
        OperationKind::Leaf => Box::new(std::iter::empty()),
        OperationKind::Product(term) => Box::new(term.factors.iter().copied()),
        OperationKind::SumProduct(terms) => {
            Box::new(terms.iter().flat_map(|term| term.factors.iter().copied()))
        }
        OperationKind::Dropout(child) => Box::new(std::iter::once(*child)),
    }
}

fn shape(circuit: &Circuit, operation: &Operation) -> Shape {
    let node = circuit.node(operation.node);
    match (&operation.kind, &node.kind) {
        (OperationKind::Product(term), _) => Shape::Product(term.term.clone()),
        (OperationKind::SumProduct(terms), _) => {
            Shape::SumProduct(node.width, terms.iter().map(|t| t.term.clone()).collect())
        }
        (OperationKind::Leaf, NodeKind::Leaf(leaf)) => {
            Shape::Leaf(kernel(leaf), node.width, leaf.variables.len())
        }
        _ => Shape::Dropout(node.width),
    }
}

/// The kernel that computes a leaf.
pub(crate) fn kernel(leaf: &Leaf) -> LeafKernel {
    match leaf.family {
        LeafFamily::LocationScale { density, .. } => LeafKernel::LocationScale(density),
        LeafFamily::Indicator => LeafKernel::Indicator,
        LeafFamily::Categorical { states, .. } => LeafKernel::Categorical { states },
    }
}

fn leaf_step<'a>(
    schedule: &mut Schedule,
    circuit: &Circuit,
    operations: impl Iterator<Item = &'a Operation>,
) -> LeafStep {
    let mut step = LeafStep {
        kernel: LeafKernel::Indicator,
        width: 0,
        dimensions: 0,
        variables: Vec::new(),
        instances: Vec::new(),
    };
    for operation in operations {
        let node = circuit.node(operation.node);
        let NodeKind::Leaf(leaf) = &node.kind else { continue };
        step.kernel = kernel(leaf);
        step.width = node.width;
        step.dimensions = leaf.variables.len() as u32;
        step.variables.extend_from_slice(&leaf.variables);
        let (first, second) = match leaf.family {
            LeafFamily::LocationScale { location, scale, .. } => (Some(location), Some(scale)),
            LeafFamily::Indicator => (None, None),
            LeafFamily::Categorical { probabilities, .. } => (Some(probabilities), None),
        };
        let output = schedule.new_slot(operation.node, node.width);
        step.instances.push(LeafInstance { first, second, output });
    }
    step
}

fn product_step<'a>(
    schedule: &mut Schedule,
    shape: &FusedTerm,
    operations: impl Iterator<Item = &'a Operation>,
) -> ProductStep {
    let term = shape.term.clone();
    let mut step = ProductStep { term, factors: Vec::new(), outputs: Vec::new() };
    for operation in operations {
        let nodes: Vec<NodeId> = factors(operation).collect();
        step.factors.extend(schedule.slots_of(&nodes));
        step.outputs.push(schedule.new_slot(operation.node, step.term.rows));
    }
    step
}

fn sum_step<'a>(
    schedule: &mut Schedule,
    circuit: &Circuit,
    shapes: &[FusedTerm],
    operations: impl Iterator<Item = &'a Operation>,
) -> SumProductStep {
    let terms: Vec<Term> = shapes.iter().map(|fused| fused.term.clone()).collect();
    let inputs = terms.iter().map(|term| term.rows).sum();
    let (factors_of, instances) = (Vec::new(), Vec::new());
    let mut step = SumProductStep { width: 0, inputs, terms, factors: factors_of, instances };
    for operation in operations {
        let node = circuit.node(operation.node);
        let NodeKind::Sum(sum) = &node.kind else { continue };
        step.width = node.width;
        let nodes: Vec<NodeId> = factors(operation).collect();
        step.factors.extend(schedule.slots_of(&nodes));
        let output = schedule.new_slot(operation.node, node.width);
        step.instances.push(SumInstance { weights: sum.weights, output });
    }
    step
}

fn dropout_step<'a>(
    schedule: &mut Schedule,
    circuit: &Circuit,
    operations: impl Iterator<Item = &'a Operation>,
) -> DropoutStep {
    let mut step = DropoutStep { instances: Vec::new() };
    for operation in operations {
        let node = circuit.node(operation.node);
        let (Some(dropout), OperationKind::Dropout(child)) = (node.dropout, &operation.kind) else {
            continue;
        };
        let input = schedule.slots_of(&[*child])[0];
        step.instances.push((input, schedule.new_slot(operation.node, node.width), dropout));
    }
    step
}

/// For each step its shape, then a line for each slot it writes: which node's values the slot
/// holds and which slots they are computed from.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes();
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "step {index}: {}", shape_text(step))?;
            let inputs: Vec<SlotId> = step.inputs().collect();
            let outputs: Vec<SlotId> = step.outputs().collect();
            let each = inputs.len() / outputs.len().max(1);
            for (position, output) in outputs.iter().enumerate() {
                let reads = &inputs[position * each..(position + 1) * each];
                let reads: Vec<String> = reads.iter().map(|slot| format!("s{}", slot.0)).collect();
                let from = if each == 0 { "" } else { " from " };
                writeln!(
                    f,
                    "  s{} = n{}{from}{}",
                    output.0,
                    nodes[output.index()].0,
                    reads.join(" ")
                )?;
            }
        }
        Ok(())
    }
}

fn shape_text(step: &Step) -> String {
    match step {
        Step::Leaf(step) => format!("leaf {} x{}", step.kernel, step.width),
        Step::Product(step) => format!("product of {}", step.term),
        Step::SumProduct(step) => {
            let terms: Vec<String> = step.terms.iter().map(ToString::to_string).collect();
            format!("sum-product x{} of {}", step.width, terms.join(", "))
        }
        Step::Dropout(_) => "dropout".to_owned(),
    }
}
