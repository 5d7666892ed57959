//! Parameters by the closed formulas of a case's description: each value is made of `u(n, salt)`,
//! a hash of its row-major index, as a number between 0 and 1.

use serde_json::Value;
use spn_ir::Parameters;

use crate::case::Case;
use crate::setup::{Setup, ids};

/// The only hash that is known, in the words of the description.
const HASH: &str = "u(n, salt): for flat row-major index i (uint64): h = (i*2654435761 + \
    salt*40503 + 12345) mod 2^32; h ^= h>>15; h = h*2246822519 mod 2^32; h ^= h>>13; u = (h >> \
    16)/65536";

/// The formulas of a case.
pub(crate) struct Formulas(Vec<Formula>);

/// The formula of a layer's parameters.
struct Formula {
    layer: String,
    shape: Vec<usize>,
    salt: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Locations, with one scale and one accumulator denominator for all components.
    Location { factor: f64, offset: f64, scale: f64, denominator: f64 },
    /// Weights, normalised over their inputs.
    Weights { factor: f64, offset: f64 },
}

impl Formulas {
    /// The formulas, if the case has any.
    pub(crate) fn of(case: &Case) -> Result<Option<Self>, String> {
        let Some(list) = case.json.get("parameter_formulas").and_then(Value::as_object) else {
            return Ok(None);
        };
        if case.entry("formula")?.as_str() != Some(HASH) {
            return Err("the formula of u(n, salt) is not the known one".to_owned());
        }
        let formulas = list.iter().map(|(layer, entry)| {
            Formula::parse(layer, entry)
                .ok_or_else(|| format!("the formula of layer {layer} is not understood: {entry}"))
        });
        Ok(Some(Self(formulas.collect::<Result<_, _>>()?)))
    }

    /// Computes the parameters.
    pub(crate) fn fill(&self, setup: Setup, parameters: &mut Parameters) -> Result<(), String> {
        for id in ids(parameters) {
            let parameter = parameters.get_mut(id);
            let (layer, name) = parameter.name.split_once('/').unwrap_or_default();
            let formula = self.0.iter().find(|formula| formula.layer == layer);
            let values = formula.and_then(|formula| formula.values(setup, name));
            match values {
                Some(values) if formula.is_some_and(|f| f.shape == parameter.shape) => {
                    parameter.values = values;
                }
                None if !parameter.values.is_empty() => {}
                _ => return Err(format!("no formula gives {}", parameter.name)),
            }
        }
        Ok(())
    }
}

impl Formula {
    fn parse(layer: &str, entry: &Value) -> Option<Self> {
        let text = entry.get("expr")?.as_str()?;
        let kind = match entry.get("kind")?.as_str()? {
            "location" => {
                let mut parts = text.split(';').map(str::trim);
                let (factor, offset) = affine(parts.next()?)?;
                let mut constant = |name: &str| {
                    parts.next()?.strip_prefix(name)?.trim().strip_prefix('=')?.trim().parse().ok()
                };
                let (scale, denominator) =
                    (constant("scale")?, constant("accumulator denominators")?);
                Kind::Location { factor, offset, scale, denominator }
            }
            "sum weights" => {
                let (sum, rest) = text.strip_prefix("w = (")?.split_once(')')?;
                let known = " normalised over axis -2, computed in float64 then rounded to float32 \
                             (log taken before rounding for log accumulators)";
                let (factor, offset) = affine(sum).filter(|_| rest == known)?;
                Kind::Weights { factor, offset }
            }
            _ => return None,
        };
        let shape = entry.get("shape")?.as_array()?.iter();
        let shape = shape.map(|length| length.as_u64().map(|length| length as usize));
        let shape = shape.collect::<Option<_>>()?;
        Some(Self { layer: layer.to_owned(), shape, salt: entry.get("salt")?.as_u64()?, kind })
    }

    /// The values of one of the layer's parameters, rounded as the reference stores them.
    fn values(&self, setup: Setup, name: &str) -> Option<Vec<f64>> {
        let count: usize = self.shape.iter().product();
        let numbers = |factor: f64, offset: f64| {
            (0..count).map(move |index| factor * unit(index as u64, self.salt) + offset)
        };
        let values: Vec<f64> = match (self.kind, name) {
            (Kind::Location { factor, offset, .. }, "location") => {
                numbers(factor, offset).collect()
            }
            (Kind::Location { scale, .. }, "scale") => vec![scale; count],
            (Kind::Location { denominator, .. }, "first_order_moment_denom_accum") => {
                vec![denominator; count]
            }
            (
                Kind::Location { factor, offset, denominator, .. },
                "first_order_moment_num_accum",
            ) => numbers(factor, offset).map(|location| location * denominator).collect(),
            (Kind::Weights { factor, offset }, "sum_weights") => {
                let mut weights: Vec<f64> = numbers(factor, offset).collect();
                self.normalise(&mut weights)?;
                if setup == Setup::Log {
                    weights.iter_mut().for_each(|weight| *weight = weight.ln());
                }
                weights
            }
            _ => return None,
        };
        Some(values.into_iter().map(|value| f64::from(value as f32)).collect())
    }

    /// Divides by the sums over the last axis but one.
    fn normalise(&self, weights: &mut [f64]) -> Option<()> {
        let &[.., inputs, outputs] = self.shape.as_slice() else { return None };
        for matrix in weights.chunks_exact_mut(inputs * outputs) {
            for output in 0..outputs {
                let total: f64 = matrix.iter().skip(output).step_by(outputs).sum();
                for weight in matrix.iter_mut().skip(output).step_by(outputs) {
                    *weight /= total;
                }
            }
        }
        Some(())
    }
}

/// The hash of an index.
fn unit(index: u64, salt: u64) -> f64 {
    let mask = u64::from(u32::MAX);
    let product = index.wrapping_mul(2_654_435_761);
    let mut hash = product.wrapping_add(salt.wrapping_mul(40_503)).wrapping_add(12_345) & mask;
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(2_246_822_519) & mask;
    hash ^= hash >> 13;
    (hash >> 16) as f64 / 65_536.0
}

/// Factor and offset of `4*u - 2`, `0.25 + u` and the like.
fn affine(text: &str) -> Option<(f64, f64)> {
    let (mut factor, mut offset) = (0.0, 0.0);
    let mut sign = 1.0;
    for word in text.split_whitespace() {
        match word {
            "+" => sign = 1.0,
            "-" => sign = -1.0,
            "u" => factor += sign,
            term => match term.strip_suffix("*u") {
                Some(number) => factor += sign * number.parse::<f64>().ok()?,
                None => offset += sign * term.parse::<f64>().ok()?,
            },
        }
    }
    Some((factor, offset))
}

#[test]
fn expressions_are_read() {
    assert_eq!(affine("4*u - 2"), Some((4.0, -2.0)));
    assert_eq!(affine("0.25 + u"), Some((1.0, 0.25)));
    assert_eq!(affine("sin(u)"), None);
    // (1 · 2654435761 + 1 · 40503 + 12345) mod 2³² and so on, by hand.
    assert_eq!(unit(0, 0), f64::from(hash_by_hand(12_345) >> 16) / 65_536.0);
    assert_eq!(unit(1, 1), f64::from(hash_by_hand(2_654_488_609) >> 16) / 65_536.0);
}

#[cfg(test)]
fn hash_by_hand(start: u32) -> u32 {
    let mixed = start ^ (start >> 15);
    let mixed = mixed.wrapping_mul(2_246_822_519);
    mixed ^ (mixed >> 13)
}
