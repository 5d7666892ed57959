//! Text of a plan, for people and golden tests: one line for each step, no addresses, no times.

use std::fmt;

use super::{LeafKernel, Pick, Plan, SlotId, Step, Term};
use crate::{Formula, LocationScale, Normalisation, ParameterId, Slice};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.slots.len();
        writeln!(
            f,
            "plan: {} variables, {} steps, {slots} slots",
            self.variables,
            self.steps.len()
        )?;
        for remark in &self.remarks {
            writeln!(f, "  remark: {remark}")?;
        }
        let normalisation = match &self.normalisation {
            None => "as given",
            Some(Normalisation::SampleWise { .. }) => "standard score of each row",
            Some(Normalisation::Fixed { .. }) => "standard score with fixed statistics",
        };
        writeln!(f, "  inputs: {normalisation}")?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {index}: {}", self.step_text(step))?;
        }
        let weights = self.root.weights.map_or("1".to_owned(), |slice| self.slice_text(slice));
        let terms = terms_text(&self.root.terms);
        writeln!(f, "  root: sum {} -> 1 of {terms}, weights {weights}", self.root.inputs)?;
        let (inference, training) = (self.inference.rows, self.training.rows);
        writeln!(f, "  memory: {inference} rows for inference, {training} for training")
    }
}

impl Plan {
    /// The reverse pass as text, one line for each step in the order in which they run.
    #[must_use]
    pub fn reverse_text(&self) -> String {
        let mut text = String::from("reverse:\n  root: joints -> flows of its terms\n");
        for reverse in &self.reverse {
            let step = &self.steps[reverse.step as usize];
            let mut does = Vec::new();
            if reverse.parameters {
                does.push("accumulates parameters");
            }
            if reverse.children {
                does.push("passes flows on");
            }
            if does.is_empty() {
                does.push("nothing to do");
            }
            let name = match step {
                Step::Leaf(_) => "leaf",
                Step::Product(_) => "product",
                Step::SumProduct(_) => "sum-product",
                Step::Dropout(_) => "dropout",
            };
            text.push_str(&format!("  {}: {name} {}\n", reverse.step, does.join(", ")));
        }
        text
    }

    fn step_text(&self, step: &Step) -> String {
        match step {
            Step::Leaf(step) => {
                let first = step.instances.first();
                let slices = first.into_iter().flat_map(|i| i.first.into_iter().chain(i.second));
                let slices: Vec<String> = slices.map(|slice| self.slice_text(slice)).collect();
                let parameters =
                    if slices.is_empty() { String::new() } else { ", parameters ".to_owned() };
                format!(
                    "leaf {} x{} over {} of {} variables{parameters}{}{}",
                    kernel_text(step.kernel),
                    step.width,
                    step.dimensions,
                    self.variables,
                    slices.join(" "),
                    instances_text(step.instances.len(), step.instances.iter().map(|i| i.output)),
                )
            }
            Step::Product(step) => format!(
                "product {}{}",
                term_text(&step.term),
                instances_text(step.outputs.len(), step.outputs.iter().copied())
            ),
            Step::SumProduct(step) => format!(
                "sum-product {} -> {} of {}, weights {}{}",
                step.inputs,
                step.width,
                terms_text(&step.terms),
                step.instances.first().map_or(String::new(), |i| self.slice_text(i.weights)),
                instances_text(step.instances.len(), step.instances.iter().map(|i| i.output))
            ),
            Step::Dropout(step) => format!(
                "dropout{}",
                instances_text(step.instances.len(), step.instances.iter().map(|i| i.1))
            ),
        }
    }

    /// The name of the slice's (first) parameter, with the formula unless it is direct.
    fn slice_text(&self, slice: Slice) -> String {
        let name = |id: ParameterId| self.parameters.get(id).name.as_str();
        match self.quantities[slice.quantity.index()].formula {
            Formula::Direct(p) => name(p).to_owned(),
            Formula::Exp(p) => format!("exp({})", name(p)),
            Formula::Softmax(p) => format!("softmax({})", name(p)),
            Formula::Normalized(p) => format!("normalized({})", name(p)),
            Formula::Softplus(p) => format!("softplus({})", name(p)),
            Formula::Ratio { numerator, .. } => format!("ratio({})", name(numerator)),
            Formula::MomentScale { second_numerator, .. } => {
                format!("moment-scale({})", name(second_numerator))
            }
        }
    }
}

fn kernel_text(kernel: LeafKernel) -> String {
    match kernel {
        LeafKernel::LocationScale(LocationScale::Normal) => "normal".to_owned(),
        LeafKernel::LocationScale(LocationScale::Cauchy) => "cauchy".to_owned(),
        LeafKernel::LocationScale(LocationScale::Laplace) => "laplace".to_owned(),
        LeafKernel::Indicator => "indicator".to_owned(),
        LeafKernel::Categorical { states } => format!("categorical({states})"),
    }
}

/// ` · 16 blocks -> s4..s19`
fn instances_text(count: usize, outputs: impl Iterator<Item = SlotId>) -> String {
    let outputs: Vec<SlotId> = outputs.collect();
    match (outputs.first(), outputs.last()) {
        (Some(first), Some(last)) if count > 1 => {
            format!(" · {count} blocks -> s{}..s{}", first.0, last.0)
        }
        (Some(first), _) => format!(" -> s{}", first.0),
        _ => String::new(),
    }
}

/// Terms of one shape are written once with their number.
fn terms_text(terms: &[Term]) -> String {
    let mut runs: Vec<(usize, &Term)> = Vec::new();
    for term in terms {
        match runs.last_mut() {
            Some((count, last)) if *last == term => *count += 1,
            _ => runs.push((1, term)),
        }
    }
    let texts = runs.into_iter().map(|(count, term)| match count {
        1 => term_text(term),
        _ => format!("{count} × {}", term_text(term)),
    });
    texts.collect::<Vec<_>>().join(" + ")
}

fn term_text(term: &Term) -> String {
    let (rows, factors) = (term.rows, term.factors);
    match (&term.pick, factors) {
        (_, 0) => format!("one x{rows}"),
        (Pick::Same, 1) => format!("block x{rows}"),
        (Pick::Same, _) => format!("element-wise {factors} x{rows}"),
        (Pick::Outer { .. }, _) => format!("outer {factors} x{rows}"),
        (Pick::Table(id), _) => format!("pick{} {factors} x{rows}", id.0),
    }
}
