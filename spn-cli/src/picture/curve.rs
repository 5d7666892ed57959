//! Learning curves.
//!
//! In: a title and one or more series of numbers, one number for each epoch. Out: a picture with axes,
//! labelled ticks and a legend.

use plotters::coord::types::{RangedCoordf64, RangedCoordusize};
use plotters::prelude::{BitMapBackend, PathElement, SeriesLabelPosition};
use plotters::prelude::{Cartesian2d, ChartBuilder, ChartContext, Circle, LineSeries};
use plotters::style::{Color as _, IntoTextStyle, RGBColor, ShapeStyle, TRANSPARENT};

use super::canvas::{Area, FONT, OVERSIZE, draw, drawing_error};
use super::{Image, PictureError};

/// Width and height of the picture.
const SIZE: (usize, usize) = (880, 520);
/// Colors of the series, which can be told apart by the color-blind.
const COLORS: [RGBColor; 4] = [
    RGBColor(0x1f, 0x6f, 0xb4),
    RGBColor(0xe6, 0x7e, 0x22),
    RGBColor(0x2a, 0x9d, 0x6f),
    RGBColor(0x8e, 0x5a, 0xa8),
];
const INK: RGBColor = RGBColor(0x33, 0x38, 0x40);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
const AXIS: RGBColor = RGBColor(0x9a, 0xa1, 0xab);
/// Numbers beyond this are left out like infinities: axes could not be divided.
const LARGEST: f64 = 1e30;
/// Up to so many epochs, each has a dot.
const MOST_DOTS: usize = 30;

/// One line of a diagram.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// A number for each epoch from 1. NaN and infinities are passed over.
    pub values: &'a [f64],
}

/// What a diagram shows.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// The title above it.
    pub title: &'a str,
    /// What the numbers are.
    pub label: &'a str,
    /// The lines: training, perhaps validation.
    pub series: &'a [Series<'a>],
}

/// The part of a diagram that has coordinates.
type Chart<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordusize, RangedCoordf64>>;

/// Draws a diagram.
///
/// # Errors
///
/// When no series has a finite number.
///
/// ```
/// use spn_cli::picture::curve::{Curve, Series, draw_curve};
/// let train = Series { name: "train", values: &[-30.0, -25.0, -24.0] };
/// let curve = Curve { title: "Digits", label: "log-likelihood", series: &[train] };
/// assert_eq!(draw_curve(&curve)?.width(), 880);
/// # Ok::<(), spn_cli::picture::PictureError>(())
/// ```
pub fn draw_curve(curve: &Curve<'_>) -> Result<Image, PictureError> {
    let epochs = curve.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let range =
        value_range(curve.series).ok_or(PictureError::Nothing("no epoch has a finite number"))?;
    draw(SIZE.0, SIZE.1, [255; 3], |area| {
        let mut chart = axes(area, curve, epochs, range)?;
        for (series, color) in curve.series.iter().zip(COLORS.iter().cycle()) {
            line(&mut chart, series, *color)?;
        }
        // A legend is put where the lines end last: training curves leave the other corner free.
        let middle = f64::midpoint(range.0, range.1);
        let ends = curve.series.iter().filter_map(|series| points(series).last());
        let above = ends.filter(|&(_, value)| value > middle).count() * 2 >= curve.series.len();
        let corner =
            if above { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
        chart
            .configure_series_labels()
            .position(corner)
            .margin(pixels(12))
            .legend_area_size(pixels(34))
            .label_font((FONT, pixels(14), &INK))
            .background_style(RGBColor(255, 255, 255).mix(0.9))
            .border_style(GRID.stroke_width(OVERSIZE as u32))
            .draw()
            .map_err(drawing_error)
    })
}

/// A length of the picture as one of the larger drawing.
fn pixels(length: i32) -> i32 {
    length * OVERSIZE as i32
}

/// The finite numbers of a series with their epochs.
fn points(series: &Series<'_>) -> impl DoubleEndedIterator<Item = (usize, f64)> {
    let points = series.values.iter().enumerate().map(|(index, &value)| (index + 1, value));
    points.filter(|(_, value)| value.abs() <= LARGEST)
}

/// The numbers that the upright axis spans; none if there are no finite ones.
fn value_range(series: &[Series<'_>]) -> Option<(f64, f64)> {
    let values = || series.iter().flat_map(points).map(|(_, value)| value);
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    // Ticks closer than the precision of the numbers would be all the same.
    let least = low.abs().max(high.abs()).max(1e-3) * 1e-6;
    let margin = ((high - low) * 0.06).max(least);
    Some((low - margin, high + margin))
}

/// Draws title, axes, grid and ticks.
fn axes<'a, 'b>(
    area: &'a Area<'b>,
    curve: &Curve<'_>,
    epochs: usize,
    range: (f64, f64),
) -> Result<Chart<'a, 'b>, PictureError> {
    let mut chart = ChartBuilder::on(area)
        .caption(curve.title, (FONT, pixels(19), &INK).into_text_style(area))
        .margin(pixels(14))
        .x_label_area_size(pixels(42))
        .y_label_area_size(pixels(70))
        .build_cartesian_2d(1..epochs.max(2), range.0..range.1)
        .map_err(drawing_error)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(curve.label)
        .x_labels(10)
        .y_labels(8)
        .x_label_formatter(&|epoch| epoch.to_string())
        .y_label_formatter(&|value| tick(*value, range.1 - range.0))
        .label_style((FONT, pixels(13), &INK))
        .axis_desc_style((FONT, pixels(14), &INK))
        .axis_style(AXIS.stroke_width(OVERSIZE as u32))
        .bold_line_style(GRID.stroke_width(OVERSIZE as u32))
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(drawing_error)?;
    Ok(chart)
}

/// The text at a tick: as many decimals as tell neighbours apart, and a true minus sign.
fn tick(value: f64, span: f64) -> String {
    let decimals = (1.0 - (span / 8.0).log10().floor()).clamp(0.0, 9.0) as usize;
    let text = if value.abs() >= 1e7 || span < 1e-6 {
        format!("{value:.3e}")
    } else {
        let text = format!("{value:.decimals$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    };
    if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// Draws a series and enters it into the legend.
fn line(
    chart: &mut Chart<'_, '_>,
    series: &Series<'_>,
    color: RGBColor,
) -> Result<(), PictureError> {
    let style: ShapeStyle = color.stroke_width(pixels(2) as u32);
    chart
        .draw_series(LineSeries::new(points(series), style))
        .map_err(drawing_error)?
        .label(series.name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + pixels(22), y)], style));
    if points(series).count() <= MOST_DOTS {
        let dots = points(series).map(|point| Circle::new(point, pixels(3), color.filled()));
        chart.draw_series(dots).map_err(drawing_error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[f64]) -> Result<Image, PictureError> {
        let series = [Series { name: "train", values }];
        draw_curve(&Curve { title: "t", label: "l", series: &series })
    }

    #[test]
    fn lines_of_their_color_are_drawn() {
        let image = curve(&[-3.0, -2.0, -1.5]).unwrap();
        let blue = [COLORS[0].0, COLORS[0].1, COLORS[0].2];
        let inked = image.bytes().as_chunks::<3>().0.iter().filter(|&&pixel| pixel == blue);
        assert!(inked.count() > 500);
    }

    #[test]
    fn strange_numbers_are_drawn_or_told() {
        let strange: [&[f64]; 10] = [
            &[1.0],
            &[0.0, 0.0],
            &[1e-300, 2e-300],
            &[-1e30, 1e30],
            &[f64::MAX, 1.0],
            &[1e16, 1e16 + 2.0, 1e16 + 4.0],
            &[5.0, f64::NAN, f64::INFINITY, 6.0],
            &[-0.1, -0.1 + 1e-12],
            &[1e-8, 2e-8, 3e-8],
            &[123_456.7, 123_456.8],
        ];
        for values in strange {
            assert!(curve(values).is_ok(), "{values:?}");
        }
        for values in [&[][..], &[f64::NAN], &[f64::INFINITY, f64::MIN]] {
            assert!(matches!(curve(values), Err(PictureError::Nothing(_))), "{values:?}");
        }
        let long: Vec<f64> = (0..100_000).map(|epoch| f64::from(epoch).sqrt()).collect();
        assert!(curve(&long).is_ok());
    }

    #[test]
    fn ticks_are_short() {
        for (value, span, text) in [
            (-60.0, 40.0, "\u{2212}60"),
            (0.25, 1.0, "0.25"),
            (-0.0, 4.0, "0"),
            (1200.0, 5000.0, "1200"),
            (2.5e12, 1e12, "2.500e12"),
            (0.1 + 0.2, 0.8, "0.3"),
        ] {
            assert_eq!(tick(value, span), text);
        }
    }
}
