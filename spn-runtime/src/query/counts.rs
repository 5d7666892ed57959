//! Counts: how often weights and leaf components are used, the sufficient statistics of
//! expectation maximisation.
//!
//! In: rows, an objective and a [`Counting`] rule. Out: [`Counts`], for each quantity of the plan
//! what its readers used of it, tied readers added up. One forward and one reverse pass; the batch
//! is cut as for gradients, so results do not depend on the number of threads.

use crate::counting::{Draws, Rule, Selecting};
use crate::engine::{Engine, Entrances, Signal, Wanted};
use crate::executable::Number;
use crate::first_writers::FirstWriters;
use crate::kernels::dropout::Dropping;
use crate::kernels::input::TileRows;
use crate::learn::Objective;
use crate::simd::Level;
use crate::tiles::tile_rows;
use crate::workspace::{MAX_TILE, Purpose};
use crate::{Counting, Executable, Rows, RunError, Statistics};

use super::groups::{Groups, Sums, TileNumber, scale_by};
use super::roles::{Role, roles};
use crate::error::check_length;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub struct CountOptions<'a, E> {
    /// To which inputs of a sum a unit's flow goes.
    pub counting: Counting,
    /// Generative: a row is used by the whole network. Joint: by its label's class only.
    pub objective: Objective,
    /// A class for each row, where the objective needs them.
    pub labels: Option<&'a [u32]>,
    /// How often each row counts; once without.
    pub row_weights: Option<&'a [E]>,
    /// What sample-wise normalisation looks at.
    pub statistics: Statistics,
    /// Dropout.
    pub dropping: Dropping<'a>,
    /// Seed of ties and samples.
    pub seed: u64,
    /// Number of the training step, for other ties and samples in each.
    pub step: u64,
}

impl<E> Default for CountOptions<'_, E> {
    fn default() -> Self {
        Self {
            counting: Counting::Soft,
            objective: Objective::Generative,
            labels: None,
            row_weights: None,
            statistics: Statistics::Observed,
            dropping: Dropping::Off,
            seed: 0,
            step: 0,
        }
    }
}

/// What a batch used.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts<E> {
    /// The weighted sum of the rows' losses, divided by the number of rows.
    pub loss: f64,
    /// For each quantity of the plan, in its order.
    pub quantities: Vec<QuantityCounts<E>>,
}

/// What was used of one quantity, in its shape. Flows `F` are those of units, posterior
/// probabilities times row weights; only observed values count.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantityCounts<E> {
    /// No node reads it.
    Unused,
    /// Uses of each weight: the flow from the sum to the input.
    Weights(Vec<E>),
    /// Uses of each state's probability.
    Probabilities(Vec<E>),
    /// Of a location, with `u` the expected precision of a scale mixture of normal densities (1 for
    /// normal leaves). Where moment accumulators stand for the location, `u` is 1 and nothing is
    /// divided by the scale.
    Location {
        /// `Σ F u / scale²`
        weight: Vec<E>,
        /// `Σ F u (x - location) / scale²`
        deviation: Vec<E>,
    },
    /// Of a scale.
    Scale {
        /// `Σ F`
        mass: Vec<E>,
        /// `Σ F u`
        weight: Vec<E>,
        /// `Σ F u (x - location)`
        deviation: Vec<E>,
        /// `Σ F u (x - location)²`
        square: Vec<E>,
    },
}

impl<E: Number> Executable<E> {
    /// Counts what a batch of rows uses.
    ///
    /// # Errors
    /// If columns, labels or weights do not fit, if the objective is no likelihood, or if a quantity
    /// is read as two different things.
    pub fn counts(
        &self,
        rows: Rows<'_, E>,
        options: &CountOptions<'_, E>,
    ) -> Result<Counts<E>, RunError> {
        let mut groups = Groups::default();
        let roles = self.count(rows, options, &mut groups)?;
        let total = std::mem::take(groups.total());
        let quantities = total.quantities.into_iter().zip(roles);
        let quantities = quantities.map(|(planes, role)| QuantityCounts::new(role, planes));
        Ok(Counts { loss: total.loss, quantities: quantities.collect() })
    }

    /// Leaves loss and planes of counts in the total of `groups`; gives each quantity's role.
    pub(crate) fn count(
        &self,
        rows: Rows<'_, E>,
        options: &CountOptions<'_, E>,
        groups: &mut Groups<E>,
    ) -> Result<Vec<Role>, RunError> {
        if !matches!(options.objective, Objective::Generative | Objective::Joint) {
            return Err(RunError::NoLikelihood { objective: options.objective.name() });
        }
        options.objective.check(options.labels, rows.len(), self.classes())?;
        rows.check_columns(self.plan().variables as usize)?;
        if let Some(weights) = options.row_weights {
            check_length("the list of row weights", weights.len(), rows.len())?;
        }
        let rule = options.counting.rule(Draws { seed: options.seed, step: options.step })?;
        let roles = roles(self.plan())?;
        let lengths = self.quantities().iter().zip(&roles);
        let lengths: Vec<usize> = lengths.map(|(q, role)| q.len() * role.planes()).collect();
        // Rules that select one input compare logarithms.
        let needed = matches!(rule, Rule::Soft).then(|| options.objective.needed());
        let engine = self.engine(Purpose::Flows, options.statistics, options.dropping, needed);
        let cut = (rows.len(), self.tiles().width(rows.len(), Purpose::Flows));
        self.install(|| {
            // Where one input is selected, nothing is said of the others.
            let writers = matches!(rule, Rule::Soft).then_some(self.first_writers());
            groups.run(cut, (&lengths, writers), (&mut [], 0), |tile, sums, _| {
                let TileNumber { tile, number, is_first } = tile;
                let part = tile_rows(rows, tile, number);
                let writers = writers.filter(|_| is_first);
                self.count_tile(&engine, part, options, (rule, writers), sums);
            });
            if matches!(rule, Rule::Soft) {
                // The soft reverse step adds up flows divided by the weight.
                let counts = groups.total().quantities.iter_mut();
                let weights = counts.zip(self.quantities()).zip(&roles);
                let weights = weights.filter(|(_, role)| **role == Role::Weights);
                weights.for_each(|((counts, weights), _)| scale_by(counts, weights));
            }
        });
        Ok(roles)
    }

    /// Adds one tile's loss and counts to those of its group.
    fn count_tile(
        &self,
        engine: &Engine<'_, E>,
        part: TileRows<'_, E>,
        options: &CountOptions<'_, E>,
        (rule, writers): (Rule, Option<&FirstWriters>),
        group: &mut Sums<E>,
    ) {
        let rows = part.first..part.first + part.count;
        let labels = options.labels.filter(|_| options.objective.needs_labels());
        self.with_workspace(|workspace| {
            E::forward(engine, self.level(), part, workspace);
            let length = self.classes() * part.tile;
            let uses = TileUses {
                rule,
                labels: labels.map(|labels| &labels[rows.clone()]),
                row_weights: options.row_weights.map(|weights| &weights[rows]),
                tile: part.tile,
                first_row: part.first,
                joints: &workspace.joints[..length],
                total: &workspace.total,
                log_weights: self.root_log_weights(),
            };
            let loss = uses.seeds(self.level(), part.count, &mut workspace.seeds[..length]);
            group.loss += loss / part.rows.len() as f64;
            let wanted = Wanted {
                signal: Signal::Counts(rule),
                quantities: Some(&mut group.quantities),
                first_writers: writers,
                inputs: false,
                all_flows: false,
            };
            E::reverse(engine, self.level(), part, workspace, wanted);
        });
    }
}

impl<E: Number> QuantityCounts<E> {
    /// Cuts the planes apart.
    fn new(role: Role, mut planes: Vec<E>) -> Self {
        let length = planes.len() / role.planes().max(1);
        match role {
            Role::Unused => Self::Unused,
            Role::Weights => Self::Weights(planes),
            Role::Probabilities => Self::Probabilities(planes),
            Role::Location => {
                let deviation = planes.split_off(length);
                Self::Location { weight: planes, deviation }
            }
            Role::Scale => {
                let square = planes.split_off(3 * length);
                let deviation = planes.split_off(2 * length);
                let weight = planes.split_off(length);
                Self::Scale { mass: planes, weight, deviation, square }
            }
        }
    }
}

/// One tile's joints, labels and weights: how much each row uses each joint.
pub(super) struct TileUses<'a, E> {
    pub(super) rule: Rule,
    /// The class that is used, for joints; else the posterior or the rule decides.
    pub(super) labels: Option<&'a [u32]>,
    pub(super) row_weights: Option<&'a [E]>,
    pub(super) tile: usize,
    /// Number of the tile's first row in the batch.
    pub(super) first_row: usize,
    pub(super) joints: &'a [E],
    pub(super) total: &'a [E],
    /// Of the root, one for each joint.
    pub(super) log_weights: &'a [E],
}

impl<E: Entrances> TileUses<'_, E> {
    /// Writes the seeds `[joints, tile]` of the first `count` samples and returns the weighted sum
    /// of their losses. Impossible evidence has loss +inf and uses nothing.
    pub(super) fn seeds(&self, level: Level, count: usize, seeds: &mut [E]) -> f64 {
        let mut uses = [E::ZERO; MAX_TILE];
        let uses = &mut uses[..self.tile];
        let mut loss = 0.0;
        for (sample, uses) in uses.iter_mut().enumerate().take(count) {
            let weight = self.row_weights.map_or(E::ONE, |weights| weights[sample]);
            if weight == E::ZERO {
                continue;
            }
            let used = match self.labels {
                Some(labels) => self.joint(labels[sample] as usize, sample),
                None => self.total[sample].to_f64(),
            };
            loss -= weight.to_f64() * used;
            if used > f64::NEG_INFINITY {
                *uses = weight;
            }
        }
        if let (None, Rule::Soft) = (self.labels, self.rule) {
            E::posteriors(level, uses, self.joints, &self.total[..self.tile], seeds);
            return loss;
        }
        seeds.fill(E::ZERO);
        for (sample, &uses) in uses.iter().enumerate().filter(|(_, uses)| **uses != E::ZERO) {
            let joint = match (self.labels, self.rule) {
                (Some(labels), _) => labels[sample] as usize,
                (None, Rule::Selection(rule)) => self.select(rule, sample),
                // Posteriors were written above.
                (None, Rule::Soft) => continue,
            };
            seeds[joint * self.tile + sample] = uses;
        }
        loss
    }

    fn joint(&self, joint: usize, sample: usize) -> f64 {
        self.joints[joint * self.tile + sample].to_f64()
    }

    /// The joints of one sample.
    fn row(&self, sample: usize) -> impl Iterator<Item = f64> + Clone {
        self.joints.iter().skip(sample).step_by(self.tile).map(|joint| joint.to_f64())
    }

    /// The joint that is used. Unweighted, its weight is taken out again; an input of weight 0
    /// cannot win here.
    fn select(&self, rule: Selecting, sample: usize) -> usize {
        let log_weight = |weight: &E| if rule.weighted { 0.0 } else { weight.to_f64() };
        let scores = self.row(sample).zip(self.log_weights.iter().map(log_weight));
        let scores =
            scores.map(
                |(joint, log_weight)| {
                    if joint == f64::NEG_INFINITY { joint } else { joint - log_weight }
                },
            );
        let largest = scores.clone().fold(f64::NEG_INFINITY, f64::max);
        let place = (self.first_row + sample, ROOT);
        rule.select(scores, |score| (score - largest).exp(), place)
    }
}

/// The number of the root among units, for random numbers: it has no slot.
const ROOT: usize = u32::MAX as usize;
