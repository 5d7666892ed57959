//! Leaf components as distributions of one variable: mode, sample, mean, variance, probabilities.
//!
//! In: a leaf block's component and one of its variables. Out: what queries need to know about it, in
//! double precision and in the units that leaves see (after normalisation). The kernels of leaves
//! compute log-densities of many samples at once; here is everything else. Each family has a file (an
//! indicator, certain of one state, needs none); adding one means adding a file and a line in each
//! `match` below.

mod categorical;
mod location_scale;

use spn_ir::plan::{LeafKernel, LeafStep};
use spn_ir::random::Uniforms;
use spn_ir::{LocationScale, Slice};

use crate::counting::draw;
use crate::simd::Element;

/// Random numbers of one sample, one after the other: a function of where they began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RandomNumbers {
    uniforms: Uniforms,
    next: u64,
}

impl RandomNumbers {
    /// The numbers of a step of a stream of `seed`, from the first one on.
    pub(crate) fn new(seed: u64, stream: u32, step: u64) -> Self {
        Self { uniforms: Uniforms::new(seed, stream, step), next: 0 }
    }

    /// The next number, in `[0, 1)`.
    #[inline]
    pub(crate) fn uniform(&mut self) -> f64 {
        let number = self.uniforms.at(self.next);
        self.next += 1;
        number
    }
}

/// One component of a leaf block as a distribution of one of the block's variables.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Component<'a, E> {
    /// A location-scale family.
    LocationScale {
        /// Which one.
        family: LocationScale,
        /// Its location.
        location: f64,
        /// Its scale.
        scale: f64,
    },
    /// Certainty of one state.
    Indicator {
        /// The state.
        state: usize,
    },
    /// Probabilities of the states `0..`.
    Categorical {
        /// One for each state.
        probabilities: &'a [E],
    },
}

impl<'a, E: Element> Component<'a, E> {
    /// Component `component` of block `index` of a step, for the block's variable number `dimension`.
    /// `quantities` are the plan's; the plan must be verified.
    #[inline]
    pub(crate) fn new(
        (step, index): (&LeafStep, usize),
        (component, dimension): (usize, usize),
        quantities: &'a [Vec<E>],
    ) -> Self {
        let instance = &step.instances[index];
        let at = component * step.dimensions as usize + dimension;
        let values = |slice: Option<Slice>| {
            let slice = slice.map(|s| &quantities[s.quantity.index()][s.offset as usize..]);
            slice.unwrap_or_default()
        };
        let value = |slice| values(slice).get(at).map_or(f64::NAN, |value: &E| value.to_f64());
        match step.kernel {
            LeafKernel::LocationScale(family) => {
                let (location, scale) = (value(instance.first), value(instance.second));
                Self::LocationScale { family, location, scale }
            }
            LeafKernel::Indicator => Self::Indicator { state: component },
            LeafKernel::Categorical { states } => {
                let states = states as usize;
                let probabilities = values(instance.first).get(at * states..(at + 1) * states);
                Self::Categorical { probabilities: probabilities.unwrap_or_default() }
            }
        }
    }

    /// The most probable value; the first one of several equal ones.
    pub(crate) fn mode(&self) -> f64 {
        match *self {
            Self::LocationScale { location, .. } => location,
            Self::Indicator { state } => state as f64,
            Self::Categorical { probabilities } => categorical::mode(probabilities) as f64,
        }
    }

    /// The natural logarithm of the density or probability at the mode.
    pub(crate) fn log_density_of_mode(&self) -> f64 {
        match *self {
            Self::LocationScale { family, scale, .. } => {
                location_scale::log_density_of_mode(family, scale)
            }
            Self::Indicator { .. } => 0.0,
            Self::Categorical { probabilities } => categorical::largest(probabilities).ln(),
        }
    }

    /// The possible values with their log-probabilities, the most probable first, at most `count`. Of a
    /// continuous component its mode alone.
    pub(crate) fn best_values(&self, count: usize) -> Vec<(f64, f64)> {
        let Self::Categorical { probabilities } = *self else {
            return vec![(self.mode(), self.log_density_of_mode())];
        };
        let mut states: Vec<(f64, f64)> = (0..probabilities.len())
            .map(|state| (state as f64, probabilities[state].to_f64().ln()))
            .filter(|(_, log)| *log > f64::NEG_INFINITY)
            .collect();
        states.sort_by(|a, b| b.1.total_cmp(&a.1));
        states.truncate(count);
        states
    }

    /// A sample from the component; from its density or probabilities to the power
    /// `1 / temperature`, where the family's file does not say otherwise.
    #[inline]
    pub(crate) fn sample(&self, temperature: f64, numbers: &mut RandomNumbers) -> f64 {
        match *self {
            Self::LocationScale { family, location, scale } => {
                location + scale * location_scale::sample(family, temperature, numbers)
            }
            Self::Indicator { state } => state as f64,
            Self::Categorical { probabilities } => {
                categorical::sample(probabilities, temperature, numbers) as f64
            }
        }
    }

    /// The mean; NaN where there is none.
    pub(crate) fn mean(&self) -> f64 {
        match *self {
            Self::LocationScale { family, location, .. } => location_scale::mean(family, location),
            Self::Indicator { state } => state as f64,
            Self::Categorical { probabilities } => categorical::moments(probabilities).0,
        }
    }

    /// The variance; NaN where there is none.
    pub(crate) fn variance(&self) -> f64 {
        match *self {
            Self::LocationScale { family, scale, .. } => location_scale::variance(family, scale),
            Self::Indicator { .. } => 0.0,
            Self::Categorical { probabilities } => categorical::moments(probabilities).1,
        }
    }

    /// Calls `take` with each state and its probability, which sum to 1; never for continuous families.
    pub(crate) fn for_each_state(&self, mut take: impl FnMut(usize, f64)) {
        match *self {
            Self::LocationScale { .. } => {}
            Self::Indicator { state } => take(state, 1.0),
            Self::Categorical { probabilities } => {
                let total = categorical::total(probabilities);
                let states = probabilities.iter().enumerate();
                states.for_each(|(state, p)| take(state, p.to_f64() / total));
            }
        }
    }
}

/// An index, drawn in proportion to the probabilities to the power `1 / temperature`.
#[inline]
pub(crate) fn draw_tempered(
    probabilities: impl Iterator<Item = f64> + Clone,
    temperature: f64,
    numbers: &mut RandomNumbers,
) -> usize {
    let number = numbers.uniform();
    if temperature == 1.0 {
        return draw(probabilities, number);
    }
    // In relation to the largest one, so that small temperatures underflow only what is negligible.
    let largest = probabilities.clone().fold(0.0, f64::max);
    draw(probabilities.map(|p| (p / largest).powf(1.0 / temperature)), number)
}

/// How many states a variable of a step has; `None` if its values are real numbers.
pub(crate) fn states(step: &LeafStep) -> Option<usize> {
    match step.kernel {
        LeafKernel::LocationScale(_) => None,
        LeafKernel::Indicator => Some(step.width as usize),
        LeafKernel::Categorical { states } => Some(states as usize),
    }
}
