//! What is written while a training runs: checkpoints, the history, the learning curve.
//!
//! In: the training after each of its steps. Out: files that can be watched, each replaced as a
//! whole.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use spn_runtime::learn::{Epoch, Progress, Trainer};

use super::checkpoint::Checkpoints;
use super::history::{draw_curve, write_history};
use crate::Failure;
use crate::picture::png;
use crate::precision::Real;

/// The shortest time between two pictures of the curve: drawing takes longer than a short epoch.
const REDRAW: Duration = Duration::from_secs(60);

/// The files of one training. All are optional.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) history: Option<PathBuf>,
    pub(crate) curve: Option<CurveFile>,
}

/// A picture of the learning curve.
#[derive(Debug)]
pub(crate) struct CurveFile {
    path: PathBuf,
    title: String,
    label: String,
    drawn: Instant,
}

impl CurveFile {
    /// A picture with a title and the name of the loss, not drawn yet.
    pub(crate) fn new(path: PathBuf, title: String, label: String) -> Self {
        Self { path, title, label, drawn: Instant::now() }
    }

    fn draw(&mut self, epochs: &[Epoch]) -> Result<(), Failure> {
        png::write(&self.path, &draw_curve(&self.title, &self.label, epochs)?)?;
        self.drawn = Instant::now();
        Ok(())
    }
}

impl Records {
    /// Notes what the training just did. The checkpoint comes first: what other files lack after a
    /// crash in between, they get when the training goes on.
    pub(super) fn note<E: Real>(
        &mut self,
        progress: &Progress,
        trainer: &Trainer<'_, E>,
    ) -> Result<(), Failure> {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.save_if_due(progress, trainer)?;
        }
        if let Progress::Epoch(_) = progress {
            self.write_history(trainer.epochs())?;
            if let Some(curve) = self.curve.as_mut().filter(|c| c.drawn.elapsed() >= REDRAW) {
                curve.draw(trainer.epochs())?;
            }
        }
        Ok(())
    }

    /// Writes the history and the curve; gives their paths.
    pub(crate) fn finish(&mut self, epochs: &[Epoch]) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        if let Some(curve) = &mut self.curve {
            curve.draw(epochs)?;
            files.push(curve.path.clone());
        }
        self.write_history(epochs)?;
        files.extend(self.history.clone());
        Ok(files)
    }

    fn write_history(&self, epochs: &[Epoch]) -> Result<(), Failure> {
        self.history.as_ref().map_or(Ok(()), |path| write_history(path, epochs))
    }
}
