//! Why a command gave no answer: a message for people and the exit code for scripts.
//!
//! In: the typed errors of the libraries. Out: one [`Failure`], the only dynamic error of the
//! workspace. [`Exit::Invalid`] is kept apart from [`Exit::Misuse`]: a script may ask whether a
//! network is valid, and a file that cannot be read is no answer to that.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use spn_compiler::CompileError;
use spn_ir::LayerError;
use spn_ir::container::ContainerError;
use spn_ir::formats::{FormatError, ImportError, WriteError};
use spn_ir::layers::LayerProblem;
use spn_runtime::RunError;
use spn_runtime::learn::FitError;

use crate::answer::{to_standard_error, to_standard_output};
use crate::data::DataError;
use crate::output::OutputError;
use crate::picture::PictureError;

/// The exit codes beside 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 1: the answer is "no", the network is invalid.
    Invalid,
    /// 2: wrong use, or input that cannot be read.
    Misuse,
}

impl Exit {
    /// The process' exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Invalid => 1,
            Self::Misuse => 2,
        }
    }
}

/// Why a command gave no answer.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    layers: Option<Box<LayerError>>,
}

impl Failure {
    /// Wrong use or unreadable input; the message says what, where and how to mend it.
    pub fn misuse(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Misuse, message: message.to_string(), layers: None }
    }

    /// An invalid network.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Invalid, message: message.to_string(), layers: None }
    }

    /// The same failure with the file it is about in front.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.message = format!("{}: {}", file.display(), self.message);
        self
    }

    /// The same failure with a further sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.message = format!("{}; {hint}", self.message);
        self
    }

    /// The exit code it stands for.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What is wrong with the layers, if that is the reason.
    #[must_use]
    pub fn layer_error(&self) -> Option<&LayerError> {
        self.layers.as_deref()
    }

    /// Tells the user, and with `json` also the program that reads standard output.
    pub(crate) fn print(&self, json: bool) -> ExitCode {
        to_standard_error(&format!("error: {}\n", self.message));
        if json {
            to_standard_output(&format!("{}\n", json!({ "error": self.message })));
        }
        ExitCode::from(self.exit.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<LayerError> for Failure {
    /// Layers that can be read but make no network are an invalid network.
    fn from(error: LayerError) -> Self {
        let failure =
            if is_network_error(&error) { Self::invalid(&error) } else { Self::misuse(&error) };
        Self { layers: Some(Box::new(error)), ..failure }
    }
}

/// Whether the error is about the network that a layer file describes, not about the file.
fn is_network_error(error: &LayerError) -> bool {
    match error {
        LayerError::Syntax { .. } | LayerError::File { .. } | LayerError::Parameters { .. } => {
            false
        }
        LayerError::Layer { problem, .. } => !matches!(
            **problem,
            LayerProblem::Unreadable { .. }
                | LayerProblem::NeedsData { .. }
                | LayerProblem::BadData { .. }
                | LayerProblem::MissingParameter { .. }
                | LayerProblem::WrongParameter { .. }
        ),
        _ => true,
    }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Invalid { .. } => Self::invalid(error).with_hint(
                "`spn check` lists everything, --allow-invalid compiles it all the same",
            ),
            _ => Self::misuse(error),
        }
    }
}

/// Errors that always mean wrong use or unreadable input.
macro_rules! misuse {
    ($($error:ty),+ $(,)?) => {
        $(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    Self::misuse(error)
                }
            }
        )+
    };
}

misuse! {
    ContainerError, DataError, FitError, FormatError, ImportError, OutputError, PictureError, RunError, WriteError,
}
