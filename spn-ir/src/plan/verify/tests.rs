//! Tests of the verification: each contradiction alone, on a plan with every kind of step.

use smallvec::smallvec;

use super::*;
use crate::plan::{
    DropoutStep, LeafInstance, LeafKernel, LeafStep, Memory, Numbers, Pick, ProductStep,
    ReverseStep, Root, Run, Step, SumInstance, SumProductStep, Term,
};
use crate::{
    Constraint, Dropout, DropoutKind, Formula, LocationScale, Parameter, ParameterId, Parameters,
    PickTable, PickTableId, Quantity, QuantityId, VariableId,
};

/// A plan over three variables that uses everything a plan can say.
pub(crate) fn sample() -> Plan {
    let mut parameters = Parameters::default();
    let mut quantities = Vec::new();
    let mut add = |name: &str, shape: &[usize], formula: fn(ParameterId) -> Formula, bounds| {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|i| 0.25 + i as f64 / 16.0).collect();
        let id = parameters.add(Parameter::new(name, shape.to_vec(), values));
        quantities.push(Quantity { shape: shape.to_vec(), formula: formula(id), bounds });
        id
    };
    add("0/location", &[2, 2], Formula::Direct, None);
    add("0/scale", &[2, 2], Formula::Softplus, Some((0.1, f64::INFINITY)));
    add("1/probabilities", &[2, 3], Formula::Direct, None);
    let weights = add("5/sum_weights", &[6, 2], Formula::Softmax, None);
    add("6/sum_weights", &[2, 1], Formula::Normalized, None);
    parameters.get_mut(weights).constraint = Some(Constraint::LogNormalized { axis: -2 });
    Plan {
        variables: 3,
        normalisation: Some(Normalisation::Fixed {
            mean: vec![0.0; 3],
            deviation: vec![1.0; 3],
            epsilon: 1e-8,
        }),
        parameters,
        quantities,
        tables: vec![PickTable { picks: vec![vec![1, 0], vec![0, 0]] }],
        slots: vec![2; 7],
        numbers: vec![Numbers::Scaled; 7],
        steps: steps(),
        root: Root {
            terms: vec![Term { rows: 2, factors: 2, pick: Pick::Same }],
            factors: [5, 6].map(SlotId).to_vec(),
            inputs: 2,
            weights: Some(slice(4, 0)),
        },
        reverse: (0..6)
            .rev()
            .map(|step| ReverseStep { step, parameters: true, children: step > 2 })
            .collect(),
        // The second normal leaf runs only when dropout is done.
        order: [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (4, 0), (5, 0)]
            .map(|(step, first)| Run { step, first, count: 1 })
            .to_vec(),
        outputs: vec![SlotId(6)],
        // Slot 5 takes the rows of slot 2 when dropout is done with it.
        inference: Memory { offsets: vec![0, 2, 4, 6, 8, 4, 10], kept: vec![], rows: 12 },
        training: Memory { offsets: vec![0, 2, 4, 6, 8, 10, 12], kept: vec![14; 6], rows: 14 + 8 },
        remarks: vec!["made by hand".to_owned()],
        scalar: Some(scalar::tests::sample()),
        scalar_row: Some(scalar::tests::sample()),
    }
}

fn slice(quantity: u32, offset: u32) -> Slice {
    Slice { quantity: QuantityId(quantity), offset }
}

fn steps() -> Vec<Step> {
    let leaf = |kernel, variables: &[u32], instances| {
        let variables = variables.iter().copied().map(VariableId).collect();
        Step::Leaf(LeafStep { kernel, width: 2, dimensions: 1, variables, instances })
    };
    let instance = |first, second, output| LeafInstance { first, second, output: SlotId(output) };
    let dropout = Dropout {
        kind: DropoutKind::Sum { keep_one: true },
        rate: 0.5,
        stream: 3,
        first: 0,
        stride: 1,
    };
    let normal = LeafKernel::LocationScale(LocationScale::Normal);
    let outer = Pick::Outer { digits: smallvec![(2, 2), (1, 2)] };
    vec![
        leaf(
            normal,
            &[0, 1],
            vec![
                instance(Some(slice(0, 0)), Some(slice(1, 0)), 0),
                instance(Some(slice(0, 2)), Some(slice(1, 2)), 1),
            ],
        ),
        leaf(
            LeafKernel::Categorical { states: 3 },
            &[2],
            vec![instance(Some(slice(2, 0)), None, 2)],
        ),
        leaf(LeafKernel::Indicator, &[2], vec![instance(None, None, 3)]),
        Step::Dropout(DropoutStep { instances: vec![(SlotId(2), SlotId(4), dropout)] }),
        Step::Product(ProductStep {
            term: Term { rows: 2, factors: 2, pick: Pick::Same },
            factors: vec![SlotId(0), SlotId(1)],
            outputs: vec![SlotId(5)],
        }),
        Step::SumProduct(SumProductStep {
            width: 2,
            inputs: 6,
            terms: vec![
                Term { rows: 4, factors: 2, pick: outer },
                Term { rows: 2, factors: 2, pick: Pick::Table(PickTableId(0)) },
            ],
            factors: [0, 4, 1, 3].map(SlotId).to_vec(),
            instances: vec![SumInstance { weights: slice(3, 0), output: SlotId(6) }],
        }),
    ]
}

/// The error of the sample after `change`.
fn error(change: impl FnOnce(&mut Plan)) -> PlanError {
    let mut plan = sample();
    change(&mut plan);
    plan.verify().unwrap_err()
}

fn leaf(plan: &mut Plan, step: usize) -> &mut LeafStep {
    let Step::Leaf(leaf) = &mut plan.steps[step] else { panic!("no leaf") };
    leaf
}

fn sum(plan: &mut Plan) -> &mut SumProductStep {
    let Step::SumProduct(sum) = &mut plan.steps[5] else { panic!("no sum") };
    sum
}

#[test]
fn a_consistent_plan_passes() {
    assert_eq!(sample().verify(), Ok(()));
}

/// Where the contradiction is found.
fn place(error: &PlanError) -> Place {
    match *error {
        PlanError::Missing { place, .. }
        | PlanError::Mismatch { place, .. }
        | PlanError::SliceOutside { place, .. }
        | PlanError::NotWritten { place, .. }
        | PlanError::WrittenTwice { place, .. }
        | PlanError::Overwritten { place, .. }
        | PlanError::Wrong { place, .. } => place,
    }
}

/// A change that makes the sample contradict itself.
type Change = fn(&mut Plan);

/// Each change must be found at its place.
fn check(changes: &[(Place, Change)]) {
    for (index, (expected, change)) in changes.iter().enumerate() {
        let found = error(change);
        assert_eq!(place(&found), *expected, "change {index}: {found}");
    }
}

#[test]
fn contradictions_in_tensors_and_memory_are_found() {
    check(&[
        (Place::Normalisation, |p| p.variables = 4),
        (Place::Step(1), |p| {
            p.variables = 2;
            p.normalisation = None;
        }),
        (Place::Parameter(0), |p| p.parameters.get_mut(ParameterId(0)).shape[0] = 3),
        (Place::Parameter(1), |p| p.parameters.get_mut(ParameterId(1)).shape = vec![1 << 62, 2]),
        (Place::Parameter(3), |p| {
            p.parameters.get_mut(ParameterId(3)).constraint =
                Some(Constraint::LogNormalized { axis: 2 });
        }),
        (Place::Quantity(0), |p| p.quantities[0].formula = Formula::Direct(ParameterId(5))),
        (Place::Quantity(0), |p| p.quantities[0].formula = Formula::Direct(ParameterId(2))),
        (Place::Quantity(1), |p| p.quantities[1].bounds = Some((2.0, 1.0))),
        (Place::Slot(3), |p| p.slots[3] = 0),
        (Place::Inference, |p| p.inference.rows = 11),
        (Place::Inference, |p| p.inference.rows = u32::MAX),
        (Place::Inference, |p| p.inference.offsets.truncate(6)),
        (Place::Inference, |p| p.inference.offsets[5] = 3),
        (Place::Inference, |p| p.inference.offsets[4] = 4),
        (Place::Inference, |p| p.inference.offsets[6] = 4),
        (Place::Training, |p| p.training.offsets[5] = 4),
        (Place::Training, |p| p.training.kept[5] = 15),
        (Place::Training, |p| p.training.kept[5] = 13),
        (Place::Training, |p| p.training.kept.clear()),
    ]);
}

#[test]
fn contradictions_in_steps_are_found() {
    check(&[
        (Place::Numbers, |p| p.numbers.truncate(6)),
        (Place::Step(0), |p| leaf(p, 0).variables.truncate(1)),
        (Place::Step(3), |p| p.numbers[2] = Numbers::Log),
        (Place::Step(4), |p| p.numbers[1] = Numbers::Log),
        (Place::Step(4), |p| p.numbers[5] = Numbers::Log),
        (Place::Step(5), |p| p.numbers[3] = Numbers::Log),
        (Place::Step(5), |p| p.numbers[6] = Numbers::Log),
        (Place::Step(0), |p| leaf(p, 0).instances[1].first = Some(slice(0, 3))),
        (Place::Step(0), |p| leaf(p, 0).instances[1].first = Some(slice(5, 0))),
        (Place::Step(0), |p| leaf(p, 0).instances[1].second = None),
        (Place::Step(0), |p| leaf(p, 0).dimensions = 0),
        (Place::Step(0), |p| leaf(p, 0).width = 3),
        (Place::Step(1), |p| leaf(p, 1).kernel = LeafKernel::Categorical { states: 4 }),
        (Place::Step(1), |p| leaf(p, 1).kernel = LeafKernel::Categorical { states: 0 }),
        (Place::Step(2), |p| leaf(p, 2).instances.clear()),
        (Place::Step(2), |p| leaf(p, 2).instances[0].output = SlotId(7)),
        (Place::Step(2), |p| leaf(p, 2).instances[0].output = SlotId(1)),
        (Place::Step(5), |p| sum(p).inputs = 7),
        (Place::Step(5), |p| sum(p).width = 1),
        (Place::Step(5), |p| sum(p).factors[1] = SlotId(6)),
        (Place::Step(5), |p| sum(p).factors.truncate(2)),
        (Place::Step(5), |p| sum(p).instances[0].weights.offset = 1),
        (Place::Step(5), |p| sum(p).instances[0].weights.offset = u32::MAX),
        (Place::Step(5), |p| sum(p).terms[1].pick = Pick::Table(PickTableId(1))),
        (Place::Step(5), |p| sum(p).terms[0].pick = Pick::Table(PickTableId(0))),
        (Place::Step(5), |p| sum(p).terms[0].pick = Pick::Same),
        (Place::Step(5), |p| {
            sum(p).terms[0].pick = Pick::Outer { digits: smallvec![(2, 2), (0, 2)] };
        }),
        (Place::Step(5), |p| {
            sum(p).terms[0].pick = Pick::Outer { digits: smallvec![(2, 2), (1, 3)] };
        }),
        (Place::Step(5), |p| p.tables[0].picks[1][1] = 2),
        (Place::Root, |p| p.root.weights = None),
        (Place::Root, |p| p.root.factors[0] = SlotId(9)),
        (Place::Root, |p| p.root.terms.clear()),
        (Place::Outputs, |p| p.outputs[0] = SlotId(7)),
        (Place::Reverse(0), |p| p.reverse[0].step = 6),
        (Place::Reverse(2), |p| p.reverse[2].step = 4),
    ]);
}

#[test]
fn contradictions_in_the_order_are_found() {
    check(&[
        (Place::Step(5), |p| p.order.truncate(6)),
        (Place::Step(0), |p| p.order.clear()),
        (Place::Run(0), |p| p.order[0].step = 6),
        (Place::Run(0), |p| p.order[0].first = 1),
        (Place::Run(0), |p| p.order[0].count = 0),
        (Place::Run(0), |p| p.order[0].count = 3),
        (Place::Run(0), |p| p.order[0].count = u32::MAX),
        // Both leaves at once leave nothing for the run that follows.
        (Place::Run(4), |p| p.order[0].count = 2),
        (Place::Run(1), |p| p.order.swap(1, 3)),
        (Place::Run(4), |p| p.order.swap(4, 5)),
        (Place::Run(7), |p| p.order.push(Run { step: 5, first: 1, count: 1 })),
        // Its rows are taken again only after dropout in the planned order.
        (Place::Inference, |p| {
            p.order.remove(4);
            p.order[0].count = 2;
            p.inference.offsets[1] = 4;
            p.inference.offsets[5] = 2;
        }),
    ]);
}

#[test]
fn steps_as_wholes_must_be_in_order_too() {
    let found = error(|p| {
        // The sum before the dropout that it reads, but run after it.
        p.steps.swap(3, 5);
        let renamed = |step: u32| if step % 2 == 1 && step > 1 { 8 - step } else { step };
        p.order.iter_mut().for_each(|run| run.step = renamed(run.step));
    });
    assert_eq!(place(&found), Place::Step(3));
}

#[test]
fn dropout_numbers_stay_in_range() {
    for change in [|d: &mut Dropout| d.rate = f64::NAN, |d: &mut Dropout| d.first = u32::MAX] {
        let found = error(|plan| {
            let Step::Dropout(step) = &mut plan.steps[3] else { panic!("no dropout") };
            change(&mut step.instances[0].2);
        });
        assert_eq!(place(&found), Place::Step(3));
    }
}

#[test]
fn messages_say_where_and_what() {
    let message = error(|p| sum(p).instances[0].weights.offset = 1).to_string();
    assert_eq!(
        message,
        "step 5 of the plan reads 12 values of quantity 3 from index 1, but it has 12; compile \
         the network again"
    );
    let message = error(|p| p.inference.offsets[6] = 4).to_string();
    assert!(message.contains("slot 5 is overwritten before run 7 is done"), "{message}");
}
