//! Leaves: moments of what components used, and the locations and scales they lead to.

use num_traits::Float;
use spn_ir::plan::Plan;
use spn_ir::quantity::inverse_softplus;
use spn_ir::{Formula, ParameterId};

use super::{New, Step};
use crate::executable::Number;
use crate::query::Role;
use crate::simd::Real;

/// A number of a plane in double precision.
fn at<E: Number>(planes: &[E], length: usize, plane: usize, index: usize) -> f64 {
    Real::to_f64(planes[plane * length + index])
}

impl<E: Number> Step<'_, E> {
    /// Turns moments around the current location into raw ones where steps are averaged or added up
    /// in moment accumulators: first moments of locations always, those of moment scales.
    pub(super) fn uncentre(&self, planes: &mut [Vec<E>]) {
        let quantities = self.executable.plan().quantities.iter().zip(&self.layout.quantities);
        for (index, (quantity, layout)) in quantities.enumerate() {
            let length = quantity.len();
            let planes = &mut planes[index];
            for within in 0..length {
                let numbers = |plane| at(planes, length, plane, within);
                if layout.role == Role::Location {
                    let location = Real::to_f64(self.executable.quantities()[index][within]);
                    let raw = numbers(1) + location * numbers(0);
                    planes[length + within] = E::from_f64(raw);
                } else if let (Role::Scale, Formula::MomentScale { .. }) =
                    (layout.role, quantity.formula)
                {
                    let location = self.location_of(index, within);
                    let (weight, first, second) = (numbers(1), numbers(2), numbers(3));
                    let raw = second + 2.0 * location * first + location * location * weight;
                    planes[2 * length + within] = E::from_f64(first + location * weight);
                    planes[3 * length + within] = E::from_f64(raw);
                }
            }
        }
    }

    /// Gives each component and each state what the prior says it has seen.
    pub(super) fn add_prior(&self, planes: &mut [Vec<E>]) {
        let prior = self.options.prior;
        if prior.pseudocount > 0.0 {
            self.add_pseudocounts(planes);
        }
        let (location_rows, scale_rows) =
            (prior.location_rows * self.share, prior.scale_rows * self.share);
        if location_rows == 0.0 && scale_rows == 0.0 {
            return;
        }
        let quantities = self.executable.plan().quantities.iter().zip(&self.layout.quantities);
        for (index, (quantity, layout)) in quantities.enumerate() {
            let length = quantity.len();
            let mut add = |plane: usize, within: usize, number: f64| {
                planes[index][plane * length + within] += E::from_f64(number);
            };
            for within in 0..length {
                match (layout.role, quantity.formula) {
                    (Role::Location, Formula::Ratio { .. }) => {
                        add(0, within, location_rows);
                        add(1, within, location_rows * prior.location);
                    }
                    (Role::Location, _) => {
                        let rows = location_rows / self.variance_of(index, within);
                        add(0, within, rows);
                        add(1, within, rows * prior.location);
                    }
                    (Role::Scale, Formula::MomentScale { .. }) => {
                        let second = prior.scale.powi(2) + prior.location.powi(2);
                        add(0, within, scale_rows);
                        add(3, within, scale_rows * second);
                    }
                    _ => {}
                }
            }
        }
    }

    /// The location that goes with a scale.
    fn location_of(&self, index: usize, within: usize) -> f64 {
        self.partner_of(index, within)
    }

    /// The squared scale that goes with a location.
    fn variance_of(&self, index: usize, within: usize) -> f64 {
        self.partner_of(index, within).powi(2)
    }

    fn partner_of(&self, index: usize, within: usize) -> f64 {
        let partner = self.layout.quantities[index].partners[within];
        let values = self.executable.quantities().get(partner.quantity);
        values.map_or(1.0, |values| Real::to_f64(values[partner.index]))
    }

    /// New values of the parameters of one location or scale quantity.
    pub(super) fn new_leaves(
        &self,
        (index, formula): (usize, Formula),
        planes: &[Vec<E>],
        rate: f64,
    ) -> New<E> {
        let planes = &planes[index];
        let (role, length) =
            (self.layout.quantities[index].role, self.layout.quantities[index].partners.len());
        let mixed = |id: ParameterId, plane: usize| {
            let old = &self.executable.parameters()[id.index()];
            let signal = &planes[plane * length..(plane + 1) * length];
            (id, mix(old, signal, rate))
        };
        match (role, formula) {
            (_, Formula::Ratio { numerator, denominator }) => {
                vec![mixed(numerator, 1), mixed(denominator, 0)]
            }
            (_, Formula::MomentScale { second_numerator, second_denominator, .. }) => {
                vec![mixed(second_numerator, 3), mixed(second_denominator, 0)]
            }
            (Role::Location, Formula::Direct(id)) => {
                vec![(id, self.new_locations(index, planes, rate))]
            }
            (Role::Scale, Formula::Direct(id)) => {
                vec![(id, self.new_scales(index, planes, rate, |scale| scale))]
            }
            (Role::Scale, Formula::Exp(id)) => {
                vec![(id, self.new_scales(index, planes, rate, f64::ln))]
            }
            (Role::Scale, Formula::Softplus(id)) => {
                vec![(id, self.new_scales(index, planes, rate, inverse_softplus))]
            }
            _ => New::new(),
        }
    }

    /// `(1 - rate) location + rate · weighted mean`; a component that nothing used stays.
    fn new_locations(&self, index: usize, planes: &[E], rate: f64) -> Vec<E> {
        let old = &self.executable.quantities()[index];
        let new = old.iter().enumerate().map(|(within, &location)| {
            let weight = at(planes, old.len(), 0, within);
            if weight > 0.0 {
                let mean = at(planes, old.len(), 1, within) / weight;
                let location = Real::to_f64(location);
                E::from_f64(location + rate * (mean - location))
            } else {
                location
            }
        });
        new.collect()
    }

    /// Scales from second moments: `(1 - rate) scale² + rate · variance`, plus what the location's
    /// step adds. `store` gives a parameter's value of a scale.
    fn new_scales(
        &self,
        index: usize,
        planes: &[E],
        rate: f64,
        store: impl Fn(f64) -> f64,
    ) -> Vec<E> {
        let quantities = self.executable.quantities();
        let old = &quantities[index];
        let new = old.iter().enumerate().map(|(within, &scale)| {
            let scale = Real::to_f64(scale);
            let moments = [0, 1, 2, 3].map(|plane| at(planes, old.len(), plane, within));
            let new = self.new_variance((index, within), moments, scale * scale, rate);
            let floor = self.options.minimum_scale;
            E::from_f64(store(new.map_or(scale, |variance| variance.sqrt().max(floor))))
        });
        new.collect()
    }

    /// The squared scale of one component from `Σ F`, `Σ F u`, `Σ F u d`, `Σ F u d²`, with
    /// deviations `d` from the location as it was; nothing where nothing used it.
    ///
    /// Where the location moves by `δ` at the same time and belongs to this scale alone, the
    /// deviations are those from the new one, which is what maximises the likelihood of both.
    /// Otherwise the scale is that for the location as it was, which does not lower it either.
    fn new_variance(
        &self,
        (index, within): (usize, usize),
        [mass, weight, first, second]: [f64; 4],
        variance: f64,
        rate: f64,
    ) -> Option<f64> {
        let prior = self.options.prior;
        let (location_rows, scale_rows) =
            (prior.location_rows * self.share, prior.scale_rows * self.share);
        let from_prior = prior.location - self.location_of(index, within);
        let moves = self.location_moves(index, within);
        let weights = weight + location_rows;
        let shift = if moves && weights > 0.0 {
            (first + location_rows * from_prior) / weights
        } else {
            0.0
        };
        let rows = mass + scale_rows;
        if rows <= 0.0 || !rows.is_finite() {
            return None;
        }
        let squares = second - 2.0 * shift * first
            + shift * shift * weight
            + location_rows * (from_prior - shift).powi(2)
            + scale_rows * prior.scale.powi(2);
        let between = rate * (1.0 - rate) * shift * shift;
        let new = (1.0 - rate) * variance + rate * (squares / rows).max(0.0) + between;
        new.is_finite().then_some(new)
    }

    /// Whether the location that goes with a scale changes in this step, and for this scale alone.
    fn location_moves(&self, index: usize, within: usize) -> bool {
        let plan = self.executable.plan();
        let partner = self.layout.quantities[index].partners[within];
        let Some(quantity) = plan.quantities.get(partner.quantity) else { return false };
        let location = self.layout.quantities[partner.quantity].partners[partner.index];
        quantity.is_trainable(&plan.parameters) && !location.shared
    }
}

/// `(1 - rate) old + rate · signal`
fn mix<E: Number>(old: &[E], signal: &[E], rate: f64) -> Vec<E> {
    let rate = E::from_f64(rate);
    old.iter().zip(signal).map(|(&old, &signal)| (E::ONE - rate) * old + rate * signal).collect()
}

/// Raises second moments so that no scale falls below `minimum`; one that would be no number at
/// all, since rounding or a start without data left a negative variance, included.
pub(super) fn keep_above<E: Number>(minimum: f64, plan: &Plan, parameters: &mut [Vec<E>]) {
    let square = E::from_f64(minimum * minimum);
    for quantity in &plan.quantities {
        let Formula::MomentScale {
            first_numerator,
            first_denominator,
            second_numerator,
            second_denominator,
        } = quantity.formula
        else {
            continue;
        };
        if !plan.parameters.get(second_numerator).trainable {
            continue;
        }
        let value = |id: ParameterId, within: usize| parameters[id.index()][within];
        let least = (0..quantity.len()).map(|within| {
            let mass = value(first_denominator, within);
            let mean =
                if mass == E::ZERO { E::ZERO } else { value(first_numerator, within) / mass };
            value(second_denominator, within) * (mean * mean + square)
        });
        let least: Vec<E> = least.collect();
        for (second, least) in parameters[second_numerator.index()].iter_mut().zip(least) {
            *second = Float::max(*second, least);
        }
    }
}
