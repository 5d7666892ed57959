//! Tests of the verification of scalar programs: each contradiction alone.

use smallvec::smallvec;

use crate::plan::verify::tests::sample as sample_plan;
use crate::plan::{
    Place, PlanError, ScalarDensity, ScalarOperation, ScalarProgram, ScalarTerm, StateTable,
    StateVariable, TableNode,
};
use crate::{LocationScale, QuantityId, Slice, VariableId};

fn slice(quantity: u32, offset: u32) -> Slice {
    Slice { quantity: QuantityId(quantity), offset }
}

/// A program over the quantities of the sample plan that uses everything a program can say.
pub(in crate::plan::verify) fn sample() -> ScalarProgram {
    let leaf = |probabilities| TableNode::Leaf { variable: 0, states: 3, probabilities };
    let weighted = TableNode::Sum { count: 2, weights: slice(3, 0) };
    let expression =
        vec![leaf(Some(slice(2, 0))), leaf(None), TableNode::Product(2), leaf(None), weighted];
    let density = |density, value| ScalarDensity {
        density,
        value,
        location: slice(0, value),
        scale: slice(1, value),
    };
    let densities = vec![density(LocationScale::Normal, 0), density(LocationScale::Cauchy, 1)];
    let first = ScalarTerm {
        weight: Some(slice(3, 2)),
        tables: smallvec![0],
        densities,
        ..ScalarTerm::default()
    };
    let second = ScalarTerm { registers: smallvec![0], ..ScalarTerm::default() };
    ScalarProgram {
        states: vec![StateVariable { variable: VariableId(2), states: 3 }],
        values: vec![VariableId(0), VariableId(1)],
        tables: vec![StateTable { variables: smallvec![0], expression }],
        registers: 1,
        operations: vec![
            ScalarOperation { output: 0, terms: vec![first] },
            ScalarOperation { output: 0, terms: vec![second.clone(), second] },
        ],
    }
}

/// Each change of the sample must be found.
#[test]
fn contradictions_are_found() {
    let changes: [fn(&mut ScalarProgram); 19] = [
        |p| p.states[0].variable = VariableId(3),
        |p| p.states[0].states = 0,
        |p| p.states[0].states = 257,
        |p| p.states[0].states = 2,
        |p| p.values[1] = VariableId(3),
        |p| p.tables[0].variables = smallvec![1],
        |p| p.tables[0].variables = smallvec![0; 5],
        |p| p.tables[0].variables = smallvec![],
        |p| p.tables[0].expression.truncate(4),
        |p| p.tables[0].expression[2] = TableNode::Product(3),
        |p| p.tables[0].expression[4] = TableNode::Sum { count: 2, weights: slice(4, 1) },
        |p| p.operations.clear(),
        |p| p.registers = 3,
        |p| p.operations[1].output = 1,
        |p| p.operations[0].terms[0].registers = smallvec![0],
        |p| p.operations[1].terms[0].registers = smallvec![1],
        |p| p.operations[0].terms[0].tables = smallvec![1],
        |p| p.operations[0].terms[0].weight = Some(slice(3, 12)),
        |p| p.operations[0].terms[0].densities[0].value = 2,
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut plan = sample_plan();
        plan.scalar.iter_mut().for_each(change);
        let found = plan.verify().unwrap_err();
        let place = match found {
            PlanError::Missing { place, .. }
            | PlanError::SliceOutside { place, .. }
            | PlanError::Wrong { place, .. } => place,
            ref other => panic!("change {index}: {other}"),
        };
        assert_eq!(place, Place::Scalar, "change {index}: {found}");
    }
}

#[test]
fn the_text_names_everything() {
    let text = sample_plan().scalar_text();
    let expected = "\
scalar: 2 operations, 1 tables, 1 registers
  t0: x2:3 (5 nodes)
  r0 = softmax(5/sum_weights)[2]·t0·normal(x0)·cauchy(x1)
  r0 = r0 + r0
";
    assert_eq!(text, expected);
}
