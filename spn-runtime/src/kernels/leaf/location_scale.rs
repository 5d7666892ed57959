//! Normal, Cauchy and Laplace leaves: `z = (x - location) / scale`, dimensions are independent.

use spn_ir::plan::LeafInstance;
use spn_ir::{LocationScale, Slice};

use super::{LeafBlock, LeafDerivatives};
use crate::simd::math::ln;
use crate::simd::{Element, Isa, Lanes, LanesOf, Real};

/// A density as a function of `z`; the constant and the scale are the caller's.
pub(crate) trait Density {
    /// `log f(z)` without its constant.
    fn log<L: Lanes>(isa: L::Isa, z: L) -> L;
    /// `-d log f / dz`
    fn slope<L: Lanes>(isa: L::Isa, z: L) -> L;
    /// The expected precision given `z`, of the normal density that `f` is a scale mixture of:
    /// `slope / z` (Andrews and Mallows 1974). With it, what maximises the likelihood of a normal
    /// density increases that of `f`.
    fn mixing<L: Lanes>(isa: L::Isa, z: L) -> L;
}

pub(crate) struct Normal;
pub(crate) struct Cauchy;
pub(crate) struct Laplace;

impl Density for Normal {
    /// `-z²/2`
    #[inline(always)]
    fn log<L: Lanes>(isa: L::Isa, z: L) -> L {
        z.mul(z).mul(L::splat(isa, L::Elem::from_f64(-0.5)))
    }

    /// `z`
    #[inline(always)]
    fn slope<L: Lanes>(_: L::Isa, z: L) -> L {
        z
    }

    /// 1
    #[inline(always)]
    fn mixing<L: Lanes>(isa: L::Isa, _: L) -> L {
        L::splat(isa, L::Elem::ONE)
    }
}

impl Density for Cauchy {
    /// `-ln(1 + z²)`, as `-2 ln u - ln(1/u² + (z/u)²)` with `u = max(1, |z|)`: no square
    /// overflows.
    #[inline(always)]
    fn log<L: Lanes>(isa: L::Isa, z: L) -> L {
        let zero = L::splat(isa, L::Elem::ZERO);
        let one = L::splat(isa, L::Elem::ONE);
        let size = z.max(zero.sub(z)).max(one);
        let reciprocal = one.div(size);
        let ratio = z.mul(reciprocal);
        let inner = ln(isa, reciprocal.mul(reciprocal).add(ratio.mul(ratio)));
        let outer = ln(isa, size);
        zero.sub(outer.add(outer).add(inner))
    }

    /// `2z / (1 + z²)`
    #[inline(always)]
    fn slope<L: Lanes>(isa: L::Isa, z: L) -> L {
        let one = L::splat(isa, L::Elem::ONE);
        // Where the square overflows the slope is 0, which is as close as single precision gets.
        z.add(z).div(z.mul_add(z, one))
    }

    /// `2 / (1 + z²)`
    #[inline(always)]
    fn mixing<L: Lanes>(isa: L::Isa, z: L) -> L {
        let one = L::splat(isa, L::Elem::ONE);
        one.add(one).div(z.mul_add(z, one))
    }
}

impl Density for Laplace {
    /// `-|z|`
    #[inline(always)]
    fn log<L: Lanes>(isa: L::Isa, z: L) -> L {
        z.min(L::splat(isa, L::Elem::ZERO).sub(z))
    }

    /// `sign(z)`, 0 at 0.
    #[inline(always)]
    fn slope<L: Lanes>(isa: L::Isa, z: L) -> L {
        let zero = L::splat(isa, L::Elem::ZERO);
        let one = L::splat(isa, L::Elem::ONE);
        let negative = z.select_lt(zero, zero.sub(one), zero);
        zero.select_lt(z, one, negative)
    }

    /// `1 / |z|`, at most [`LARGEST_MIXING`]: a value at the location itself would hold it there
    /// forever.
    #[inline(always)]
    fn mixing<L: Lanes>(isa: L::Isa, z: L) -> L {
        let least = L::splat(isa, L::Elem::from_f64(1.0 / LARGEST_MIXING));
        let size = z.max(L::splat(isa, L::Elem::ZERO).sub(z)).max(least);
        L::splat(isa, L::Elem::ONE).div(size)
    }
}

/// The largest expected precision of a Laplace density.
const LARGEST_MIXING: f64 = 1e3;

/// `out[k] = Σ_d log f(x_d; location_kd, scale_kd)`; a missing dimension contributes 0.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(
    isa: I,
    density: LocationScale,
    block: LeafBlock<'_, E>,
    out: &mut [E],
) {
    match density {
        LocationScale::Normal => forward_with::<I, E, Normal>(isa, block, out),
        LocationScale::Cauchy => forward_with::<I, E, Cauchy>(isa, block, out),
        LocationScale::Laplace => forward_with::<I, E, Laplace>(isa, block, out),
    }
}

#[inline(always)]
fn forward_with<I: Isa, E: Element, D: Density>(isa: I, block: LeafBlock<'_, E>, out: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let dimensions = block.variables.len();
    for (component, row) in out.chunks_exact_mut(block.tile).enumerate() {
        for dimension in 0..dimensions {
            let at = block.first + component * dimensions + dimension;
            let location = LanesOf::<I, E>::splat(isa, block.constants.location[at]);
            let inverse = LanesOf::<I, E>::splat(isa, block.constants.inverse_scale[at]);
            let constant = LanesOf::<I, E>::splat(isa, block.constants.log_constant[at]);
            let input = block.input(dimension);
            for (x, out) in input.chunks_exact(lanes).zip(row.chunks_exact_mut(lanes)) {
                let x = LanesOf::<I, E>::load(isa, x);
                let log = D::log(isa, x.sub(location).mul(inverse)).add(constant);
                let log = x.select_nan(zero, log);
                let before = if dimension == 0 { zero } else { LanesOf::<I, E>::load(isa, out) };
                before.add(log).store(out);
            }
        }
    }
}

/// Derivatives with respect to location, scale and input.
#[inline(always)]
pub(super) fn reverse<I: Isa, E: Element>(
    isa: I,
    density: LocationScale,
    block: LeafBlock<'_, E>,
    instance: &LeafInstance,
    flows: &[E],
    derivatives: &mut LeafDerivatives<'_, E>,
) {
    match density {
        LocationScale::Normal => {
            reverse_with::<I, E, Normal>(isa, block, instance, flows, derivatives);
        }
        LocationScale::Cauchy => {
            reverse_with::<I, E, Cauchy>(isa, block, instance, flows, derivatives);
        }
        LocationScale::Laplace => {
            reverse_with::<I, E, Laplace>(isa, block, instance, flows, derivatives);
        }
    }
}

/// With the slope at scale 1: `∂/∂location = slope / scale`, `∂/∂scale = (z slope - 1) / scale`,
/// `∂/∂x = -slope / scale`.
#[inline(always)]
fn reverse_with<I: Isa, E: Element, D: Density>(
    isa: I,
    block: LeafBlock<'_, E>,
    instance: &LeafInstance,
    flows: &[E],
    derivatives: &mut LeafDerivatives<'_, E>,
) {
    let lanes = LanesOf::<I, E>::N;
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let one = LanesOf::<I, E>::splat(isa, E::ONE);
    let dimensions = block.variables.len();
    for (component, flows) in flows.chunks_exact(block.tile).enumerate() {
        for dimension in 0..dimensions {
            let within = component * dimensions + dimension;
            let at = block.first + within;
            let location = LanesOf::<I, E>::splat(isa, block.constants.location[at]);
            let inverse = LanesOf::<I, E>::splat(isa, block.constants.inverse_scale[at]);
            let (mut for_location, mut for_scale) = (zero, zero);
            let input = block.input(dimension);
            for start in (0..block.tile).step_by(lanes) {
                let x = LanesOf::<I, E>::load(isa, &input[start..]);
                let flow = LanesOf::<I, E>::load(isa, &flows[start..]);
                let z = x.sub(location).mul(inverse);
                let slope = D::slope(isa, z);
                let along = live(zero, x, flow, flow.mul(slope)).mul(inverse);
                for_location = for_location.add(along);
                let across = flow.mul(z.mul_add(slope, zero.sub(one)));
                for_scale = for_scale.add(live(zero, x, flow, across));
                if let Some(inputs) = derivatives.inputs.as_deref_mut() {
                    let row = block.variables[dimension].index() * block.tile + start;
                    let before = LanesOf::<I, E>::load(isa, &inputs[row..]);
                    before.sub(along).store(&mut inputs[row..]);
                }
            }
            let Some(quantities) = derivatives.quantities.as_deref_mut() else { continue };
            if let (Some(location), Some(scale)) = (instance.first, instance.second) {
                quantities[location.quantity.index()][location.offset as usize + within] +=
                    for_location.reduce_add();
                quantities[scale.quantity.index()][scale.offset as usize + within] +=
                    for_scale.mul(inverse).reduce_add();
            }
        }
    }
}

/// Adds what expectation maximisation counts, with flows `F` of the observed values, deviations
/// `d = x - location` and the density's mixing weight `u` ([`Density::mixing`]):
///
/// | quantity | planes |
/// |---|---|
/// | location | `Σ F u / scale²`, `Σ F u d / scale²` |
/// | scale | `Σ F`, `Σ F u`, `Σ F u d`, `Σ F u d²` |
///
/// The first two lead to the location that maximises the likelihood also where several leaves of
/// different scales share it. With `moments`, `u` is 1 and nothing is divided by the scale: what
/// moment accumulators add up, whatever the density, as in the reference library.
#[inline(always)]
pub(super) fn count<I: Isa, E: Element>(
    isa: I,
    density: LocationScale,
    block: LeafBlock<'_, E>,
    reads: ((Slice, Slice), bool),
    flows: &[E],
    counts: &mut [Vec<E>],
) {
    match density {
        LocationScale::Cauchy if !reads.1 => {
            count_with::<I, E, Cauchy>(isa, block, reads, flows, counts);
        }
        LocationScale::Laplace if !reads.1 => {
            count_with::<I, E, Laplace>(isa, block, reads, flows, counts);
        }
        _ => count_with::<I, E, Normal>(isa, block, reads, flows, counts),
    }
}

#[inline(always)]
fn count_with<I: Isa, E: Element, D: Density>(
    isa: I,
    block: LeafBlock<'_, E>,
    ((location, scale), moments): ((Slice, Slice), bool),
    flows: &[E],
    counts: &mut [Vec<E>],
) {
    let lanes = LanesOf::<I, E>::N;
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let dimensions = block.variables.len();
    for (component, flows) in flows.chunks_exact(block.tile).enumerate() {
        for dimension in 0..dimensions {
            let within = component * dimensions + dimension;
            let at = block.first + within;
            let inverse = block.constants.inverse_scale[at];
            let centre = LanesOf::<I, E>::splat(isa, block.constants.location[at]);
            let (mut mass, mut weight, mut deviation, mut square) = (zero, zero, zero, zero);
            let input = block.input(dimension);
            for (x, flow) in input.chunks_exact(lanes).zip(flows.chunks_exact(lanes)) {
                let x = LanesOf::<I, E>::load(isa, x);
                let flow = LanesOf::<I, E>::load(isa, flow);
                let d = x.sub(centre);
                let u = D::mixing(isa, d.mul(LanesOf::<I, E>::splat(isa, inverse)));
                let flow = live(zero, x, flow, flow);
                let weighted = live(zero, x, flow, flow.mul(u));
                let first = live(zero, x, flow, weighted.mul(d));
                mass = mass.add(flow);
                weight = weight.add(weighted);
                deviation = deviation.add(first);
                square = square.add(live(zero, x, flow, first.mul(d)));
            }
            let precision = if moments { E::ONE } else { inverse * inverse };
            let (weight, deviation) = (weight.reduce_add(), deviation.reduce_add());
            add_planes(counts, location, within, [weight * precision, deviation * precision]);
            let numbers = [mass.reduce_add(), weight, deviation, square.reduce_add()];
            add_planes(counts, scale, within, numbers);
        }
    }
}

/// Adds one number to each plane of a quantity's statistics.
#[inline(always)]
fn add_planes<E: Element, const PLANES: usize>(
    counts: &mut [Vec<E>],
    slice: Slice,
    within: usize,
    numbers: [E; PLANES],
) {
    let planes = counts[slice.quantity.index()].as_mut_slice();
    let length = planes.len() / PLANES;
    for (plane, number) in numbers.into_iter().enumerate() {
        planes[plane * length + slice.offset as usize + within] += number;
    }
}

/// `value` where the input is observed and the unit has a flow, else 0: a unit without flow has no
/// derivative, even where `z` is infinite.
#[inline(always)]
fn live<L: Lanes>(zero: L, input: L, flow: L, value: L) -> L {
    let value = input.select_nan(zero, value);
    let positive = zero.select_lt(flow, value, zero);
    flow.select_lt(zero, value, positive)
}
