//! How to train: the command line first, then the layer file's `training` object, then defaults.
//!
//! In: both. Out: the runtime's options, all of them decided and in their ranges.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use spn_runtime::RunError;
use spn_runtime::learn::{Batch, FitOptions, Keep, Method, Objective, Schedule};

use super::TrainingArguments;
use super::method::{clipping_of, method_json, method_of, regularization_of};
use super::names::{MethodName, ObjectiveName, batch_json, keep_name};
use crate::Failure;

/// What there is to train with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// Whether rows have labels.
    pub(crate) labels: bool,
    /// Whether there are validation rows.
    pub(crate) validation: bool,
}

/// Decides every option: the command line, else the layer file, else the default. What the layer
/// file says of validation holds where there are validation rows.
pub(crate) fn decide(
    arguments: &TrainingArguments,
    object: Option<&Value>,
    seed: Option<u64>,
    given: Given,
) -> Result<FitOptions, Failure> {
    let mut file = read_object(object)?;
    if !given.validation {
        (file.patience, file.keep) = (None, None);
    }
    let options = arguments.clone().or(file);
    let wrong = |problem: String| Failure::misuse(problem);
    let method = method_of(&options).map_err(wrong)?;
    let defaults = FitOptions::default();
    let batch = options.batch.unwrap_or(defaults.batch);
    let rate = options.learning_rate.unwrap_or_else(|| usual_rate(&method, batch));
    let fit = FitOptions {
        objective: objective(&options, given.labels).map_err(wrong)?,
        method,
        learning_rate: rate,
        schedule: schedule(&options),
        clipping: clipping_of(&options),
        regularization: regularization_of(&options),
        batch,
        epochs: options.epochs.unwrap_or(defaults.epochs),
        seed: seed.or(options.seed).unwrap_or(defaults.seed),
        patience: options.patience,
        keep: options.keep.map_or(usual_keep(options.patience), Keep::from),
    };
    check(&fit, given).map_err(wrong)?;
    check_ranges(&fit)?;
    Ok(fit)
}

fn read_object(object: Option<&Value>) -> Result<TrainingArguments, Failure> {
    let Some(object) = object else { return Ok(TrainingArguments::default()) };
    TrainingArguments::deserialize(object)
        .map_err(|error| Failure::misuse(format!("the layer file's `training`: {error}")))
}

/// The objective that is asked for or, if none is, the one that labels and method suggest.
fn objective(options: &TrainingArguments, labels: bool) -> Result<Objective, String> {
    let counts = options.method.unwrap_or_default().counts();
    let usual = match (labels, counts) {
        (false, _) => ObjectiveName::Generative,
        (true, false) => ObjectiveName::Discriminative,
        (true, true) => ObjectiveName::Joint,
    };
    let name = options.objective.unwrap_or(usual);
    if options.generative_share.is_some() && name != ObjectiveName::Hybrid {
        return Err(
            "the generative share belongs to the hybrid objective; give --objective hybrid \
                    or leave it out"
                .to_owned(),
        );
    }
    Ok(match name {
        ObjectiveName::Generative => Objective::Generative,
        ObjectiveName::Joint => Objective::Joint,
        ObjectiveName::Discriminative => Objective::Discriminative,
        ObjectiveName::Hybrid => {
            Objective::Hybrid { generative: options.generative_share.unwrap_or(0.5) }
        }
    })
}

/// The step size that suits a method: exact expectation maximisation takes whole steps.
fn usual_rate(method: &Method, batch: Batch) -> f64 {
    match (method, batch) {
        (Method::ExpectationMaximization(_), Batch::Full) => 1.0,
        (Method::ExpectationMaximization(_), Batch::Rows(_)) => 0.05,
        _ => FitOptions::default().learning_rate,
    }
}

fn schedule(options: &TrainingArguments) -> Schedule {
    let schedule = options.schedule.unwrap_or_default();
    options.warm_up.map_or(schedule, |steps| schedule.with_warm_up(steps))
}

fn check(fit: &FitOptions, given: Given) -> Result<(), String> {
    let rate = fit.learning_rate;
    if !(rate.is_finite() && rate > 0.0) {
        return Err(format!("the learning rate is {rate}; it must be greater than 0"));
    }
    if let Method::ExpectationMaximization(_) = fit.method {
        let name = MethodName::of(&fit.method).name();
        if rate > 1.0 {
            return Err(format!(
                "the learning rate is {rate}; {name} goes that part of the way to what the counts \
                 say, so it must be at most 1"
            ));
        }
        if !matches!(fit.objective, Objective::Generative | Objective::Joint) {
            let objective = fit.objective.name();
            return Err(format!(
                "{name} maximises likelihoods, but the objective is {objective}; give --objective \
                 generative or joint, or --method adam"
            ));
        }
    }
    if fit.epochs == 0 {
        return Err("epochs must be at least 1".to_owned());
    }
    if fit.objective.needs_labels() && !given.labels {
        let name = fit.objective.name();
        return Err(format!(
            "the objective {name} needs a label for each row; give --labels FILE, or --objective \
             generative"
        ));
    }
    check_validation(fit, given)
}

fn check_validation(fit: &FitOptions, given: Given) -> Result<(), String> {
    if fit.patience == Some(0) {
        return Err("the patience must be at least 1 epoch".to_owned());
    }
    let what = match (fit.patience, fit.keep) {
        (Some(_), _) => "--patience",
        (None, Keep::Best) => "--keep best",
        (None, Keep::Last) => return Ok(()),
    };
    if given.validation {
        return Ok(());
    }
    Err(format!("{what} needs rows to measure on; give --valid-data FILE or --valid-rows A..B"))
}

/// Checks numbers against their ranges, before anything is trained.
fn check_ranges(fit: &FitOptions) -> Result<(), RunError> {
    match fit.method {
        Method::Sgd(sgd) if !(0.0..1.0).contains(&sgd.momentum) => {
            let (option, value) = ("the momentum", sgd.momentum);
            return Err(RunError::OptionOutOfRange { option, value, range: "from 0 to below 1" });
        }
        Method::ExpectationMaximization(em) => em.check()?,
        _ => {}
    }
    if let Objective::Hybrid { generative: value } = fit.objective
        && !(0.0..=1.0).contains(&value)
    {
        let option = "the generative share";
        return Err(RunError::OptionOutOfRange { option, value, range: "from 0 to 1" });
    }
    fit.schedule.check()?;
    fit.clipping.check()?;
    fit.regularization.check()
}

/// What is kept unless it is said: who stops early wants the best.
fn usual_keep(patience: Option<usize>) -> Keep {
    if patience.is_some() { Keep::Best } else { Keep::Last }
}

/// The options as a `training` object, from which the same are decided again.
pub(crate) fn training_json(fit: &FitOptions) -> Value {
    let mut json = Map::new();
    let mut note = |name: &str, value: Value| {
        json.insert(name.to_owned(), value);
    };
    note("objective", json!(fit.objective.name()));
    if let Objective::Hybrid { generative } = fit.objective {
        note("generative_share", json!(generative));
    }
    note("learning_rate", json!(fit.learning_rate));
    note("batch", batch_json(fit.batch));
    note("epochs", json!(fit.epochs));
    note("seed", json!(fit.seed));
    if fit.schedule != Schedule::default() {
        note("schedule", json!(fit.schedule));
    }
    let limits = [("clip_norm", fit.clipping.norm), ("clip_value", fit.clipping.value)];
    for (name, limit) in limits {
        if let Some(limit) = limit {
            note(name, json!(limit));
        }
    }
    let penalties = fit.regularization;
    let factors = [("l1", penalties.l1), ("l2", penalties.l2), ("entropy", penalties.entropy)];
    for (name, factor) in factors.into_iter().filter(|(_, factor)| *factor != 0.0) {
        note(name, json!(factor));
    }
    if let Some(patience) = fit.patience {
        note("patience", json!(patience));
    }
    if fit.keep != usual_keep(fit.patience) {
        note("keep", json!(keep_name(fit.keep)));
    }
    method_json(&fit.method, &mut json);
    Value::Object(json)
}

#[cfg(test)]
mod tests {
    use spn_runtime::Counting;
    use spn_runtime::learn::{ExpectationMaximization, Sgd};

    use super::*;
    use crate::training::names::KeepName;

    const ALL: Given = Given { labels: true, validation: true };

    fn decide_from(object: &Value, given: Given) -> Result<FitOptions, String> {
        let options = decide(&TrainingArguments::default(), Some(object), None, given);
        options.map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_command_line_comes_before_the_file_and_that_before_defaults() {
        let batch = Some(Batch::Rows(7));
        let arguments = TrainingArguments { batch, ..TrainingArguments::default() };
        let file = json!({"batch": 9, "epochs": 3, "method": "sgd", "momentum": 0.5, "seed": 4});
        let decide_with = |seed| decide(&arguments, Some(&file), seed, ALL).unwrap();
        let options = decide_with(None);
        assert_eq!((options.batch, options.epochs, options.seed), (Batch::Rows(7), 3, 4));
        assert_eq!(options.method, Method::Sgd(Sgd { momentum: 0.5, nesterov: false }));
        assert_eq!(options.objective, Objective::Discriminative);
        assert_eq!(options.learning_rate, 0.01);
        assert_eq!(decide_with(Some(5)).seed, 5);
    }

    #[test]
    fn what_is_noted_in_a_model_decides_the_same_again() {
        for object in [
            json!({}),
            json!({"batch": "full", "method": "sgd", "momentum": 0.9, "nesterov": true}),
            json!({"patience": 3}),
            json!({"patience": 3, "keep": "last"}),
            json!({"keep": "best", "batch": 5}),
            json!({"method": "adamw", "weight_decay": 0.1, "clip_norm": 2, "clip_value": 0.5}),
            json!({"objective": "hybrid", "generative_share": 0.25, "l1": 1, "l2": 2, "entropy": -3}),
            json!({"schedule": {"name": "step", "every": 7, "factor": 0.5}, "warm_up": 3}),
            json!({"schedule": "polynomial", "method": "em", "momentum": 0.9, "pseudocount": 0.1}),
            json!({"method": "hard-em", "sample_probability": 0.25, "accumulate_batches": 4}),
            json!({"method": "unweighted-hard-em", "keep_zeros": true, "minimum_scale": 0.1}),
            json!({"method": "sampled-em", "prior": {"scale_rows": 2, "scale": 0.5}}),
            json!({"method": "em", "batch": "full", "objective": "generative"}),
        ] {
            let options = decide_from(&object, ALL).unwrap();
            assert_eq!(decide_from(&training_json(&options), ALL).unwrap(), options, "{object}");
        }
    }

    #[test]
    fn defaults_suit_the_method() {
        let rate = |object| {
            let options = decide_from(&object, ALL).unwrap();
            (options.learning_rate, options.objective)
        };
        assert_eq!(rate(json!({})), (0.01, Objective::Discriminative));
        assert_eq!(rate(json!({"method": "em"})), (0.05, Objective::Joint));
        assert_eq!(rate(json!({"method": "hard-em", "batch": "full"})), (1.0, Objective::Joint));
    }

    #[test]
    fn another_method_leaves_the_options_of_the_files_behind() {
        let file = json!({
            "method": "adamw", "weight_decay": 0.5, "learning_rate": 3.0, "batch": 9,
            "schedule": "cosine", "l2": 1, "objective": "generative",
        });
        let method = |name| {
            let arguments = TrainingArguments { method: Some(name), ..Default::default() };
            decide(&arguments, Some(&file), None, ALL).unwrap()
        };
        let em = method(MethodName::HardEm);
        let expected = ExpectationMaximization::new(Counting::HARD);
        assert_eq!(em.method, Method::ExpectationMaximization(expected));
        assert_eq!((em.learning_rate, em.batch), (0.05, Batch::Rows(9)));
        assert_eq!(em.schedule, Schedule::default());
        assert_eq!(method(MethodName::AdamW).learning_rate, 3.0);
    }

    #[test]
    fn who_stops_early_keeps_the_best() {
        let keep = |object| decide_from(&object, ALL).unwrap().keep;
        assert_eq!(keep(json!({})), Keep::Last);
        assert_eq!(keep(json!({"patience": 3})), Keep::Best);
        assert_eq!(keep(json!({"patience": 3, "keep": "last"})), Keep::Last);
        // A file's options for validation do not stand in the way of training without.
        let none = Given { validation: false, ..ALL };
        let options = decide_from(&json!({"patience": 3, "keep": "best"}), none).unwrap();
        assert_eq!((options.patience, options.keep), (None, Keep::Last));
        for arguments in [
            TrainingArguments { patience: Some(1), ..TrainingArguments::default() },
            TrainingArguments { keep: Some(KeepName::Best), ..TrainingArguments::default() },
        ] {
            let failure = decide(&arguments, None, None, none).unwrap_err();
            assert!(failure.to_string().contains("--valid-data"), "{failure}");
        }
    }

    #[test]
    fn wrong_options_are_told() {
        let wrong = |object: Value, labels| {
            decide_from(&object, Given { labels, ..ALL }).expect_err("a wrong option")
        };
        assert!(wrong(json!({"method": "magic"}), false).contains("adam"));
        assert!(wrong(json!({"momentum": 0.5}), false).contains("--method sgd"));
        assert!(wrong(json!({"nesterov": true, "method": "sgd"}), false).contains("--momentum"));
        assert!(wrong(json!({"batch": 0}), false).contains("at least 1"));
        assert!(wrong(json!({"batch": "some"}), false).contains("`full`"));
        assert!(wrong(json!({"batch": 1.5}), false).contains("number of rows"));
        assert!(wrong(json!({"patience": 0}), false).contains("at least 1"));
        assert!(wrong(json!({"keep": "first"}), false).contains("best"));
        assert!(wrong(json!({"learning_rate": -1}), false).contains("greater than 0"));
        assert!(wrong(json!({"objective": "joint"}), false).contains("--labels"));
        assert!(wrong(json!({"speed": 1}), true).contains("unknown field"));
        assert!(wrong(json!({"pseudocount": 1}), true).contains("--method em"));
        assert!(wrong(json!({"method": "em", "l2": 1}), true).contains("l2 penalty"));
        assert!(wrong(json!({"method": "em", "learning_rate": 2}), true).contains("at most 1"));
        let em = json!({"method": "em", "objective": "discriminative"});
        assert!(wrong(em, true).contains("generative or joint"));
        assert!(wrong(json!({"generative_share": 0.5}), true).contains("hybrid"));
        let hybrid = json!({"objective": "hybrid", "generative_share": 1.5});
        assert!(wrong(hybrid, true).contains("from 0 to 1"));
        assert!(wrong(json!({"schedule": "step"}), true).contains("every"));
        assert!(wrong(json!({"schedule": "never"}), true).contains("cosine"));
        assert!(wrong(json!({"clip_norm": -1}), true).contains("greater than 0"));
        assert!(wrong(json!({"method": "sgd", "momentum": 1.5}), true).contains("below 1"));
    }
}
