//! Checkpoints: a training on disk, to go on with after a crash, a kill or a reboot.
//!
//! In: a folder and the facts of the training. Out: the file `checkpoint.spnb` in it, replaced as a
//! whole after every epoch and when the time is up, so that at any moment the folder holds one
//! complete checkpoint (or none, before the first).

mod facts;
mod file;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spn_runtime::learn::{Progress, Trainer, TrainerState};

use super::CheckpointArguments;
use crate::output::{remove_partial_files, write_atomically};
use crate::precision::Real;
use crate::{Failure, Session};
pub(crate) use facts::Facts;
use file::{PROGRAM, Saved};

/// The file in the folder.
const FILE: &str = "checkpoint.spnb";

/// The usual time between two checkpoints within an epoch.
const SECONDS: u64 = 60;

/// Where and when a training is saved.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    resume: bool,
    interval: Duration,
    saved: Instant,
    facts: Facts,
    isa: String,
}

impl CheckpointArguments {
    /// Checks before any work that no other training's checkpoint would be overwritten.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(folder) = self.checkpoint.as_ref().filter(|_| !self.resume) else {
            return Ok(());
        };
        let file = folder.join(FILE);
        if !file.exists() {
            return Ok(());
        }
        Err(Failure::misuse(format!(
            "{} holds the checkpoint of a training: give --resume to go on with it, choose another \
             folder, or remove {}",
            folder.display(),
            file.display()
        )))
    }

    /// Makes the folder, without what a killed training left half-written in it.
    pub(crate) fn make_folder(&self) -> Result<(), Failure> {
        let Some(folder) = &self.checkpoint else { return Ok(()) };
        let made = fs::create_dir_all(folder);
        made.and_then(|()| remove_partial_files(&folder.join(FILE))).map_err(|error| {
            let folder = folder.display();
            Failure::misuse(format!("cannot save checkpoints in the folder {folder}: {error}"))
        })
    }

    /// The checkpoints of a training with these facts, if they are asked for.
    pub(crate) fn open(
        &self,
        facts: impl FnOnce() -> Facts,
        session: &Session,
    ) -> Option<Checkpoints> {
        let folder = self.checkpoint.clone()?;
        Some(Checkpoints {
            folder,
            resume: self.resume,
            interval: Duration::from_secs(self.checkpoint_seconds.unwrap_or(SECONDS)),
            saved: Instant::now(),
            facts: facts(),
            isa: session.level.to_string(),
        })
    }
}

impl Checkpoints {
    /// The state to go on from, if that is asked for and there is one.
    pub(crate) fn read<E: Real>(
        &self,
        session: &Session,
    ) -> Result<Option<TrainerState<E>>, Failure> {
        if !self.resume {
            return Ok(None);
        }
        let file = self.folder.join(FILE);
        let saved = match fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let folder = self.folder.display();
                session.say(&format!("{folder}: no checkpoint yet, so training begins"));
                return Ok(None);
            }
            Err(error) => Err(Failure::misuse(format!("cannot read it: {error}"))),
            Ok(bytes) => Saved::from_bytes(&bytes)
                .map_err(|error| Failure::from(error).with_hint("remove the file to begin again")),
        };
        let saved = saved.map_err(|failure| failure.in_file(&file))?;
        self.check(&saved, session).map_err(|failure| failure.in_file(&file))?;
        saved.state().map(Some).map_err(|failure| failure.in_file(&file))
    }

    /// Checks that a checkpoint belongs to this training.
    fn check(&self, saved: &Saved, session: &Session) -> Result<(), Failure> {
        let differences = saved.facts().differences(&self.facts);
        if !differences.is_empty() {
            let writer = saved.program();
            let program = if writer == PROGRAM {
                String::new()
            } else {
                format!(" (by {writer}; this is {PROGRAM})")
            };
            return Err(Failure::misuse(format!(
                "the checkpoint was made{program} in another training: {}; train with the same \
                 model, data and options (only --epochs may be raised), or choose another folder",
                differences.join(", ")
            )));
        }
        if saved.isa() != self.isa {
            session.say(&format!(
                "note: the checkpoint was made with --isa {}, now it is {}: the result will differ \
                 in its last digits from that of a training without a break",
                saved.isa(),
                self.isa
            ));
        }
        Ok(())
    }

    /// Saves the training if an epoch is over or the time is up.
    pub(crate) fn save_if_due<E: Real>(
        &mut self,
        progress: &Progress,
        trainer: &Trainer<'_, E>,
    ) -> Result<(), Failure> {
        if matches!(progress, Progress::Step { .. }) && self.saved.elapsed() < self.interval {
            return Ok(());
        }
        let saved = Saved::new(&self.facts, &self.isa, trainer.state());
        write_atomically(&self.folder.join(FILE), |writer| saved.write::<E>(writer))?;
        self.saved = Instant::now();
        Ok(())
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}
