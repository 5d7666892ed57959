//! Irregular scalar circuits of any size, as structure learning makes them.

use spn_ir::random::uniform_at;
use spn_ir::{Circuit, CircuitBuilder, CircuitError, NodeId, Origin, Parameter, Slice};

/// A tree of sums, products of two and binary leaves with about so many nodes; as it is a tree, it has
/// one edge less than nodes. Every node has parameters of its own, cuts are drawn from the seed.
///
/// # Errors
/// If the tree is too large for a circuit.
pub fn random_tree(variables: u32, nodes: usize, seed: u64) -> Result<Circuit, CircuitError> {
    let builder = CircuitBuilder::new(variables);
    let mut grower = Grower { builder, seed, drawn: 0 };
    let all: Vec<u32> = (0..variables).collect();
    let root = grower.region(&all, nodes)?;
    grower.builder.finish(root)
}

struct Grower {
    builder: CircuitBuilder,
    seed: u64,
    drawn: u64,
}

impl Grower {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.drawn += 1;
        (uniform_at(self.seed, 0, 0, self.drawn) * end as f64) as usize
    }

    /// A mixture of products over these variables, of about `nodes` nodes.
    fn region(&mut self, variables: &[u32], nodes: usize) -> Result<NodeId, CircuitError> {
        if let [variable] = variables {
            let table = self.parameter(vec![1, 2], vec![0.5, 0.5]);
            return self.builder.categorical(*variable, 2, 1, table, Origin::Unknown);
        }
        let mixes = nodes > 3 * variables.len();
        let count = if mixes { 2 + self.below(2) } else { 1 };
        let products = (0..count).map(|_| self.product(variables, nodes / count));
        let products = products.collect::<Result<Vec<_>, _>>()?;
        if let [product] = products[..] {
            return Ok(product);
        }
        let weights = self.parameter(vec![count, 1], vec![1.0 / count as f64; count]);
        self.builder.sum(&products, 1, weights, Origin::Unknown)
    }

    /// Two regions that share the variables between them in a random order.
    fn product(&mut self, variables: &[u32], nodes: usize) -> Result<NodeId, CircuitError> {
        let mut shuffled = variables.to_vec();
        for last in (1..shuffled.len()).rev() {
            let other = self.below(last + 1);
            shuffled.swap(last, other);
        }
        let cut = 1 + self.below(shuffled.len() - 1);
        let (left, right) = shuffled.split_at(cut);
        let left_nodes = nodes * cut / shuffled.len();
        let children = [self.region(left, left_nodes)?, self.region(right, nodes - left_nodes)?];
        self.builder.element_wise(&children, Origin::Unknown)
    }

    fn parameter(&mut self, shape: Vec<usize>, values: Vec<f64>) -> Slice {
        let name = format!("p{}", self.builder.circuit().parameters.len());
        self.builder.quantity_of(Parameter::new(name, shape, values)).at(0)
    }
}
