//! How to train: the command line first, then the layer file's `training` object, then defaults.
//!
//! In: both. Out: [`TrainingOptions`], of which each is decided.

use serde_json::{Value, json};
use spn_runtime::learn::{Adam, Batch, FitOptions, Keep, Method, Objective, RmsProp, Sgd};

use super::TrainingArguments;
use super::names::{MethodName, keep_name};
use super::object::{TrainingObject, batch_json};
use crate::Failure;

/// What there is to train with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// Whether rows have labels.
    pub(crate) labels: bool,
    /// Whether there are validation rows.
    pub(crate) validation: bool,
}

/// How to train, decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TrainingOptions {
    pub(crate) objective: Objective,
    pub(crate) method: MethodName,
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f64,
    pub(crate) nesterov: bool,
    pub(crate) batch: Batch,
    pub(crate) epochs: usize,
    pub(crate) seed: u64,
    pub(crate) patience: Option<usize>,
    pub(crate) keep: Keep,
}

impl TrainingOptions {
    /// Decides every option: the command line, else the layer file, else the default. What the
    /// layer file says of validation holds where there are validation rows.
    pub(crate) fn decide(
        arguments: &TrainingArguments,
        object: Option<&Value>,
        seed: Option<u64>,
        given: Given,
    ) -> Result<Self, Failure> {
        let file = TrainingObject::read(object)?;
        let defaults = FitOptions::default();
        let method = match arguments.method {
            Some(method) => Some(method),
            None => file.method()?,
        };
        let usual = if given.labels { Objective::Discriminative } else { Objective::Generative };
        let objective = arguments.objective.map(Objective::from).or(file.objective);
        let learning_rate = arguments.learning_rate.or(file.learning_rate);
        let patience = arguments.patience.or(file.patience.filter(|_| given.validation));
        let keep = arguments.keep.or(file.keep.filter(|_| given.validation));
        let options = Self {
            objective: objective.unwrap_or(usual),
            method: method.unwrap_or_default(),
            learning_rate: learning_rate.unwrap_or(defaults.learning_rate),
            momentum: arguments.momentum.or(file.momentum).unwrap_or(0.0),
            nesterov: arguments.nesterov || file.nesterov,
            batch: arguments.batch.or(file.batch).unwrap_or(defaults.batch),
            epochs: arguments.epochs.or(file.epochs).unwrap_or(defaults.epochs),
            seed: seed.or(file.seed).unwrap_or(defaults.seed),
            patience,
            keep: keep.map_or(usual_keep(patience), Keep::from),
        };
        options.check(given).map_err(Failure::misuse)?;
        Ok(options)
    }

    fn check(&self, given: Given) -> Result<(), String> {
        let (rate, momentum) = (self.learning_rate, self.momentum);
        if !(rate.is_finite() && rate > 0.0) {
            return Err(format!("the learning rate is {rate}; it must be greater than 0"));
        }
        if !(0.0..1.0).contains(&momentum) {
            return Err(format!("the momentum is {momentum}; it must be from 0 to below 1"));
        }
        if momentum > 0.0 && self.method != MethodName::Sgd {
            let name = self.method.name();
            return Err(format!("{name} has no momentum; leave it out or use --method sgd"));
        }
        if self.nesterov && momentum == 0.0 {
            return Err("nesterov looks ahead along the momentum; give --momentum, for example \
                        0.9, or leave nesterov out"
                .to_owned());
        }
        if self.epochs == 0 {
            return Err("epochs must be at least 1".to_owned());
        }
        if self.objective.needs_labels() && !given.labels {
            let name = self.objective.name();
            return Err(format!(
                "the objective {name} needs a label for each row; give --labels FILE, or \
                 --objective generative"
            ));
        }
        self.check_validation(given)
    }

    fn check_validation(&self, given: Given) -> Result<(), String> {
        if self.patience == Some(0) {
            return Err("the patience must be at least 1 epoch".to_owned());
        }
        let what = match (self.patience, self.keep) {
            (Some(_), _) => "--patience",
            (None, Keep::Best) => "--keep best",
            (None, Keep::Last) => return Ok(()),
        };
        if given.validation {
            return Ok(());
        }
        Err(format!("{what} needs rows to measure on; give --valid-data FILE or --valid-rows A..B"))
    }

    /// The options as the runtime takes them.
    pub(crate) fn fit_options(&self) -> FitOptions {
        let Self { momentum, nesterov, .. } = *self;
        let method = match self.method {
            MethodName::Adam => Method::Adam(Adam::default()),
            MethodName::Sgd => Method::Sgd(Sgd { momentum, nesterov }),
            MethodName::RmsProp => Method::RmsProp(RmsProp::default()),
        };
        FitOptions {
            objective: self.objective,
            method,
            learning_rate: self.learning_rate,
            batch: self.batch,
            epochs: self.epochs,
            seed: self.seed,
            patience: self.patience,
            keep: self.keep,
            ..FitOptions::default()
        }
    }

    /// The options as a `training` object.
    pub(crate) fn to_json(self) -> Value {
        let mut json = json!({
            "objective": self.objective.name(),
            "method": self.method.name(),
            "learning_rate": self.learning_rate,
            "batch": batch_json(self.batch),
            "epochs": self.epochs,
            "seed": self.seed,
        });
        if self.momentum > 0.0 {
            json["momentum"] = json!(self.momentum);
        }
        if self.nesterov {
            json["nesterov"] = json!(true);
        }
        if let Some(patience) = self.patience {
            json["patience"] = json!(patience);
        }
        if self.keep != usual_keep(self.patience) {
            json["keep"] = json!(keep_name(self.keep));
        }
        json
    }
}

/// What is kept unless it is said: who stops early wants the best.
fn usual_keep(patience: Option<usize>) -> Keep {
    if patience.is_some() { Keep::Best } else { Keep::Last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::names::KeepName;

    const ALL: Given = Given { labels: true, validation: true };

    fn decide(object: &Value, given: Given) -> Result<TrainingOptions, String> {
        let options =
            TrainingOptions::decide(&TrainingArguments::default(), Some(object), None, given);
        options.map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_command_line_comes_before_the_file_and_that_before_defaults() {
        let batch = Some(Batch::Rows(7));
        let arguments = TrainingArguments { batch, ..TrainingArguments::default() };
        let file = json!({"batch": 9, "epochs": 3, "method": "sgd", "momentum": 0.5, "seed": 4});
        let decide_with =
            |seed| TrainingOptions::decide(&arguments, Some(&file), seed, ALL).unwrap();
        let options = decide_with(None);
        assert_eq!((options.batch, options.epochs, options.seed), (Batch::Rows(7), 3, 4));
        assert_eq!((options.method, options.momentum), (MethodName::Sgd, 0.5));
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
        ] {
            let options = decide(&object, ALL).unwrap();
            assert_eq!(decide(&options.to_json(), ALL).unwrap(), options, "{object}");
        }
    }

    #[test]
    fn who_stops_early_keeps_the_best() {
        let keep = |object| decide(&object, ALL).unwrap().keep;
        assert_eq!(keep(json!({})), Keep::Last);
        assert_eq!(keep(json!({"patience": 3})), Keep::Best);
        assert_eq!(keep(json!({"patience": 3, "keep": "last"})), Keep::Last);
        // A file's options for validation do not stand in the way of training without.
        let none = Given { validation: false, ..ALL };
        let options = decide(&json!({"patience": 3, "keep": "best"}), none).unwrap();
        assert_eq!((options.patience, options.keep), (None, Keep::Last));
        for arguments in [
            TrainingArguments { patience: Some(1), ..TrainingArguments::default() },
            TrainingArguments { keep: Some(KeepName::Best), ..TrainingArguments::default() },
        ] {
            let failure = TrainingOptions::decide(&arguments, None, None, none).unwrap_err();
            assert!(failure.to_string().contains("--valid-data"), "{failure}");
        }
    }

    #[test]
    fn wrong_options_are_told() {
        let wrong = |object: Value, labels| {
            decide(&object, Given { labels, ..ALL }).expect_err("a wrong option")
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
    }
}
