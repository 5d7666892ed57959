//! Running sums of the posteriors of all units: drawing an input is then a binary search.

use spn_ir::plan::Step;

use super::posterior::Posteriors;
use super::{DrawSums, RandomNumbers, SumUnit};
use crate::simd::Element;

/// The running sums of one row.
pub(super) struct Tables<E> {
    /// Those of all units of sums, `inputs` for each.
    sums: Vec<E>,
    /// Of each step, where its units begin and how many units and inputs each of its blocks has.
    steps: Vec<(usize, usize, usize)>,
    joints: Vec<E>,
}

impl<E: Element> Tables<E> {
    /// The tables of posteriors to the power `1 / temperature`.
    pub(super) fn new(posteriors: &Posteriors<'_, E>, temperature: f64) -> Self {
        let plan = posteriors.engine().plan;
        let mut scores = Vec::new();
        let mut tables = Self { sums: Vec::new(), steps: Vec::new(), joints: Vec::new() };
        posteriors.joints(&mut scores);
        push_running_sums(&scores, temperature, &mut tables.joints);
        for (index, step) in plan.steps.iter().enumerate() {
            let Step::SumProduct(sums) = step else {
                tables.steps.push((0, 0, 0));
                continue;
            };
            let (width, inputs) = (sums.width as usize, sums.inputs as usize);
            tables.steps.push((tables.sums.len(), width, inputs));
            for instance in 0..sums.instances.len() {
                for unit in 0..width {
                    posteriors.inputs(SumUnit { step: index, instance, unit }, &mut scores);
                    push_running_sums(&scores, temperature, &mut tables.sums);
                }
            }
        }
        tables
    }
}

fn push_running_sums<E: Element>(scores: &[f64], temperature: f64, sums: &mut Vec<E>) {
    let largest = scores.iter().copied().fold(0.0, f64::max);
    let mut sum = 0.0;
    sums.extend(scores.iter().map(|score| {
        sum += match temperature {
            1.0 => *score,
            _ => (score / largest).powf(1.0 / temperature),
        };
        E::from_f64(sum)
    }));
}

impl<E: Element> DrawSums for &Tables<E> {
    #[inline]
    fn joint(&mut self, _: f64, numbers: &mut RandomNumbers) -> usize {
        search(&self.joints, numbers)
    }

    #[inline]
    fn input(&mut self, sum: SumUnit, _: f64, numbers: &mut RandomNumbers) -> usize {
        let (start, width, inputs) = self.steps[sum.step];
        search(&self.sums[start + (sum.instance * width + sum.unit) * inputs..][..inputs], numbers)
    }
}

/// The first index whose running sum exceeds a random part of the total: none of probability 0.
#[inline]
fn search<E: Element>(sums: &[E], numbers: &mut RandomNumbers) -> usize {
    let [others @ .., total] = sums else { return 0 };
    if others.is_empty() {
        return 0;
    }
    let threshold = total.to_f64() * numbers.uniform();
    let found = sums.partition_point(|sum| sum.to_f64() <= threshold);
    if found < sums.len() {
        return found;
    }
    // Rounded up to the total: the last index that adds anything.
    sums.partition_point(|sum| sum < total)
}
