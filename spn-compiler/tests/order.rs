//! Any order of execution computes everything once, after what it reads, and the inference memory
//! planned for it never overlaps values that are still needed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use spn_compiler::{Options, compile};
use spn_ir::plan::{Plan, SlotId};
use spn_ir::{CircuitBuilder, Combine, NodeId, Origin, Parameter};
use spn_testkit::random::circuits_with_rows;
use spn_testkit::{CircuitOptions, RowOptions};

/// Runs the plan with names in place of values: every row of the arena holds the slot that wrote it
/// last. Gives how many instances of each step ran.
fn run(plan: &Plan) -> Result<Vec<usize>, String> {
    let mut arena = vec![None; plan.inference.rows as usize];
    let mut done = vec![0; plan.steps.len()];
    let rows = |slot: SlotId| {
        let first = plan.inference.offsets[slot.index()] as usize;
        first..first + plan.slots[slot.index()] as usize
    };
    let holds = |arena: &[Option<SlotId>], slot| {
        if arena[rows(slot)].iter().all(|owner| *owner == Some(slot)) {
            return Ok(());
        }
        Err(format!("slot {} is read when it is not there", slot.0))
    };
    for (index, instances) in plan.forward_order() {
        let step = &plan.steps[index];
        if instances.start != done[index] {
            return Err(format!("step {index} runs {instances:?} after {}", done[index]));
        }
        done[index] = instances.end;
        let reads: Vec<SlotId> = instances.clone().flat_map(|i| step.reads(i)).copied().collect();
        for slot in &reads {
            holds(&arena, *slot)?;
        }
        let writes: Vec<SlotId> = instances.map(|i| step.writes(i)).collect();
        writes.iter().for_each(|slot| arena[rows(*slot)].fill(Some(*slot)));
        // Nothing that a run writes may lie where it reads or on each other.
        for slot in reads.iter().chain(&writes) {
            holds(&arena, *slot)?;
        }
    }
    plan.root.factors.iter().chain(&plan.outputs).try_for_each(|slot| holds(&arena, *slot))?;
    Ok(done)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn orders_are_topological_and_memory_never_overlaps(
        (sample, _) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 1),
        choice in proptest::num::usize::ANY,
        dropout in proptest::bool::ANY,
        small_part in prop_oneof![Just(0), 0_u64..64, Just(1024)],
    ) {
        let circuit = &sample.circuit;
        let outputs = vec![NodeId((choice % circuit.nodes.len()) as u32)];
        let plan = compile(circuit, &Options { dropout, outputs, small_part, ..Options::default() });
        let plan = plan.unwrap();
        let done = run(&plan).map_err(|error| TestCaseError::fail(format!("{error}\n{plan}")))?;
        let steps: Vec<usize> = plan.steps.iter().map(spn_ir::plan::Step::len).collect();
        prop_assert_eq!(done, steps);
        prop_assert_eq!(plan.verify(), Ok(()));
    }
}

/// A network of overlapping, dilated windows over a row of blocks, as convolutions make them.
fn windows() -> spn_ir::Circuit {
    let mut text = String::from("spn 1\nvariables 64\n");
    for variable in 0..64 {
        text += &format!("a{variable} = leaf indicator({variable}) x2\n");
    }
    // Sums of windows of two blocks, 8 apart: four levels of 64, 56, 48 and 40.
    let mut last: Vec<String> = (0..64).map(|variable| format!("a{variable}")).collect();
    for (level, dilation) in [8_usize, 8, 8].into_iter().enumerate() {
        let names = (dilation..last.len()).map(|at| {
            let (left, right) = (&last[at - dilation], &last[at]);
            let (product, sum) = (format!("p{level}_{at}"), format!("s{level}_{at}"));
            text += &format!("{product} = product({left}, {right})\n");
            text += &format!("{sum} = sum({product}) x2 weights=[0.5 0.5; 0.4 0.6]\n");
            sum
        });
        last = names.collect();
    }
    text += &format!("top = product({})\nroot = sum(top) weights=[0.5 0.5]\n", last.join(", "));
    text += "root root\n";
    spn_ir::text::parse(&text).unwrap()
}

#[test]
fn windows_that_share_blocks_are_run_together() {
    let compiled = |small_part| {
        let options = Options { small_part, allow_invalid: true, ..Options::default() };
        compile(&windows(), &options).unwrap()
    };
    let (depth_first, steps) = (compiled(0), compiled(1 << 20));
    run(&depth_first).unwrap();
    assert_eq!(steps.order.len(), steps.steps.len());
    // The 40 blocks that the root reads, and of the 8 independent chains of windows only one.
    assert!(depth_first.inference.rows <= 80 + 16, "{}", depth_first.memory_text());
    assert!(steps.inference.rows >= 200, "{}", steps.memory_text());
}

/// A tree over 16 variables whose sums of 100 units read all 10,000 combinations of two blocks of
/// 100 units; they share their weights.
fn wide_tree() -> spn_ir::Circuit {
    let mut builder = CircuitBuilder::new(16);
    let values = vec![1e-4; 10_000 * 100];
    let weights = builder.quantity_of(Parameter::new("weights", vec![10_000, 100], values));
    let table = Parameter::new("probabilities", vec![100, 2], vec![0.5; 200]);
    let table = builder.quantity_of(table);
    let leaf = |variable| builder.categorical(variable, 2, 100, table.at(0), Origin::Unknown);
    let mut level: Vec<NodeId> = (0..16).map(leaf).collect::<Result<_, _>>().unwrap();
    while level.len() > 1 {
        let pairs = level.chunks(2).map(|pair| {
            let product = builder.product(pair, Combine::Outer, Origin::Unknown)?;
            builder.sum(&[product], 100, weights.at(0), Origin::Unknown)
        });
        level = pairs.collect::<Result<_, _>>().unwrap();
    }
    let last = builder.quantity_of(Parameter::new("last", vec![100, 1], vec![0.01; 100]));
    let root = builder.sum(&level, 1, last.at(0), Origin::Unknown).unwrap();
    builder.finish(root).unwrap()
}

#[test]
fn outer_products_take_no_rows_of_the_arena() {
    let plan = compile(&wide_tree(), &Options::default()).unwrap();
    run(&plan).unwrap();
    // A block for each of the five levels, and those that are being combined.
    assert!(plan.inference.rows <= 1000, "{plan}");
    // 31 blocks, and for 15 sums the linear inputs and outputs.
    assert_eq!(plan.training.rows, 31 * 100 + 15 * 10_100);
}
