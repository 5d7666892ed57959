//! The table of the book: what each query answers for which networks, found out by asking.
//!
//! `SPN_BLESS=1 cargo test -p spn-runtime --test queries` writes it again.

use std::fmt::Write as _;
use std::path::Path;

use spn_compiler::{Options, compile};
use spn_ir::{
    Circuit, CircuitBuilder, CircuitError, Leaf, LeafFamily, LocationScale, NodeId, Normalisation,
    Origin, Parameter, VariableId,
};
use spn_runtime::{
    CompletionOptions, Executable, GradientOptions, Rows, RunError, SampleOptions, Statistics,
};
use spn_testkit::log_likelihood;

/// Leaf families by name.
const FAMILIES: [&str; 5] = ["normal", "laplace", "cauchy", "indicator", "categorical"];

/// What a network is, beside its leaves.
#[derive(Clone, Copy, PartialEq)]
enum Property {
    Valid,
    Deterministic,
    SampleWise,
    NotDecomposable,
}

const PROPERTIES: [(Property, &str); 4] = [
    (Property::Valid, "Complete and decomposable"),
    (Property::Deterministic, "Complete, decomposable and deterministic"),
    (Property::SampleWise, "Standardises each row by its own mean and deviation"),
    (Property::NotDecomposable, "Not decomposable, compiled with `--allow-invalid`"),
];

fn family(builder: &mut CircuitBuilder, name: &str) -> LeafFamily {
    let density = match name {
        "normal" => LocationScale::Normal,
        "laplace" => LocationScale::Laplace,
        "cauchy" => LocationScale::Cauchy,
        "indicator" => return LeafFamily::Indicator,
        _ => {
            let table = Parameter::new("p", vec![2, 2], vec![0.2, 0.8, 0.6, 0.4]);
            return LeafFamily::Categorical {
                states: 2,
                probabilities: builder.quantity_of(table).at(0),
            };
        }
    };
    let location = builder.quantity_of(Parameter::new("m", vec![2, 1], vec![-1.0, 2.0]));
    let scale = builder.quantity_of(Parameter::new("d", vec![2, 1], vec![0.5, 1.5]));
    LeafFamily::LocationScale { density, location: location.at(0), scale: scale.at(0) }
}

/// A mixture of two products over two variables.
fn network(name: &str, property: Property) -> Result<Circuit, CircuitError> {
    let mut builder = CircuitBuilder::new(2);
    let leaf = |builder: &mut CircuitBuilder, variable, name| -> Result<NodeId, CircuitError> {
        let family = family(builder, name);
        let variables = [VariableId(variable)].into();
        builder.leaf(Leaf { family, variables }, 2, Origin::Unknown)
    };
    let first = match property {
        Property::Deterministic => leaf(&mut builder, 0, "indicator")?,
        _ => leaf(&mut builder, 0, name)?,
    };
    let mut factors = vec![first, leaf(&mut builder, 1, name)?];
    if property == Property::NotDecomposable {
        factors.push(leaf(&mut builder, 0, name)?);
    }
    let product = builder.element_wise(&factors, Origin::Unknown)?;
    let weights = builder.quantity_of(Parameter::new("w", vec![2, 1], vec![0.3, 0.7]));
    let root = builder.sum(&[product], 1, weights.at(0), Origin::Unknown)?;
    if property == Property::SampleWise {
        builder.set_normalisation(Some(Normalisation::SampleWise { epsilon: 1e-6 }));
    }
    builder.finish(root)
}

/// A network with a row in which the second variable is missing.
struct Asked {
    circuit: Circuit,
    executable: Executable<f64>,
    property: Property,
}

const EVIDENCE: [f64; 2] = [1.0, f64::NAN];
const ASKED: [f64; 2] = [f64::NAN, 1.0];
const NOTHING: [f64; 2] = [f64::NAN, f64::NAN];

impl Asked {
    fn new(name: &str, property: Property) -> Self {
        let circuit = network(name, property).unwrap();
        let allow_invalid = property == Property::NotDecomposable;
        let plan = compile(&circuit, &Options { allow_invalid, ..Options::default() }).unwrap();
        Self { circuit, executable: Executable::new(plan).unwrap(), property }
    }

    /// What becomes of an answer; `exact` says whether a good one is exact.
    fn outcome<T>(
        &self,
        answer: Result<T, RunError>,
        word: impl FnOnce(T) -> &'static str,
    ) -> String {
        match answer {
            Ok(_) if self.property == Property::NotDecomposable => "no probability".to_owned(),
            Ok(answer) => word(answer).to_owned(),
            Err(RunError::NeedsValidNetwork { .. }) => "refused: invalid".to_owned(),
            Err(RunError::SampleWiseNormalisation { .. }) => {
                "refused: evidence sets the scale".to_owned()
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Every query by name with what it answers.
    fn ask(&self) -> Vec<(&'static str, String)> {
        let rows = |row: &'static [f64; 2]| Rows::new(row.as_slice(), 2).unwrap();
        let (network, observed) = (&self.executable, Statistics::Observed);
        let near = |found: f64, row: &[f64]| {
            let expected = log_likelihood(&self.circuit, row, None);
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            "exact"
        };
        let moments = |answer: spn_runtime::Moments<f64>| match answer.mean[1].is_nan() {
            true => "none exist (NaN)",
            false => "exact",
        };
        let given = |each| network.sample_given(rows(&EVIDENCE), each, SampleOptions::default());
        let log = network.log_likelihood(rows(&EVIDENCE));
        let conditional = network.log_conditional(rows(&ASKED), rows(&EVIDENCE));
        let mpe = network.mpe(rows(&EVIDENCE), observed);
        let marginals = network.marginals(rows(&EVIDENCE), observed);
        let complete = network.complete(rows(&EVIDENCE), CompletionOptions::default());
        vec![
            ("log-likelihood", self.outcome(log, |log| near(log[0], &EVIDENCE))),
            (
                "gradient",
                self.outcome(
                    network.gradient(rows(&EVIDENCE), &GradientOptions::default()),
                    |_| "exact",
                ),
            ),
            (
                "conditional",
                self.outcome(conditional, |log| {
                    let evidence = log_likelihood(&self.circuit, &EVIDENCE, None);
                    near(log[0] + evidence, &[1.0, 1.0])
                }),
            ),
            (
                "marginals of states",
                self.outcome(marginals, |answer| match answer.states[1] {
                    0 => "has no states",
                    _ => "exact",
                }),
            ),
            ("moments", self.outcome(network.moments(rows(&EVIDENCE), observed), moments)),
            (
                "moments without evidence",
                self.outcome(network.moments(rows(&NOTHING), observed), moments),
            ),
            (
                "most probable explanation",
                self.outcome(mpe, |answer| match answer.exact {
                    true => "exact",
                    false => "approximate: best single tree",
                }),
            ),
            ("samples given evidence", self.outcome(given(1), |_| "exact")),
            (
                "samples without evidence",
                self.outcome(network.sample(1, SampleOptions::default()), |_| "exact"),
            ),
            ("completion by weighted modes", self.outcome(complete, |_| "a point estimate")),
        ]
    }
}

/// The table as it should be.
fn table() -> String {
    let mut text = String::from(
        "# What each query answers\n\nWritten by a test that asks every query of a small network of every \
         kind. *Exact* is up to rounding; other\ntests compare such answers with enumeration and numeric \
         integration on random networks. A network that standardises\neach row keeps the scale of what is \
         observed, for which its answers are exact.\n",
    );
    for (property, title) in PROPERTIES {
        let asked: Vec<_> = FAMILIES.iter().map(|name| Asked::new(name, property).ask()).collect();
        writeln!(text, "\n## {title}\n\n| query | {} |", FAMILIES.join(" | ")).unwrap();
        writeln!(text, "|---|{}", "---|".repeat(FAMILIES.len())).unwrap();
        for (row, (query, _)) in asked[0].iter().enumerate() {
            let cells: Vec<&str> = asked.iter().map(|answers| answers[row].1.as_str()).collect();
            writeln!(text, "| {query} | {} |", cells.join(" | ")).unwrap();
        }
    }
    text
}

#[test]
fn the_table_of_the_book_is_what_queries_answer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/queries-table.md");
    let table = table();
    if std::env::var_os("SPN_BLESS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, table, "docs/queries-table.md is stale; write it again with SPN_BLESS=1");
}
