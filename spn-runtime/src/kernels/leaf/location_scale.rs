//! Normal, Cauchy and Laplace leaves: `z = (x - location) / scale`, dimensions are independent.

use spn_ir::LocationScale;
use spn_ir::plan::LeafInstance;

use super::{LeafBlock, LeafDerivatives};
use crate::simd::math::ln;
use crate::simd::{Element, Isa, Lanes, LanesOf, Real};

/// `out[k] = Σ_d log f(x_d; location_kd, scale_kd)`; a missing dimension contributes 0.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(
    isa: I,
    density: LocationScale,
    block: LeafBlock<'_, E>,
    out: &mut [E],
) {
    match density {
        LocationScale::Normal => forward_with(isa, block, out, normal),
        LocationScale::Cauchy => forward_with(isa, block, out, cauchy),
        LocationScale::Laplace => forward_with(isa, block, out, laplace),
    }
}

#[inline(always)]
fn forward_with<I: Isa, E: Element>(
    isa: I,
    block: LeafBlock<'_, E>,
    out: &mut [E],
    density: impl Fn(I, LanesOf<I, E>) -> LanesOf<I, E>,
) {
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
                let log = density(isa, x.sub(location).mul(inverse)).add(constant);
                let log = x.select_nan(zero, log);
                let before = if dimension == 0 { zero } else { LanesOf::<I, E>::load(isa, out) };
                before.add(log).store(out);
            }
        }
    }
}

/// `-z²/2`
#[inline(always)]
fn normal<L: Lanes>(isa: L::Isa, z: L) -> L {
    z.mul(z).mul(L::splat(isa, L::Elem::from_f64(-0.5)))
}

/// `-ln(1 + z²)`, as `-2 ln u - ln(1/u² + (z/u)²)` with `u = max(1, |z|)`: no square overflows.
#[inline(always)]
fn cauchy<L: Lanes>(isa: L::Isa, z: L) -> L {
    let zero = L::splat(isa, L::Elem::ZERO);
    let one = L::splat(isa, L::Elem::ONE);
    let size = z.max(zero.sub(z)).max(one);
    let reciprocal = one.div(size);
    let ratio = z.mul(reciprocal);
    let inner = ln(isa, reciprocal.mul(reciprocal).add(ratio.mul(ratio)));
    let outer = ln(isa, size);
    zero.sub(outer.add(outer).add(inner))
}

/// `-|z|`
#[inline(always)]
fn laplace<L: Lanes>(isa: L::Isa, z: L) -> L {
    z.min(L::splat(isa, L::Elem::ZERO).sub(z))
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
            reverse_with(isa, block, instance, flows, derivatives, |_, z: LanesOf<I, E>| z);
        }
        LocationScale::Cauchy => {
            reverse_with(isa, block, instance, flows, derivatives, cauchy_slope);
        }
        LocationScale::Laplace => {
            reverse_with(isa, block, instance, flows, derivatives, laplace_slope);
        }
    }
}

/// `2z / (1 + z²)`
#[inline(always)]
fn cauchy_slope<L: Lanes>(isa: L::Isa, z: L) -> L {
    let one = L::splat(isa, L::Elem::ONE);
    // Where the square overflows the slope is 0, which is as close as single precision gets.
    z.add(z).div(z.mul_add(z, one))
}

/// `sign(z)`, 0 at 0.
#[inline(always)]
fn laplace_slope<L: Lanes>(isa: L::Isa, z: L) -> L {
    let zero = L::splat(isa, L::Elem::ZERO);
    let one = L::splat(isa, L::Elem::ONE);
    let negative = z.select_lt(zero, zero.sub(one), zero);
    zero.select_lt(z, one, negative)
}

/// With `slope(z) = -d log f / dz` at scale 1: `∂/∂location = slope / scale`,
/// `∂/∂scale = (z slope - 1) / scale`, `∂/∂x = -slope / scale`.
#[inline(always)]
fn reverse_with<I: Isa, E: Element>(
    isa: I,
    block: LeafBlock<'_, E>,
    instance: &LeafInstance,
    flows: &[E],
    derivatives: &mut LeafDerivatives<'_, E>,
    slope: impl Fn(I, LanesOf<I, E>) -> LanesOf<I, E>,
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
                let slope = slope(isa, z);
                // A unit without flow has no derivative, even where z is infinite.
                let live = |v: LanesOf<I, E>| {
                    let v = x.select_nan(zero, v);
                    let positive = zero.select_lt(flow, v, zero);
                    flow.select_lt(zero, v, positive)
                };
                let along = live(flow.mul(slope)).mul(inverse);
                for_location = for_location.add(along);
                for_scale = for_scale.add(live(flow.mul(z.mul_add(slope, zero.sub(one)))));
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
