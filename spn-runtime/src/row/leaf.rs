//! Leaves of one row: log-densities of all components, which lie on the lanes.

use spn_ir::LocationScale;
use spn_ir::plan::{LeafKernel, LeafStep, Memory};

use crate::constants::LeafConstants;
use crate::kernels::leaf::{Cauchy, Density, Laplace, Normal, State, state};
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// Runs a leaf step; `inputs` has one value for each variable.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(
    isa: I,
    step: &LeafStep,
    constants: &LeafConstants<E>,
    memory: &Memory,
    inputs: &[E],
    values: &mut [E],
) {
    match step.kernel {
        LeafKernel::LocationScale(LocationScale::Normal) => {
            location_scale::<I, E, Normal>(isa, step, constants, memory, inputs, values);
        }
        LeafKernel::LocationScale(LocationScale::Cauchy) => {
            location_scale::<I, E, Cauchy>(isa, step, constants, memory, inputs, values);
        }
        LeafKernel::LocationScale(LocationScale::Laplace) => {
            location_scale::<I, E, Laplace>(isa, step, constants, memory, inputs, values);
        }
        LeafKernel::Indicator => indicators(step, memory, inputs, values),
        LeafKernel::Categorical { states } => {
            categoricals(step, states, constants, memory, inputs, values);
        }
    }
}

/// The variables of each instance and where its output begins.
#[inline(always)]
fn instances<'a>(
    step: &'a LeafStep,
    memory: &'a Memory,
) -> impl Iterator<Item = (&'a [spn_ir::VariableId], usize)> {
    let variables = step.variables.chunks_exact(step.dimensions as usize);
    let outputs =
        step.instances.iter().map(|instance| memory.offsets[instance.output.index()] as usize);
    variables.zip(outputs)
}

/// `out[k] = Σ_d log f(x_d; location_kd, scale_kd)`; a missing dimension contributes 0.
#[inline(always)]
fn location_scale<I: Isa, E: Element, D: Density>(
    isa: I,
    step: &LeafStep,
    constants: &LeafConstants<E>,
    memory: &Memory,
    inputs: &[E],
    values: &mut [E],
) {
    let (width, dimensions) = (step.width as usize, step.dimensions as usize);
    let all = [&constants.location, &constants.inverse_scale, &constants.log_constant];
    for (instance, (variables, output)) in instances(step, memory).enumerate() {
        let out = &mut values[output..][..width];
        let mut constants = [&all[0][..0]; 3];
        for (constants, all) in constants.iter_mut().zip(all) {
            *constants = &all[instance * width * dimensions..][..width * dimensions];
        }
        if let [variable] = variables {
            densities::<I, E, D, false>(isa, inputs[variable.index()], constants, out);
            continue;
        }
        out.fill(E::ZERO);
        for (part, out) in out.chunks_mut(MAX_LANES).enumerate() {
            for (dimension, variable) in variables.iter().enumerate() {
                // The components of one dimension are not neighbours: they are brought together.
                let first = part * MAX_LANES * dimensions + dimension;
                let mut buffers = [[E::ZERO; MAX_LANES]; 3];
                for (buffer, constants) in buffers.iter_mut().zip(constants) {
                    let apart = constants[first..].iter().step_by(dimensions);
                    buffer.iter_mut().zip(apart).for_each(|(to, from)| *to = *from);
                }
                let [location, inverse, constant] = &buffers;
                let near = [&location[..], &inverse[..], &constant[..]];
                densities::<I, E, D, true>(isa, inputs[variable.index()], near, out);
            }
        }
    }
}

/// Writes, or adds, the log-densities of `x` for components with these locations, reciprocal scales
/// and constants; 0 if `x` is missing.
#[inline(always)]
fn densities<I: Isa, E: Element, D: Density, const ADD: bool>(
    isa: I,
    x: E,
    [location, inverse, constant]: [&[E]; 3],
    out: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let x = LanesOf::<I, E>::splat(isa, x);
    let whole = out.len() - out.len() % lanes;
    for start in (0..whole).step_by(lanes) {
        let z = x.sub(LanesOf::<I, E>::load(isa, &location[start..]));
        let z = z.mul(LanesOf::<I, E>::load(isa, &inverse[start..]));
        let log = D::log(isa, z).add(LanesOf::<I, E>::load(isa, &constant[start..]));
        let out = &mut out[start..];
        let before = if ADD { LanesOf::<I, E>::load(isa, out) } else { zero };
        before.add(x.select_nan(zero, log)).store(out);
    }
    if whole < out.len() {
        let (out, count) = (&mut out[whole..], location.len().min(whole + lanes));
        let z = x.sub(LanesOf::<I, E>::load_partial(isa, &location[whole..count]));
        let z = z.mul(LanesOf::<I, E>::load_partial(isa, &inverse[whole..count]));
        let log = D::log(isa, z).add(LanesOf::<I, E>::load_partial(isa, &constant[whole..count]));
        let before = if ADD { LanesOf::<I, E>::load_partial(isa, out) } else { zero };
        before.add(x.select_nan(zero, log)).store_partial(out);
    }
}

/// Component `k` is log 1 where every observed variable is `k`, log 0 elsewhere.
fn indicators<E: Element>(step: &LeafStep, memory: &Memory, inputs: &[E], values: &mut [E]) {
    for (variables, output) in instances(step, memory) {
        let out = &mut values[output..][..step.width as usize];
        out.fill(E::ZERO);
        for variable in variables {
            let number = match state(inputs[variable.index()], step.width) {
                State::Missing => continue,
                State::Impossible => usize::MAX,
                State::Number(number) => number,
            };
            let others = out.iter_mut().enumerate().filter(|(component, _)| *component != number);
            others.for_each(|(_, out)| *out = E::NEG_INFINITY);
        }
    }
}

/// `out[k] = Σ_d ln p[k, d, x_d]`; a missing value gives log 1.
fn categoricals<E: Element>(
    step: &LeafStep,
    states: u32,
    constants: &LeafConstants<E>,
    memory: &Memory,
    inputs: &[E],
    values: &mut [E],
) {
    let (width, dimensions) = (step.width as usize, step.dimensions as usize);
    let each = dimensions * states as usize;
    for (instance, (variables, output)) in instances(step, memory).enumerate() {
        let out = &mut values[output..][..width];
        out.fill(E::ZERO);
        let table = &constants.log_constant[instance * width * each..][..width * each];
        for (dimension, variable) in variables.iter().enumerate() {
            match state(inputs[variable.index()], states) {
                State::Missing => {}
                State::Impossible => out.fill(E::NEG_INFINITY),
                State::Number(number) => {
                    let picked = table[dimension * states as usize + number..].iter();
                    for (out, log) in out.iter_mut().zip(picked.step_by(each)) {
                        *out += *log;
                    }
                }
            }
        }
    }
}
