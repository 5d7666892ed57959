//! `spn complete`: fills in missing or hidden values.
//!
//! In: MODEL, DATA and what to hide. Out: the completed rows as a file, a picture, and the mean
//! squared error over what was hidden.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use spn_runtime::{CompletionOptions, CompletionRule, Rows, Statistics};

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments};
use crate::data::{Table, npy};
use crate::format::{facts, number, thousands};
use crate::hidden::{CompletionError, Hide, flags};
use crate::picture::{png, strip};
use crate::precision::{Real, in_precision};
use crate::prepared::Prepared;
use crate::{Answer, Failure, Session};

/// Fills in missing or hidden values.
///
/// Every missing value becomes what the network expects there given the values that are seen: the
/// modes of the leaf's components, weighted with their posteriors, or the mode of the most probable
/// one. With --hide a part of each image is hidden first, and the mean squared error over it is
/// told, in the units of the data. A network that normalises each row looks at the seen values
/// only; --whole-row-statistics lets it look at the hidden ones, too, as libspn-keras does.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn complete model.spnb --data images.npy --rows 0..16 \
                        --hide left --out completed.npy --picture completed.png")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// What to hide: left, right, top or bottom half of each image, or a mask file (what is not 0
    /// is hidden; one row for all or a row for each). Without it missing values are filled in.
    #[arg(long, value_name = "SIDE|FILE")]
    hide: Option<Hide>,
    /// What a value becomes.
    #[arg(long, value_name = "NAME", default_value = "weighted")]
    rule: RuleName,
    /// Normalise with statistics of the whole row, hidden values included. This leaks their
    /// brightness and contrast; it is for comparison with libspn-keras.
    #[arg(long)]
    whole_row_statistics: bool,
    /// The shape of an image, where neither network nor data tell: HEIGHT,WIDTH or
    /// HEIGHT,WIDTH,CHANNELS.
    #[arg(long, value_name = "H,W[,C]", value_delimiter = ',', num_args = 1)]
    shape: Vec<usize>,
    /// Where to write the completed rows, a .npy file of the data's shape.
    #[arg(long, value_name = "F.npy")]
    out: Option<PathBuf>,
    /// Where to draw original, evidence and completion of the first images.
    #[arg(long, value_name = "F.png")]
    picture: Option<PathBuf>,
    /// How many images to draw.
    #[arg(long, value_name = "N", default_value_t = 24)]
    images: usize,
    #[command(flatten)]
    precision: PrecisionArguments,
}

/// What a missing value becomes, as users name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RuleName {
    /// The modes of the components, weighted with their posteriors.
    Weighted,
    /// The mode of the most probable component.
    MostProbable,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model or data cannot be read or do not fit, or a file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        if self.out.is_none() && self.picture.is_none() && self.hide.is_none() {
            let mend = "say what to do with the completed rows: --out F.npy, --picture F.png";
            return Err(Failure::misuse(mend));
        }
        let prepared = Prepared::new(&self.model, &self.data, self.precision, session)?;
        let shape = self.image_shape(&prepared)?;
        let table = &prepared.table;
        let hidden = match &self.hide {
            Some(hide) => flags(hide, table, shape.as_deref())?,
            None => vec![false; table.values.len()],
        };
        let truth = table.clone();
        let completed =
            in_precision!(prepared.precision, E => self.complete::<E>(prepared, &hidden, session))?;
        self.answer(&truth, &hidden, &completed, shape.as_deref())
    }

    /// The shape of an image: what the user says, else the network's, else the data's.
    fn image_shape(&self, prepared: &Prepared) -> Result<Option<Vec<usize>>, Failure> {
        let columns = prepared.table.columns;
        if !self.shape.is_empty() {
            let lengths = self.shape.len();
            let product = self.shape.iter().try_fold(1_usize, |p, &l| p.checked_mul(l));
            if !(2..=3).contains(&lengths) || product != Some(columns) {
                return Err(Failure::misuse(format!(
                    "--shape {:?} does not make up rows of {columns} values; give HEIGHT,WIDTH or \
                     HEIGHT,WIDTH,CHANNELS",
                    self.shape
                )));
            }
            return Ok(Some(self.shape.clone()));
        }
        let of_network = prepared.model.row_shape();
        if of_network.len() == 3 && of_network.iter().product::<usize>() == columns {
            return Ok(Some(of_network));
        }
        let of_data = prepared.table.shape.clone();
        Ok((2..=3).contains(&of_data.len()).then_some(of_data))
    }

    /// Completes the rows; the numbers are written in the precision they are computed in.
    fn complete<E: Real>(
        &self,
        prepared: Prepared,
        hidden: &[bool],
        session: &Session,
    ) -> Result<Vec<f32>, Failure> {
        let shape = [&[prepared.table.rows][..], &prepared.table.shape].concat();
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let seen: Vec<bool> = hidden.iter().map(|hidden| !hidden).collect();
        let options = CompletionOptions {
            rule: match self.rule {
                RuleName::Weighted => CompletionRule::WeightedMode,
                RuleName::MostProbable => CompletionRule::MostProbable,
            },
            statistics: match self.whole_row_statistics {
                true => Statistics::WholeRow,
                false => Statistics::Observed,
            },
        };
        let rows = Rows::new(&rows.values, rows.columns)?.with_mask(&seen)?;
        let values = executable.complete(rows, options)?.values;
        if let Some(out) = &self.out {
            npy::write(out, &shape, E::to_file(&values))?;
        }
        Ok(values.into_iter().map(Real::single).collect())
    }

    fn answer(
        &self,
        truth: &Table,
        hidden: &[bool],
        completed: &[f32],
        shape: Option<&[usize]>,
    ) -> Result<Answer, Failure> {
        let mut files: Vec<&PathBuf> = self.out.iter().collect();
        if let Some(picture) = &self.picture {
            self.draw(picture, truth, hidden, completed, shape)?;
            files.push(picture);
        }
        let error = CompletionError::of(&truth.values, hidden, completed);
        let mut lines = vec![
            ("rows", thousands(truth.rows as u64)),
            ("hidden values", thousands(hidden.iter().filter(|h| **h).count() as u64)),
        ];
        lines.extend(error.mean().map(|mse| ("mean squared error", format!("{mse:.4}"))));
        if error.unfilled > 0 {
            lines.push(("still missing", thousands(error.unfilled as u64)));
        }
        lines.extend(files.iter().map(|file| ("written to", file.display().to_string())));
        let json = json!({
            "rows": truth.rows,
            "mse": error.mean().map(number),
            "compared": error.compared,
            "unfilled": error.unfilled,
            "files": files,
        });
        Ok(Answer::new(json, facts(lines)))
    }

    fn draw(
        &self,
        picture: &Path,
        truth: &Table,
        hidden: &[bool],
        completed: &[f32],
        shape: Option<&[usize]>,
    ) -> Result<(), Failure> {
        let shape = shape.ok_or_else(|| {
            Failure::misuse("a picture needs the shape of an image; give --shape HEIGHT,WIDTH")
        })?;
        let values = self.images.clamp(1, truth.rows.max(1)) * truth.columns;
        let known = truth.values.iter().filter(|value| value.is_finite());
        let range = known.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &value| {
            (least.min(value), most.max(value))
        });
        let sheet = strip::sheet(&strip::Strips {
            shape,
            range,
            original: &truth.values[..values],
            hidden: &hidden[..values],
            completed: &completed[..values],
        })?;
        Ok(png::write(picture, &sheet)?)
    }
}
