//! Invalid circuits: each is refused, with exactly the witness that its maker knows; valid ones
//! are not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use spn_compiler::check::MOST_PROBLEMS;
use spn_compiler::{CompileError, Options, ProblemKind, check, compile};
use spn_ir::{Circuit, CircuitBuilder, NodeId, Origin, Parameter};
use spn_testkit::random::{ExpectedProblem, circuits};
use spn_testkit::{CircuitOptions, invalid_circuit};

/// Whether what a check found at a node is what was expected.
fn agrees(node: NodeId, kind: &ProblemKind, expected: &ExpectedProblem) -> bool {
    match (kind, expected) {
        (
            ProblemKind::Incomplete { children, variables },
            ExpectedProblem::Incomplete { node: n, children: c, variables: v },
        )
        | (
            ProblemKind::NotDecomposable { children, variables },
            ExpectedProblem::NotDecomposable { node: n, children: c, variables: v },
        ) => (node, children, variables) == (*n, c, v),
        (
            ProblemKind::NotNormalised { unit, total },
            ExpectedProblem::NotNormalised { node: n, unit: u },
        ) => (node, unit) == (*n, u) && (total - 1.5).abs() < 1e-9,
        (
            ProblemKind::NegativeWeight { index, value },
            ExpectedProblem::NegativeWeight { node: n, index: i },
        ) => (node, index) == (*n, i) && *value < 0.0,
        (
            ProblemKind::NotFinite { index, value, .. },
            ExpectedProblem::NanParameter { node: n, index: i },
        ) => (node, index) == (*n, i) && value.is_nan(),
        (
            ProblemKind::NotPositive { index, value },
            ExpectedProblem::NotPositive { node: n, index: i },
        ) => (node, index) == (*n, i) && *value <= 0.0,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_invalid_circuit_is_refused_with_its_witness(seed in proptest::num::u64::ANY) {
        let (circuit, expected) = invalid_circuit(seed);
        let report = check(&circuit);
        prop_assert_eq!(report.problems.len(), 1, "{} {:?}", report, expected);
        let problem = &report.problems[0];
        prop_assert!(agrees(problem.node, &problem.kind, &expected), "{} {:?}", report, expected);
        prop_assert_eq!(report.complete, !matches!(expected, ExpectedProblem::Incomplete { .. }));
        let shared = matches!(expected, ExpectedProblem::NotDecomposable { .. });
        prop_assert_eq!(report.decomposable, !shared);
        let scopes = !report.complete || !report.decomposable;
        prop_assert_eq!(report.normalised, scopes);

        let refused = compile(&circuit, &Options::default());
        let Err(CompileError::Invalid { problems }) = refused else {
            return Err(TestCaseError::fail("compiled"));
        };
        prop_assert_eq!(problems.len(), 1);
        prop_assert_eq!(problems[0].node, problem.node);

        let plan = compile(&circuit, &Options { allow_invalid: true, ..Options::default() });
        let plan = plan.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let remark = format!("compiled although {problem}");
        prop_assert!(plan.remarks.contains(&remark), "{:?}", plan.remarks);
        prop_assert_eq!(plan.verify(), Ok(()));
    }

    #[test]
    fn a_valid_circuit_compiles_to_a_verified_plan_twice_the_same(
        sample in circuits(CircuitOptions::default()),
        dropout in proptest::bool::ANY,
        output in proptest::num::usize::ANY,
    ) {
        let circuit = &sample.circuit;
        prop_assert!(check(circuit).is_valid(), "{}", check(circuit));
        let outputs = vec![NodeId((output % circuit.nodes.len()) as u32)];
        let options = Options { dropout, outputs, ..Options::default() };
        let compile = || compile(circuit, &options).map_err(|e| TestCaseError::fail(e.to_string()));
        let plan = compile()?;
        prop_assert_eq!(plan.verify(), Ok(()));
        prop_assert_eq!(&plan, &compile()?);
    }
}

/// A chain of sums that all are incomplete.
fn wrong_everywhere(sums: usize) -> Circuit {
    let mut builder = CircuitBuilder::new(2);
    let weights = builder.quantity_of(Parameter::new("w", vec![2, 1], vec![0.5, 0.5])).at(0);
    let table = builder.quantity_of(Parameter::new("p", vec![1, 1], vec![1.0])).at(0);
    let mut last = builder.categorical(0, 1, 1, table, Origin::Unknown).unwrap();
    let other = builder.categorical(1, 1, 1, table, Origin::Unknown).unwrap();
    for _ in 0..sums {
        last = builder.sum(&[last, other], 1, weights, Origin::Unknown).unwrap();
    }
    builder.finish(last).unwrap()
}

#[test]
fn problems_are_bounded_but_all_of_them_count() {
    let report = check(&wrong_everywhere(MOST_PROBLEMS + 50));
    assert_eq!(report.problems.len(), MOST_PROBLEMS);
    assert!(!report.complete && report.decomposable && report.normalised);
    let refused = compile(&wrong_everywhere(5), &Options::default()).unwrap_err().to_string();
    assert!(refused.starts_with("the circuit is invalid: 5 problems\n"), "{refused}");
    assert!(refused.ends_with("… and 2 more"), "{refused}");
}

#[test]
fn outputs_are_checked_too() {
    let circuit = spn_ir::text::parse(
        "spn 1
         variables 1
         a = leaf indicator(0) x2
         wrong = sum(a) weights=[0.5 0.6]
         right = sum(a) weights=[0.5 0.5]
         root right",
    )
    .unwrap();
    assert!(check(&circuit).is_valid());
    let options = Options { outputs: vec![NodeId(1)], ..Options::default() };
    assert!(matches!(compile(&circuit, &options), Err(CompileError::Invalid { .. })));
}
