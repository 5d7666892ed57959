//! Posteriors of the inputs of sums given the evidence, from what the forward pass kept.

use super::{DrawSums, RandomNumbers, SumUnit};
use crate::distribution::draw_tempered;
use crate::engine::Engine;
use crate::kernels::Place;
use crate::simd::Element;
use crate::workspace::Workspace;

/// The posteriors of one sample of a tile after a forward pass in log space that kept everything.
#[derive(Clone, Copy)]
pub(super) struct Posteriors<'a, E> {
    engine: &'a Engine<'a, E>,
    place: Place<'a>,
    tile: &'a Workspace<E>,
    sample: usize,
}

impl<'a, E: Element> Posteriors<'a, E> {
    pub(super) fn new(
        engine: &'a Engine<'a, E>,
        place: Place<'a>,
        tile: &'a Workspace<E>,
        sample: usize,
    ) -> Self {
        Self { engine, place, tile, sample }
    }

    /// The engine that ran.
    pub(super) fn engine(&self) -> &'a Engine<'a, E> {
        self.engine
    }

    /// To draw from these, with scratch for scores.
    pub(super) fn drawing<'s>(self, scores: &'s mut Vec<f64>) -> Drawing<'a, 's, E> {
        Drawing { posteriors: self, scores }
    }

    /// A number in proportion to the posterior of each of the root's inputs.
    pub(super) fn joints(&self, scores: &mut Vec<f64>) {
        let total = self.tile.total[self.sample].to_f64();
        let count = self.engine.plan.root.inputs as usize;
        let joints = self.tile.joints.iter().skip(self.sample).step_by(self.place.tile);
        scores.clear();
        scores.extend(joints.take(count).map(|joint| (joint.to_f64() - total).exp()));
    }

    /// A number in proportion to the posterior of each input of a unit.
    pub(super) fn inputs(&self, sum: SumUnit, scores: &mut Vec<f64>) {
        let SumUnit { step, instance, unit } = sum;
        let block = self.engine.block(self.place, step, instance);
        let (tile, width) = (self.place.tile, block.width());
        let linear_length = block.inputs() * tile;
        let each = linear_length + width * tile;
        let start = self.engine.plan.training.kept[step] as usize * tile + instance * each;
        let (linear, sums) = self.tile.arena[start..start + each].split_at(linear_length);
        scores.clear();
        if sums[unit * tile + self.sample] >= E::MIN_CERTAIN {
            let values = linear.iter().skip(self.sample).step_by(tile);
            let weights = block.weights.iter().skip(unit).step_by(width);
            scores.extend(values.zip(weights).map(|(v, w)| v.to_f64() * w.to_f64()));
            return;
        }
        let logs = block.weighted_inputs(&self.tile.arena, unit, self.sample);
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        scores.extend(logs.iter().map(|log| (log - largest).exp()));
    }
}

/// Draws inputs by their posteriors.
pub(super) struct Drawing<'a, 's, E> {
    posteriors: Posteriors<'a, E>,
    scores: &'s mut Vec<f64>,
}

impl<E: Element> DrawSums for Drawing<'_, '_, E> {
    fn joint(&mut self, temperature: f64, numbers: &mut RandomNumbers) -> usize {
        self.posteriors.joints(self.scores);
        draw_one(self.scores, temperature, numbers)
    }

    fn input(&mut self, sum: SumUnit, temperature: f64, numbers: &mut RandomNumbers) -> usize {
        self.posteriors.inputs(sum, self.scores);
        draw_one(self.scores, temperature, numbers)
    }
}

/// An index in proportion to its score; the only one without a random number, as tables do it.
fn draw_one(scores: &[f64], temperature: f64, numbers: &mut RandomNumbers) -> usize {
    match scores.len() {
        0 | 1 => 0,
        _ => draw_tempered(scores.iter().copied(), temperature, numbers),
    }
}
