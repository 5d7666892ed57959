//! Text of a plan, for people and golden tests: one line for each step, no addresses, no times.

use std::fmt;

use super::{LeafKernel, Numbers, Pick, Plan, ReverseStep, Run, SlotId, Step, Term};
use crate::{Formula, LocationScale, Normalisation, ParameterId, Slice};

/// How many names of a list are written before the rest becomes `…`.
const SHOWN: usize = 4;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: usize, noun: &str| {
            format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
        };
        writeln!(
            f,
            "plan: {}, {}, {}",
            count(self.variables as usize, "variable"),
            count(self.steps.len(), "step"),
            count(self.slots.len(), "slot")
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
        writeln!(f, "  root: {}", self.root_text())?;
        if let Some(program) = &self.scalar {
            writeln!(f, "  scalar: {}", program.summary())?;
        }
        if !self.outputs.is_empty() {
            writeln!(f, "  outputs: {}", slot_names(&self.outputs))?;
        }
        writeln!(f, "  order: {}", self.order_text())?;
        writeln!(f, "  numbers: {}", self.numbers_text())?;
        let (inference, training) = (self.inference.rows, self.training.rows);
        writeln!(f, "  memory: {inference} rows for inference, {training} for training")
    }
}

impl Plan {
    /// Which slots are logarithms.
    fn numbers_text(&self) -> String {
        let logs = self.numbers.iter().zip(0..).filter(|(numbers, _)| **numbers == Numbers::Log);
        let logs: Vec<SlotId> = logs.map(|(_, slot)| SlotId(slot)).collect();
        match logs.len() {
            0 => "scaled".to_owned(),
            all if all == self.numbers.len() => "logarithms".to_owned(),
            _ => format!("logarithms in {}, scaled elsewhere", slot_names(&logs)),
        }
    }

    /// The reverse pass as text, one line for each step in the order in which they run: flows of
    /// which slots go to which, and which parameters get gradients.
    #[must_use]
    pub fn reverse_text(&self) -> String {
        let mut text = String::from("reverse:\n");
        let gradients = self.gradients_text(self.root.weights.into_iter());
        let factors = slot_names(&self.root.factors);
        text.push_str(&format!("  root: joints -> {factors}{gradients}\n"));
        for reverse in &self.reverse {
            text.push_str(&format!("  {}: {}\n", reverse.step, self.reverse_step_text(reverse)));
        }
        text
    }

    fn reverse_step_text(&self, reverse: &ReverseStep) -> String {
        let step = &self.steps[reverse.step as usize];
        let (name, slices): (&str, Vec<Slice>) = match step {
            Step::Leaf(step) => {
                let slices =
                    step.instances.iter().flat_map(|i| i.first.into_iter().chain(i.second));
                ("leaf", slices.collect())
            }
            Step::Product(_) => ("product", Vec::new()),
            Step::SumProduct(step) => {
                ("sum-product", step.instances.iter().map(|i| i.weights).collect())
            }
            Step::Dropout(_) => ("dropout", Vec::new()),
        };
        if !reverse.parameters && !reverse.children {
            return format!("{name} skipped: nothing to train at or below it");
        }
        let mut text = format!("{name} {}", slot_names(&step.outputs().collect::<Vec<_>>()));
        if reverse.children {
            text.push_str(&format!(" -> {}", slot_names(&step.inputs().collect::<Vec<_>>())));
        }
        if reverse.parameters {
            text.push_str(&self.gradients_text(slices.into_iter()));
        }
        text
    }

    /// `; gradients of w`, the trainable parameters behind these slices.
    fn gradients_text(&self, slices: impl Iterator<Item = Slice>) -> String {
        let quantities = slices.map(|slice| &self.quantities[slice.quantity.index()]);
        let ids = quantities.flat_map(|quantity| quantity.formula.parameters());
        let parameters = ids.map(|id| self.parameters.get(id)).filter(|p| p.trainable);
        match some_of(parameters.map(|parameter| parameter.name.clone())) {
            names if names.is_empty() => names,
            names => format!("; gradients of {names}"),
        }
    }

    fn step_text(&self, step: &Step) -> String {
        let shape = match step {
            Step::Leaf(step) => format!("leaf {} x{}", step.kernel, step.width),
            Step::Product(step) => format!("product of {}", step.term),
            Step::SumProduct(step) => {
                format!("sum-product {} -> {} of {}", step.inputs, step.width, runs(&step.terms))
            }
            Step::Dropout(_) => "dropout".to_owned(),
        };
        let (reads, slices) = match step {
            Step::Leaf(step) => {
                let each = step.dimensions as usize;
                let variables = step.variables.iter().map(|v| format!("x{}", v.0));
                let slices =
                    step.instances.iter().flat_map(|i| i.first.into_iter().chain(i.second));
                (groups(variables, each), slices.collect())
            }
            Step::SumProduct(step) => {
                let reads = groups(step.factors.iter().map(slot_name), step.factors_each());
                (reads, step.instances.iter().map(|i| i.weights).collect())
            }
            Step::Product(step) => {
                (groups(step.factors.iter().map(slot_name), step.term.factors as usize), Vec::new())
            }
            Step::Dropout(step) => {
                (groups(step.instances.iter().map(|i| slot_name(&i.0)), 1), Vec::new())
            }
        };
        let outputs: Vec<SlotId> = step.outputs().collect();
        format!("{shape}{reads}{} -> {}", self.parameters_text(&slices), slot_names(&outputs))
    }

    /// `step after step`, or the first runs as `step[instances]`: `0[0..4] 1[0] 0[4..8] 1[1] …`.
    fn order_text(&self) -> String {
        let whole = |(index, run): (usize, &Run)| {
            run.step as usize == index && run.count as usize == self.steps[index].len()
        };
        if self.order.len() == self.steps.len() && self.order.iter().enumerate().all(whole) {
            return "step after step".to_owned();
        }
        let shown = self.order.iter().take(2 * SHOWN).map(|run| match run.count {
            1 => format!("{}[{}]", run.step, run.first),
            _ => format!("{}[{}..{}]", run.step, run.first, run.instances().end),
        });
        let shown: Vec<String> = shown.collect();
        let rest = match self.order.len() {
            runs if runs > shown.len() => format!(" … ({runs} runs)"),
            _ => String::new(),
        };
        format!("{}{rest}", shown.join(" "))
    }

    fn root_text(&self) -> String {
        let root = &self.root;
        let reads = groups(root.factors.iter().map(slot_name), root.factors.len());
        match root.weights {
            None => format!("the value of{}", reads.trim_start_matches(':')),
            Some(slice) => format!(
                "sum {} -> 1 of {}{reads}{}",
                root.inputs,
                runs(&root.terms),
                self.parameters_text(&[slice])
            ),
        }
    }

    /// `, parameters w`: what the steps' slices are computed from.
    fn parameters_text(&self, slices: &[Slice]) -> String {
        match some_of(slices.iter().map(|slice| self.slice_text(*slice))) {
            names if names.is_empty() => names,
            names => format!(", parameters {names}"),
        }
    }

    /// The name of the slice's (first) parameter, with the formula unless it is direct.
    pub(super) fn slice_text(&self, slice: Slice) -> String {
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

impl fmt::Display for LeafKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocationScale(LocationScale::Normal) => f.write_str("normal"),
            Self::LocationScale(LocationScale::Cauchy) => f.write_str("cauchy"),
            Self::LocationScale(LocationScale::Laplace) => f.write_str("laplace"),
            Self::Indicator => f.write_str("indicator"),
            Self::Categorical { states } => write!(f, "categorical({states})"),
        }
    }
}

/// What is multiplied, with its rows: `outer 2 x16` is all combinations of 2 factors, 16 rows.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, factors) = (self.rows, self.factors);
        match (&self.pick, factors) {
            (_, 0) => write!(f, "one x{rows}"),
            (Pick::Same, 1) => write!(f, "block x{rows}"),
            (Pick::Same, _) => write!(f, "element-wise {factors} x{rows}"),
            (Pick::Outer { .. }, _) => write!(f, "outer {factors} x{rows}"),
            (Pick::Table(id), _) => write!(f, "pick t{} {factors} x{rows}", id.0),
        }
    }
}

fn slot_name(slot: &SlotId) -> String {
    format!("s{}", slot.0)
}

/// `s4-s19` where slots follow each other, else the first ones by name.
fn slot_names(slots: &[SlotId]) -> String {
    let consecutive = slots.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1));
    match slots {
        [] => "nothing".to_owned(),
        [first, .., last] if consecutive && slots.len() > 2 => format!("s{}-s{}", first.0, last.0),
        _ => some_of(slots.iter().map(slot_name)),
    }
}

/// The first few different names of a list, separated by blanks.
fn some_of(names: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for name in names {
        if shown.contains(&name) {
            continue;
        }
        if shown.len() == SHOWN {
            shown.push("…".to_owned());
            break;
        }
        shown.push(name);
    }
    shown.join(" ")
}

/// What blocks read, `each` names for one block: `: s0 s1`, or `: [s0 s1] [s2 s3] … (16 blocks)`.
fn groups(names: impl ExactSizeIterator<Item = String>, each: usize) -> String {
    let blocks = names.len().checked_div(each).unwrap_or(0);
    let names: Vec<String> = names.take(each * SHOWN.min(blocks)).collect();
    match blocks {
        0 => String::new(),
        1 => format!(": {}", names.join(" ")),
        _ => {
            let shown = names.chunks(each).map(|block| format!("[{}]", block.join(" ")));
            let shown: Vec<String> = shown.collect();
            let rest =
                if blocks > SHOWN { format!(" … ({blocks} blocks)") } else { String::new() };
            format!(": {}{rest}", shown.join(" "))
        }
    }
}

/// Terms of one shape are written once with their number.
fn runs(terms: &[Term]) -> String {
    let mut runs: Vec<(usize, &Term)> = Vec::new();
    for term in terms {
        match runs.last_mut() {
            Some((count, last)) if *last == term => *count += 1,
            _ => runs.push((1, term)),
        }
    }
    let texts = runs.into_iter().map(|(count, term)| match count {
        1 => term.to_string(),
        _ => format!("{count} × {term}"),
    });
    texts.collect::<Vec<_>>().join(" + ")
}
