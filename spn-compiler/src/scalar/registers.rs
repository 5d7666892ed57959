//! Registers: where operations leave their values, used again when the last reader is done.

use spn_ir::NodeId;
use spn_ir::plan::ScalarOperation;

/// Operations in order, whose registers are still numbers of nodes.
pub(super) struct Registers {
    operations: Vec<ScalarOperation>,
    /// The last operation that reads each node.
    last_reader: Vec<usize>,
}

impl Registers {
    /// For a circuit of so many nodes.
    pub(super) fn new(nodes: usize) -> Self {
        Self { operations: Vec::new(), last_reader: vec![usize::MAX; nodes] }
    }

    /// Adds the operation that computes a node.
    pub(super) fn push(&mut self, node: NodeId, operation: ScalarOperation) {
        let index = self.operations.len();
        for node in operation.terms.iter().flat_map(|term| &term.registers) {
            self.last_reader[*node as usize] = index;
        }
        self.last_reader[node.index()] = usize::MAX;
        self.operations.push(operation);
    }

    /// The operations with registers, and how many there are.
    pub(super) fn allocate(mut self) -> (Vec<ScalarOperation>, u32) {
        let mut register_of = vec![0; self.last_reader.len()];
        let mut free: Vec<u32> = Vec::new();
        let mut count = 0;
        for (index, operation) in self.operations.iter_mut().enumerate() {
            for register in operation.terms.iter_mut().flat_map(|term| &mut term.registers) {
                let node = *register as usize;
                *register = register_of[node];
                // The output may take its place: terms are read before it is written.
                if self.last_reader[node] == index {
                    free.push(*register);
                    self.last_reader[node] = usize::MAX;
                }
            }
            let output = free.pop().unwrap_or_else(|| {
                count += 1;
                count - 1
            });
            register_of[operation.output as usize] = output;
            operation.output = output;
        }
        (self.operations, count)
    }
}
