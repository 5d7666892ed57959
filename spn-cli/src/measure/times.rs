//! Times of many calls, and what is said of them.

/// Times of calls, in seconds.
#[derive(Clone, Debug, Default)]
pub struct Times {
    seconds: Vec<f64>,
}

impl Times {
    /// Adds the time of a call.
    pub fn add(&mut self, seconds: f64) {
        self.seconds.push(seconds);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seconds.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// The time that half of the calls stay below; 0 without calls.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The least time that this share of the calls does not exceed; 0 without calls.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(&self.seconds, share)
    }
}

/// The middle of some numbers; 0 if there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The least of some numbers that this share of them does not exceed; 0 if there is none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let mut times = Times::default();
        assert_eq!((times.median(), times.quantile(0.99)), (0.0, 0.0));
        (1..=200).rev().for_each(|time| times.add(f64::from(time)));
        assert_eq!((times.median(), times.quantile(0.99), times.len()), (100.0, 198.0, 200));
        assert_eq!((times.quantile(0.0), times.quantile(1.0)), (1.0, 200.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    }
}
