//! How long each pass takes on large circuits: `cargo run --release -p spn-compiler --example
//! compile_times [layers.json …]`.
//!
//! Scalar trees of up to a million nodes, as structure learning makes them, then degenerate shapes whose
//! times show whether a pass is worse than linear, then networks of layers from files.

use std::time::Instant;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use spn_compiler::{Options, check, compile, fuse, memory, order, schedule, simplify};
use spn_ir::layers::{BuildOptions, LayerError, Network};
use spn_ir::{Circuit, CircuitBuilder, CircuitError, NodeId, Origin, Parameter, Slice};

/// A scalar circuit in the making; every node has parameters of its own.
struct Grower<R> {
    builder: CircuitBuilder,
    random: R,
}

impl<R: Rng> Grower<R> {
    fn new(variables: u32, random: R) -> Self {
        Self { builder: CircuitBuilder::new(variables), random }
    }

    fn leaf(&mut self, variable: u32) -> Result<NodeId, CircuitError> {
        let table = self.parameter(vec![1, 2], vec![0.5, 0.5]);
        self.builder.categorical(variable, 2, 1, table, Origin::Unknown)
    }

    fn parameter(&mut self, shape: Vec<usize>, values: Vec<f64>) -> Slice {
        let name = format!("p{}", self.builder.circuit().parameters.len());
        self.builder.quantity_of(Parameter::new(name, shape, values)).at(0)
    }

    fn sum(&mut self, children: &[NodeId]) -> Result<NodeId, CircuitError> {
        let count = children.len();
        let weights = self.parameter(vec![count, 1], vec![1.0 / count as f64; count]);
        self.builder.sum(children, 1, weights, Origin::Unknown)
    }

    /// A tree over these variables of about `nodes` nodes.
    fn tree(&mut self, variables: &[u32], nodes: usize) -> Result<NodeId, CircuitError> {
        if variables.len() == 1 {
            return self.leaf(variables[0]);
        }
        let mixtures = if nodes > 3 * variables.len() { self.random.random_range(2..4) } else { 1 };
        let mut children = Vec::new();
        for _ in 0..mixtures {
            let mut shuffled = variables.to_vec();
            shuffled.shuffle(&mut self.random);
            let cut = self.random.random_range(1..shuffled.len());
            let nodes = nodes / mixtures;
            let left = self.tree(&shuffled[..cut], nodes * cut / shuffled.len())?;
            let right =
                self.tree(&shuffled[cut..], nodes * (shuffled.len() - cut) / shuffled.len())?;
            children.push(self.builder.element_wise(&[left, right], Origin::Unknown)?);
        }
        if mixtures == 1 { Ok(children[0]) } else { self.sum(&children) }
    }

    fn finish(self, root: NodeId) -> Result<Circuit, CircuitError> {
        self.builder.finish(root)
    }
}

fn grower(variables: u32) -> Grower<impl Rng> {
    Grower::new(variables, spn_ir::random::stream(1, 0))
}

fn tree(variables: u32, nodes: usize) -> Result<Circuit, CircuitError> {
    let mut grower = grower(variables);
    let all: Vec<u32> = (0..variables).collect();
    let root = grower.tree(&all, nodes)?;
    grower.finish(root)
}

/// Products of two, each over the one before: as deep as it is large.
fn chain(nodes: usize) -> Result<Circuit, CircuitError> {
    let variables = nodes as u32 / 3;
    let mut grower = grower(variables);
    let mut last = grower.leaf(0)?;
    for variable in 1..variables {
        let leaf = grower.leaf(variable)?;
        last = grower.builder.element_wise(&[last, leaf], Origin::Unknown)?;
        last = grower.sum(&[last])?;
    }
    grower.finish(last)
}

/// One product of all leaves: as wide as it is large.
fn star(nodes: usize) -> Result<Circuit, CircuitError> {
    let mut grower = grower(nodes as u32);
    let leaves: Vec<NodeId> =
        (0..nodes as u32).map(|v| grower.leaf(v)).collect::<Result<_, _>>()?;
    let product = grower.builder.element_wise(&leaves, Origin::Unknown)?;
    let root = grower.sum(&[product])?;
    grower.finish(root)
}

fn from_layers(text: &str) -> Result<Circuit, LayerError> {
    Ok(Network::from_json(text)?.build(&BuildOptions::default())?.lower()?.circuit)
}

/// Milliseconds that `run` takes, after its result.
fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed().as_secs_f64() * 1e3)
}

fn report(name: &str, build: f64, circuit: &Circuit) {
    let options = Options::default();
    let (checked, check_time) = timed(|| check(circuit));
    let (simplified, simplify_time) = timed(|| simplify::run(circuit, &options));
    let (fused, fuse_time) = timed(|| fuse::run(simplified));
    let (mut scheduled, schedule_time) = timed(|| schedule::run(&fused));
    let last = fused.read_last();
    let (order, order_time) = timed(|| order::run(&mut scheduled, &last, order::SMALL));
    let kept = scheduled.slots_of(&last);
    let (_, memory_time) =
        timed(|| memory::for_inference(&scheduled.steps, &order, &scheduled.slots, &kept));
    let (plan, total) = timed(|| compile(circuit, &options));
    let rows = plan.as_ref().map_or(0, |plan| plan.inference.rows);
    println!(
        "{name:<28} {:>7} nodes {:>7} scopes {:>6} steps {rows:>7} rows | build {build:>7.1} check \
         {check_time:>6.1} simplify {simplify_time:>6.1} fuse {fuse_time:>6.1} schedule \
         {schedule_time:>6.1} order {order_time:>6.1} memory {memory_time:>6.1} | compile {total:>7.1} ms{}",
        circuit.nodes.len(),
        circuit.scopes.len(),
        scheduled.steps.len(),
        if checked.is_valid() { "" } else { " INVALID" },
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for nodes in [100_000, 1_000_000] {
        for variables in [100, 1_000, 10_000] {
            let (circuit, build) = timed(|| tree(variables, nodes));
            report(&format!("tree {nodes} x{variables}"), build, &circuit?);
        }
    }
    for nodes in [50_000, 100_000, 300_000] {
        let (circuit, build) = timed(|| chain(nodes));
        report(&format!("chain {nodes}"), build, &circuit?);
        let (circuit, build) = timed(|| star(nodes));
        report(&format!("star {nodes}"), build, &circuit?);
    }
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path)?;
        let (circuit, build) = timed(|| from_layers(&text));
        report(&path, build, &circuit?);
    }
    Ok(())
}
