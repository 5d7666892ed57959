//! `Conv2DProduct`: products over the cells of a kernel that moves over the image.
//!
//! Kernel size `k` and dilation `d` reach over `e = (k - 1) d + 1` cells per axis. Padding (log 1,
//! so left out of the products) is `valid`: none, `full`: `e - 1` on both sides, `final`:
//! `2 (e - 1) - size` before and none after, nothing on an axis with `k = 1`. The output has
//! `ceil((size + padding - e + 1) / stride)` cells. Depthwise products are element-wise;
//! otherwise `onehot_kernel` says which channel of each kernel cell an output channel multiplies.
//! Whether the scopes fit is for the compiler's checks to say, as in the reference.

use serde::{Deserialize, Serialize};

use super::build::Initialization;
use super::lowering::{Cell, Lowering, Tensor};
use super::onehot_kernel::{combinations, draw_kernel, read_kernel};
use super::products::{CellProducts, Picks};
use super::shape::{TensorShape, power, product, sum};
use super::{LayerProblem, LayerRules, ParameterSpec};

/// The kernel's name in the parameter store.
const KERNEL: &str = "onehot_kernel";

/// Convolutional products. Sizes are `[rows, columns]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2DProduct {
    /// Cells that are multiplied, each at least 1.
    pub kernel_size: [usize; 2],
    /// Steps between products; default `[1, 1]`.
    #[serde(default = "ones")]
    pub strides: [usize; 2],
    /// Distance of the kernel's cells; default `[1, 1]`.
    #[serde(default = "ones")]
    pub dilations: [usize; 2],
    /// Output channels if not depthwise. `null`, or at least all combinations of the `C` input
    /// channels: all combinations, the first kernel cell varying fastest. At least `C`: each
    /// kernel cell uses its channels equally often, shuffled. Fewer: drawn independently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_channels: Option<usize>,
    /// What surrounds the image; default `valid`.
    #[serde(default)]
    pub padding: Padding,
    /// Whether channels are multiplied one by one; default false.
    #[serde(default)]
    pub depthwise: bool,
}

/// What surrounds an image for a convolutional product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Nothing.
    #[default]
    Valid,
    /// As much as the kernel reaches, on all sides.
    Full,
    /// Before the image, so that the last kernel of a stack of dilations covers all of it.
    Final,
}

fn ones() -> [usize; 2] {
    [1, 1]
}

impl Conv2DProduct {
    /// Products channel by channel.
    #[must_use]
    pub fn depthwise(kernel_size: [usize; 2]) -> Self {
        Self { depthwise: true, ..Self::onehot(kernel_size, None) }
    }

    /// Products of combinations of channels, all of them without a number.
    #[must_use]
    pub fn onehot(kernel_size: [usize; 2], num_channels: Option<usize>) -> Self {
        Self {
            kernel_size,
            strides: ones(),
            dilations: ones(),
            num_channels,
            padding: Padding::Valid,
            depthwise: false,
        }
    }

    /// Sets the steps between products.
    #[must_use]
    pub fn strides(mut self, strides: [usize; 2]) -> Self {
        self.strides = strides;
        self
    }

    /// Sets the distance of the kernel's cells.
    #[must_use]
    pub fn dilations(mut self, dilations: [usize; 2]) -> Self {
        self.dilations = dilations;
        self
    }

    /// Sets what surrounds the image.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// The geometry along one axis of an image of `size` cells.
    fn along(&self, axis: usize, size: usize) -> Result<Along, LayerProblem> {
        let name = ["rows", "columns"][axis];
        let what = "the kernel's reach";
        let (kernel, stride) = (self.kernel_size[axis], self.strides[axis]);
        let reach = product(what, &[kernel.saturating_sub(1), self.dilations[axis]])?;
        let (before, after) = match self.padding {
            Padding::Full => (reach, reach),
            Padding::Final if kernel > 1 => {
                let covered = 2 * reach;
                let before = covered.checked_sub(size);
                let too_large = LayerProblem::FinalTooLarge { axis: name, size, reach: covered };
                (before.ok_or(too_large)?, 0)
            }
            Padding::Valid | Padding::Final => (0, 0),
        };
        let available = sum(what, &[size, before, after])?;
        if available <= reach {
            let kernel = reach + 1;
            return Err(LayerProblem::KernelTooLarge { axis: name, kernel, available });
        }
        let output = (available - reach).div_ceil(stride.max(1));
        let dilation = self.dilations[axis];
        Ok(Along { kernel, stride, dilation, before, size, output })
    }

    /// Output channels for `channels` input channels.
    fn output_channels(&self, channels: usize) -> Result<usize, LayerProblem> {
        if self.depthwise {
            return Ok(channels);
        }
        let cells = product("the kernel", &self.kernel_size)?;
        let all = power("the combinations of the channels", channels, cells);
        match (self.num_channels, all) {
            (None, all) => all,
            (Some(number), Ok(all)) => Ok(number.min(all)),
            (Some(number), Err(_)) => Ok(number),
        }
    }

    /// The kernel parameter's shape.
    fn kernel_shape(&self, channels: usize) -> Result<[usize; 4], LayerProblem> {
        let [rows, columns] = self.kernel_size;
        if self.depthwise {
            return Ok([rows, columns, 1, 1]);
        }
        Ok([rows, columns, channels, self.output_channels(channels)?])
    }

    fn picks(&self, channels: usize, lowering: &Lowering<'_>) -> Result<Picks, LayerProblem> {
        if self.depthwise {
            return Ok(Picks::ElementWise);
        }
        let outputs = self.output_channels(channels)?;
        let cells = self.kernel_size[0] * self.kernel_size[1];
        let picks = read_kernel(lowering.values(KERNEL)?, cells, channels, outputs)?;
        let all = power("", channels, cells).is_ok_and(|all| all == outputs);
        if all && picks == combinations(cells, channels, outputs) {
            return Ok(Picks::FirstFastest);
        }
        Ok(Picks::Given(picks))
    }
}

/// The geometry of a product along one axis.
#[derive(Clone, Copy, Debug)]
struct Along {
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    size: usize,
    output: usize,
}

impl Along {
    /// The image's cell under kernel cell `kernel` of output `output`; `None` in the padding.
    fn source(&self, output: usize, kernel: usize) -> Option<usize> {
        let padded = output * self.stride + kernel * self.dilation;
        padded.checked_sub(self.before).filter(|&source| source < self.size)
    }
}

impl LayerRules for Conv2DProduct {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (rows, columns, channels) = input.units()?;
        let options = [
            ("kernel_size", self.kernel_size),
            ("strides", self.strides),
            ("dilations", self.dilations),
        ];
        for (option, [first, second]) in options {
            LayerProblem::at_least_one(option, first.min(second))?;
        }
        LayerProblem::at_least_one("num_channels", self.num_channels.unwrap_or(1))?;
        let (rows, columns) = (self.along(0, rows)?.output, self.along(1, columns)?.output);
        let outputs = self.output_channels(channels)?;
        let [kernel_rows, kernel_columns] = self.kernel_size;
        let factors = [rows, columns, outputs, kernel_rows, kernel_columns];
        product("the factors of all products", &factors)?;
        product("the kernel", &self.kernel_shape(channels)?)?;
        TensorShape::of_units(rows, columns, outputs)
    }

    fn parameters(&self, input: TensorShape) -> Result<Vec<ParameterSpec>, LayerProblem> {
        let shape = self.kernel_shape(input.units()?.2)?;
        Ok(vec![ParameterSpec::new(KERNEL, &shape, false)])
    }

    fn initialize(
        &self,
        input: TensorShape,
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        let cells = self.kernel_size[0] * self.kernel_size[1];
        if self.depthwise {
            return Ok(vec![vec![1.0; cells]]);
        }
        let channels = input.units()?.2;
        let outputs = self.output_channels(channels)?;
        let all = power("", channels, cells).is_ok_and(|all| all == outputs);
        let mut generator = initialization.structure_generator();
        Ok(vec![draw_kernel(cells, channels, outputs, all, &mut generator)])
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let (rows, columns, channels) = input.shape.units()?;
        let (vertical, horizontal) = (self.along(0, rows)?, self.along(1, columns)?);
        let outputs = self.output_channels(channels)?;
        let widths = vec![channels as u32; vertical.kernel * horizontal.kernel];
        let picks = self.picks(channels, lowering)?;
        let mut products = CellProducts::new(picks, widths, outputs as u32);
        let mut cells = Vec::with_capacity(vertical.output * horizontal.output);
        let mut factors = Vec::with_capacity(vertical.kernel * horizontal.kernel);
        for row in 0..vertical.output {
            for column in 0..horizontal.output {
                factors.clear();
                for kernel_row in 0..vertical.kernel {
                    for kernel_column in 0..horizontal.kernel {
                        let source = vertical.source(row, kernel_row);
                        let source = source.zip(horizontal.source(column, kernel_column));
                        factors.push(source.map_or_else(
                            || Cell::padding(channels as u32),
                            |(r, c)| input.cells[r * columns + c].clone(),
                        ));
                    }
                }
                let origin = lowering.origin(row, column);
                cells.push(products.product(lowering, &factors, origin)?);
            }
        }
        Ok(Tensor::of_units((vertical.output, horizontal.output, outputs), cells))
    }
}
