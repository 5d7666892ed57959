//! The pipeline, top to bottom.

use spn_ir::plan::{Plan, Root, StateTable};
use spn_ir::{Circuit, NodeId, NodeKind, Parameters};

use crate::fuse::{self, Fused};
use crate::simplify;
use crate::{CompileError, Options, check, memory, numbers, order, reverse, scalar, schedule};

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
/// ```
/// use spn_compiler::{CompileError, Options, compile};
///
/// let text = "spn 1
///     variables 2
///     a = leaf categorical(0) x2 probabilities=[0.2 0.8; 0.6 0.4]
///     b = leaf categorical(1) x2 probabilities=[0.5 0.5; 0.9 0.1]
///     p = product(a, b)
///     s = sum(p) weights=[0.3 0.7]
///     root s";
/// let plan = compile(&spn_ir::text::parse(text)?, &Options::default())?;
/// // Both leaves share a step; the product is part of the root.
/// assert_eq!(plan.steps.len(), 1);
/// println!("{plan}");
///
/// // Weights that do not sum to 1 are refused, unless that is wanted.
/// let wrong = spn_ir::text::parse(&text.replace("0.7", "0.9"))?;
/// let refused = compile(&wrong, &Options::default());
/// assert!(matches!(refused, Err(CompileError::Invalid { .. })));
/// let plan = compile(&wrong, &Options { allow_invalid: true, ..Options::default() })?;
/// assert!(plan.remarks[0].contains("n3 is not normalised"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the checks find problems (and [`Options::allow_invalid`] is off), if an output does not
/// exist, or if the network needs more memory than can be addressed.
pub fn compile(circuit: &Circuit, options: &Options) -> Result<Plan, CompileError> {
    let (mut fused, plan) = run(circuit, options)?;
    let parameters = std::mem::take(&mut fused.circuit.parameters);
    let quantities = std::mem::take(&mut fused.circuit.quantities);
    Ok(Plan { parameters, quantities, ..plan })
}

/// Compiles a circuit and keeps every stage.
///
/// # Errors
/// As [`compile`].
pub fn compile_stages(circuit: &Circuit, options: &Options) -> Result<Stages, CompileError> {
    let (fused, plan) = run(circuit, options)?;
    let (parameters, quantities) = (circuit.parameters.clone(), circuit.quantities.clone());
    let plan = Plan { parameters, quantities, ..plan };
    Ok(Stages { simplified: fused.circuit.clone(), fused, plan })
}

/// The operations and the plan, whose parameters and quantities are still the circuit's.
fn run(circuit: &Circuit, options: &Options) -> Result<(Fused, Plan), CompileError> {
    // First of all: no later pass needs to ask whether scopes fit.
    let remarks = validate(circuit, options)?;
    // Fewer nodes for every later pass; the function stays the same.
    let simplified = simplify::run(circuit, options);
    // Circuits of scalars get a faster way to log-likelihoods beside the steps.
    let scalar = scalar::run(&simplified.circuit, StateTable::BITS);
    let has_tables = scalar.as_ref().is_some_and(|program| !program.tables.is_empty());
    let scalar_row =
        if has_tables { scalar::run(&simplified.circuit, StateTable::ROW_BITS) } else { None };
    // Products move into the sums that read them, before shapes are compared.
    let fused = fuse::run(simplified);
    // Isomorphic operations share a step; from here on there are slots instead of nodes.
    let mut schedule = schedule::run(&fused);
    // Depth first, so that few rows are alive at a time.
    let order = order::run(&mut schedule, &fused.read_last(), options.small_part);
    let outputs = schedule.slots_of(&fused.outputs);
    let root = root(&fused, &schedule);
    // Logarithms where only leaves are multiplied, scaled linear values above.
    let numbers = numbers::run(&schedule.steps, schedule.slots.len(), &root);
    // The root reads after the last step, so what it reads lives to the end.
    let kept = [root.factors.as_slice(), &outputs].concat();
    let inference = memory::for_inference(&schedule.steps, &order, &schedule.slots, &kept)?;
    let training = memory::for_training(&schedule.steps, &schedule.slots)?;
    let reverse = reverse::run(&schedule, &circuit.quantities, &circuit.parameters);
    let plan = Plan {
        variables: circuit.variables,
        normalisation: circuit.normalisation.clone(),
        parameters: Parameters::default(),
        quantities: Vec::new(),
        tables: circuit.tables.clone(),
        slots: schedule.slots,
        numbers,
        steps: schedule.steps,
        order,
        root,
        reverse,
        outputs,
        inference,
        training,
        remarks,
        scalar,
        scalar_row,
    };
    Ok((fused, plan))
}

fn validate(circuit: &Circuit, options: &Options) -> Result<Vec<String>, CompileError> {
    let nodes = circuit.nodes.len();
    if let Some(&NodeId(node)) = options.outputs.iter().find(|id| id.index() >= nodes) {
        return Err(CompileError::UnknownOutput { node, nodes });
    }
    let report =
        check::check_below(circuit, &[&[circuit.root], options.outputs.as_slice()].concat());
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
