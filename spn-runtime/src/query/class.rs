//! Class joints and class posteriors: the root's weighted children.

use crate::executable::Number;
use crate::kernels::scaled::root::Needed;
use crate::simd::Real;
use crate::{Executable, Rows, RunError, Statistics};

impl<E: Number> Executable<E> {
    /// `log p(x, y = n)` of each row and class `n`, row-major `[rows, classes]`: the root's
    /// weighted children. Their log-sum-exp is the log-likelihood.
    ///
    /// # Errors
    /// If the rows have another number of columns than the network has variables.
    pub fn class_joints(&self, rows: Rows<'_, E>) -> Result<Vec<E>, RunError> {
        self.per_class(rows, |joints, _| joints)
    }

    /// `p(y = n | x)` of each row and class `n`, row-major `[rows, classes]`. Where the evidence is
    /// impossible nothing speaks for any class: all are equally probable.
    ///
    /// # Errors
    /// If the rows have another number of columns than the network has variables.
    pub fn class_posteriors(&self, rows: Rows<'_, E>) -> Result<Vec<E>, RunError> {
        let uniform = E::from_f64(1.0 / self.classes() as f64);
        self.per_class(rows, |joint, total| {
            if total == E::NEG_INFINITY { uniform } else { Real::exp(joint - total) }
        })
    }

    fn per_class(
        &self,
        rows: Rows<'_, E>,
        value: impl Fn(E, E) -> E + Sync,
    ) -> Result<Vec<E>, RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        let classes = self.classes();
        let mut out = vec![E::ZERO; rows.len() * classes];
        let mode = (Statistics::Observed, Some(Needed::Joints));
        self.infer(rows, mode, (&mut out, classes), |values, out| {
            for (sample, out) in out.chunks_exact_mut(classes).enumerate() {
                let joints = values.joints[sample..].iter().step_by(values.tile);
                for (&joint, out) in joints.zip(out) {
                    *out = value(joint, values.total[sample]);
                }
            }
        });
        Ok(out)
    }
}
