//! Methods from options and back.
//!
//! In: the options of a method, decided. Out: the runtime's method, or which option does not belong
//! to it; and for a method the options that lead to it.

use serde_json::{Map, Value, json};
use spn_runtime::Counting;
use spn_runtime::learn::{
    Adam, AdamW, Clipping, ExpectationMaximization, Method, Prior, Regularization, RmsProp, Sgd,
};

use super::TrainingArguments;
use super::names::MethodName;

/// Builds the method that options name.
pub(super) fn method_of(options: &TrainingArguments) -> Result<Method, String> {
    let name = options.method.unwrap_or_default();
    check_options(name, options)?;
    let momentum = options.momentum.unwrap_or(0.0);
    Ok(match name {
        MethodName::Adam => Method::Adam(Adam::default()),
        MethodName::AdamW => {
            let usual = AdamW::default();
            let weight_decay = options.weight_decay.unwrap_or(usual.weight_decay);
            Method::AdamW(AdamW { weight_decay, ..usual })
        }
        MethodName::Sgd => Method::Sgd(Sgd { momentum, nesterov: options.nesterov }),
        MethodName::RmsProp => Method::RmsProp(RmsProp::default()),
        MethodName::Em
        | MethodName::HardEm
        | MethodName::UnweightedHardEm
        | MethodName::SampledEm => Method::ExpectationMaximization(maximization(name, options)),
    })
}

fn maximization(name: MethodName, options: &TrainingArguments) -> ExpectationMaximization {
    let usual = ExpectationMaximization::default();
    let sample_probability = options.sample_probability.unwrap_or(0.0);
    let prior = options.prior.unwrap_or_default();
    let pseudocount = options.pseudocount.unwrap_or(prior.pseudocount);
    ExpectationMaximization {
        counting: match name {
            MethodName::HardEm => Counting::Hard { sample_probability },
            MethodName::UnweightedHardEm => Counting::UnweightedHard { sample_probability },
            MethodName::SampledEm => Counting::SAMPLED,
            _ => Counting::Soft,
        },
        accumulate_batches: options.accumulate_batches.unwrap_or(usual.accumulate_batches),
        momentum: options.momentum.unwrap_or(usual.momentum),
        prior: Prior { pseudocount, ..prior },
        minimum_scale: options.minimum_scale.unwrap_or(usual.minimum_scale),
        keep_zeros: options.keep_zeros,
    }
}

/// The limits of gradients.
pub(super) fn clipping_of(options: &TrainingArguments) -> Clipping {
    Clipping { norm: options.clip_norm, value: options.clip_value }
}

/// The penalties on weights.
pub(super) fn regularization_of(options: &TrainingArguments) -> Regularization {
    let factor = |option: Option<f64>| option.unwrap_or(0.0);
    let TrainingArguments { l1, l2, entropy, .. } = *options;
    Regularization { l1: factor(l1), l2: factor(l2), entropy: factor(entropy) }
}

/// Refuses options that the method has no use for.
fn check_options(name: MethodName, options: &TrainingArguments) -> Result<(), String> {
    use MethodName::{AdamW, HardEm, Sgd, UnweightedHardEm};
    let em = name.counts();
    let hard = matches!(name, HardEm | UnweightedHardEm);
    let given = [
        ("momentum", options.momentum.is_some_and(|m| m != 0.0), em || name == Sgd, "sgd"),
        ("nesterov", options.nesterov, name == Sgd, "sgd"),
        ("weight decay", options.weight_decay.is_some(), name == AdamW, "adamw"),
        ("gradient norm to clip", options.clip_norm.is_some(), !em, "adam"),
        ("gradient value to clip", options.clip_value.is_some(), !em, "adam"),
        ("l1 penalty", options.l1.is_some(), !em, "adam"),
        ("l2 penalty", options.l2.is_some(), !em, "adam"),
        ("entropy penalty", options.entropy.is_some(), !em, "adam"),
        ("sample probability", options.sample_probability.is_some(), hard, "hard-em"),
        ("batches to accumulate", options.accumulate_batches.is_some(), em, "em"),
        ("pseudocount", options.pseudocount.is_some(), em, "em"),
        ("minimum scale", options.minimum_scale.is_some(), em, "em"),
        ("zeros to keep", options.keep_zeros, em, "em"),
        ("prior", options.prior.is_some(), em, "em"),
    ];
    for (what, is_given, fits, other) in given {
        if is_given && !fits {
            let name = name.name();
            return Err(format!("{name} has no {what}; leave it out or use --method {other}"));
        }
    }
    if options.nesterov && options.momentum.unwrap_or(0.0) == 0.0 {
        return Err(
            "nesterov looks ahead along the momentum; give --momentum, for example 0.9, or \
                    leave nesterov out"
                .to_owned(),
        );
    }
    Ok(())
}

/// Adds the options that lead to a method to a `training` object.
pub(super) fn method_json(method: &Method, json: &mut Map<String, Value>) {
    json.insert("method".to_owned(), json!(MethodName::of(method).name()));
    let mut note = |name: &str, value: Value, usual: Value| {
        if value != usual {
            json.insert(name.to_owned(), value);
        }
    };
    match method {
        Method::AdamW(AdamW { weight_decay, .. }) => {
            note("weight_decay", json!(weight_decay), json!(AdamW::default().weight_decay));
        }
        Method::Sgd(Sgd { momentum, nesterov }) => {
            note("momentum", json!(momentum), json!(0.0));
            note("nesterov", json!(nesterov), json!(false));
        }
        Method::ExpectationMaximization(em) => {
            let usual = ExpectationMaximization::default();
            let share = match em.counting {
                Counting::SAMPLED | Counting::Soft => 0.0,
                Counting::Hard { sample_probability: p }
                | Counting::UnweightedHard { sample_probability: p } => p,
            };
            note("sample_probability", json!(share), json!(0.0));
            let batches = em.accumulate_batches;
            note("accumulate_batches", json!(batches), json!(usual.accumulate_batches));
            note("momentum", json!(em.momentum), json!(usual.momentum));
            note("prior", json!(em.prior), json!(usual.prior));
            note("minimum_scale", json!(em.minimum_scale), json!(usual.minimum_scale));
            note("keep_zeros", json!(em.keep_zeros), json!(usual.keep_zeros));
        }
        _ => {}
    }
}
