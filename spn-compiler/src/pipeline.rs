//! The pipeline, top to bottom.

use spn_ir::plan::{Plan, Root};
use spn_ir::{Circuit, NodeKind};

use crate::fuse::{self, Fused};
use crate::simplify;
use crate::{CompileError, Options, check, memory, reverse, schedule};

/// Everything between the circuit and the plan, for those who want to look at it.
#[derive(Clone, Debug)]
pub struct Stages {
    /// After [`simplify`].
    pub simplified: Circuit,
    /// After [`fuse`].
    pub fused: Fused,
    /// The result.
    pub plan: Plan,
}

/// Compiles a circuit.
///
/// # Errors
/// If the checks find problems (and [`Options::allow_invalid`] is off), or if the network needs
/// more memory than can be addressed.
pub fn compile(circuit: &Circuit, options: &Options) -> Result<Plan, CompileError> {
    compile_stages(circuit, options).map(|stages| stages.plan)
}

/// Compiles a circuit and keeps every stage.
///
/// # Errors
/// As [`compile`].
pub fn compile_stages(circuit: &Circuit, options: &Options) -> Result<Stages, CompileError> {
    // First of all: no later pass needs to ask whether scopes fit.
    let remarks = validate(circuit, options)?;
    // Fewer nodes for every later pass; the function stays the same.
    let simplified = simplify::run(circuit, options);
    // Products move into the sums that read them, before shapes are compared.
    let fused = fuse::run(simplified);
    // Isomorphic operations share a step; from here on there are slots instead of nodes.
    let schedule = schedule::run(&fused);
    let outputs = schedule.slots_of(&fused.outputs);
    let root = root(&fused, &schedule);
    // The root reads after the last step, so what it reads lives to the end.
    let kept = [root.factors.as_slice(), &outputs].concat();
    let inference = memory::for_inference(&schedule.steps, &schedule.slots, &kept)?;
    let training = memory::for_training(&schedule.steps, &schedule.slots)?;
    let Circuit { parameters, quantities, tables, .. } = circuit.clone();
    let slots = schedule.slots.len();
    let reverse = reverse::run(&schedule.steps, slots, &quantities, &parameters);
    let plan = Plan {
        variables: circuit.variables,
        normalisation: circuit.normalisation.clone(),
        parameters,
        quantities,
        tables,
        slots: schedule.slots,
        steps: schedule.steps,
        root,
        reverse,
        outputs,
        inference,
        training,
        remarks,
    };
    Ok(Stages { simplified: fused.circuit.clone(), fused, plan })
}

fn validate(circuit: &Circuit, options: &Options) -> Result<Vec<String>, CompileError> {
    let report = check(circuit);
    let notes = report.notes.iter().map(ToString::to_string);
    if !report.is_valid() && !options.allow_invalid {
        return Err(CompileError::Invalid { problems: report.problems });
    }
    let problems = report.problems.iter().map(|problem| format!("compiled although {problem}"));
    Ok(problems.chain(notes).collect())
}

fn root(fused: &Fused, schedule: &schedule::Schedule) -> Root {
    let terms: Vec<_> = fused.root.iter().map(|fused| fused.term.clone()).collect();
    let inputs = terms.iter().map(|term| term.rows).sum();
    let factors = fused.root.iter().flat_map(|term| schedule.slots_of(&term.factors)).collect();
    let weights = match &fused.circuit.node(fused.circuit.root).kind {
        NodeKind::Sum(sum) => Some(sum.weights),
        _ => None,
    };
    Root { terms, factors, inputs, weights }
}
