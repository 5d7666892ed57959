//! How to train: the command line first, then the layer file's `training` object, then defaults.
//!
//! In: both. Out: [`TrainingOptions`], of which each is decided.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};
use spn_runtime::learn::{Adam, Batch, FitOptions, Method, Objective, RmsProp, Sgd};

use crate::Failure;

/// How parameters change, as users name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MethodName {
    /// Adam.
    #[default]
    Adam,
    /// Gradient descent.
    Sgd,
    /// RMSprop.
    #[value(name = "rmsprop")]
    RmsProp,
}

impl MethodName {
    /// The name users write.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
        }
    }
}

/// What training minimises, as users name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveName {
    /// The distribution of the rows: the mean of -log p(row). Needs no labels.
    Generative,
    /// That of rows and labels: the mean of -log p(row, label).
    Joint,
    /// The classifier: the mean of -log p(label | row).
    Discriminative,
}

impl From<ObjectiveName> for Objective {
    fn from(name: ObjectiveName) -> Self {
        match name {
            ObjectiveName::Generative => Self::Generative,
            ObjectiveName::Joint => Self::Joint,
            ObjectiveName::Discriminative => Self::Discriminative,
        }
    }
}

/// What the command line may say.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How to train")]
pub(crate) struct TrainingArguments {
    /// What is minimised; default discriminative with labels, else generative.
    #[arg(long, value_name = "NAME")]
    pub(crate) objective: Option<ObjectiveName>,
    /// How parameters change; default adam.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<MethodName>,
    /// The step size; default 0.01.
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Momentum of sgd; default 0.
    #[arg(long, value_name = "M")]
    pub(crate) momentum: Option<f64>,
    /// Rows of a step; default 128.
    #[arg(long, value_name = "ROWS")]
    pub(crate) batch: Option<usize>,
    /// How often every row is seen; default 10.
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
}

/// The `training` object of a layer file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainingObject {
    objective: Option<Objective>,
    method: Option<String>,
    learning_rate: Option<f64>,
    momentum: Option<f64>,
    batch: Option<usize>,
    epochs: Option<usize>,
    seed: Option<u64>,
}

/// How to train, decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TrainingOptions {
    pub(crate) objective: Objective,
    pub(crate) method: MethodName,
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f64,
    pub(crate) batch: usize,
    pub(crate) epochs: usize,
    pub(crate) seed: u64,
}

impl TrainingOptions {
    /// Decides every option: the command line, else the layer file, else the default.
    pub(crate) fn decide(
        arguments: &TrainingArguments,
        object: Option<&Value>,
        seed: Option<u64>,
        labels: bool,
    ) -> Result<Self, Failure> {
        let file = read_object(object)?;
        let defaults = FitOptions::default();
        let method = match (arguments.method, &file.method) {
            (Some(method), _) => method,
            (None, Some(name)) => method_of_file(name)?,
            (None, None) => MethodName::default(),
        };
        let usual = if labels { Objective::Discriminative } else { Objective::Generative };
        let objective = arguments.objective.map(Objective::from).or(file.objective);
        let learning_rate = arguments.learning_rate.or(file.learning_rate);
        let options = Self {
            objective: objective.unwrap_or(usual),
            method,
            learning_rate: learning_rate.unwrap_or(defaults.learning_rate),
            momentum: arguments.momentum.or(file.momentum).unwrap_or(0.0),
            batch: arguments.batch.or(file.batch).unwrap_or(128),
            epochs: arguments.epochs.or(file.epochs).unwrap_or(defaults.epochs),
            seed: seed.or(file.seed).unwrap_or(0),
        };
        options.check(labels)?;
        Ok(options)
    }

    fn check(&self, labels: bool) -> Result<(), Failure> {
        let wrong = |what: String| Err(Failure::misuse(what));
        let (rate, momentum) = (self.learning_rate, self.momentum);
        if !(rate.is_finite() && rate > 0.0) {
            return wrong(format!("the learning rate is {rate}; it must be greater than 0"));
        }
        if !(0.0..1.0).contains(&momentum) {
            return wrong(format!("the momentum is {momentum}; it must be from 0 to below 1"));
        }
        if momentum > 0.0 && self.method != MethodName::Sgd {
            let name = self.method.name();
            return wrong(format!("{name} has no momentum; leave it out or use --method sgd"));
        }
        if self.batch == 0 || self.epochs == 0 {
            return wrong("batch and epochs must be at least 1".to_owned());
        }
        if self.objective.needs_labels() && !labels {
            let name = self.objective.name();
            return wrong(format!(
                "the objective {name} needs a label for each row; give --labels FILE, or \
                 --objective generative"
            ));
        }
        Ok(())
    }

    /// The options as the runtime takes them.
    pub(crate) fn fit_options(&self) -> FitOptions {
        let method = match self.method {
            MethodName::Adam => Method::Adam(Adam::default()),
            MethodName::Sgd => Method::Sgd(Sgd { momentum: self.momentum, nesterov: false }),
            MethodName::RmsProp => Method::RmsProp(RmsProp::default()),
        };
        FitOptions {
            objective: self.objective,
            method,
            learning_rate: self.learning_rate,
            batch: Batch::Rows(self.batch),
            epochs: self.epochs,
            seed: self.seed,
            ..FitOptions::default()
        }
    }

    /// The options as a `training` object.
    pub(crate) fn to_json(self) -> Value {
        let mut json = json!({
            "objective": self.objective.name(),
            "method": self.method.name(),
            "learning_rate": self.learning_rate,
            "batch": self.batch,
            "epochs": self.epochs,
            "seed": self.seed,
        });
        if self.momentum > 0.0 {
            json["momentum"] = json!(self.momentum);
        }
        json
    }
}

fn read_object(object: Option<&Value>) -> Result<TrainingObject, Failure> {
    let Some(object) = object else { return Ok(TrainingObject::default()) };
    TrainingObject::deserialize(object)
        .map_err(|error| Failure::misuse(format!("the layer file's `training`: {error}")))
}

fn method_of_file(name: &str) -> Result<MethodName, Failure> {
    let names = MethodName::value_variants();
    names.iter().copied().find(|method| method.name() == name).ok_or_else(|| {
        Failure::misuse(format!(
            "the layer file asks for the training method `{name}`, which this version does not \
             have; give --method adam, sgd or rmsprop"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_before_the_file_and_that_before_defaults() {
        let arguments = TrainingArguments { batch: Some(7), ..TrainingArguments::default() };
        let file = json!({"batch": 9, "epochs": 3, "method": "sgd", "momentum": 0.5, "seed": 4});
        let decide = |seed| TrainingOptions::decide(&arguments, Some(&file), seed, true).unwrap();
        let options = decide(None);
        assert_eq!((options.batch, options.epochs, options.seed), (7, 3, 4));
        assert_eq!((options.method, options.momentum), (MethodName::Sgd, 0.5));
        assert_eq!(options.objective, Objective::Discriminative);
        assert_eq!(options.learning_rate, 0.01);
        assert_eq!(decide(Some(5)).seed, 5);
        let again = TrainingOptions::decide(
            &TrainingArguments::default(),
            Some(&options.to_json()),
            None,
            true,
        );
        assert_eq!(again.unwrap(), options);
    }

    #[test]
    fn wrong_options_are_told() {
        let decide = |object: Value, labels| {
            let arguments = TrainingArguments::default();
            let options = TrainingOptions::decide(&arguments, Some(&object), None, labels);
            options.unwrap_err().to_string()
        };
        assert!(decide(json!({"method": "em"}), false).contains("--method adam"));
        assert!(decide(json!({"momentum": 0.5}), false).contains("--method sgd"));
        assert!(decide(json!({"batch": 0}), false).contains("at least 1"));
        assert!(decide(json!({"learning_rate": -1}), false).contains("greater than 0"));
        assert!(decide(json!({"objective": "joint"}), false).contains("--labels"));
        assert!(decide(json!({"speed": 1}), true).contains("unknown field"));
    }
}
