//! Draws a plot.
//!
//! Invariant: everything, words included, lies inside the picture, in the colours of the day.

use super::colours::{Colour, FAINT_INK, GRID, INK};
use super::figures::{Figure, Line, MERGE_COLOUR, Stack};
use super::legend::{self, Mark, Sample};
use crate::ledger::numbers::grouped;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Units of a picture in a pixel: plotters draws at whole units, and lines need finer steps.
pub const UNITS: u32 = 2;

/// plotters divides sizes of letters by this before it writes them.
const FONT_FACTOR: f64 = 1.24;

const LETTER_PIXELS: f64 = 12.0;
const TITLE_PIXELS: f64 = 15.0;

/// Heights of title and axis, in pixels.
const TITLE_ROW: u32 = 26;
const NOTE_ROW: u32 = 18;
const AXIS_ROW: u32 = 24;

/// From an axis to its words, in pixels.
const TICK: u32 = 5;

/// Between two bars, in pixels, where they are wide enough.
const BAR_GAP: f64 = 1.0;

/// Size of a picture, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// A plot as SVG, [`UNITS`] to a pixel.
pub fn draw(figure: &Figure, size: Size) -> String {
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (units(size.width), units(size.height)));
        let area = backend.into_drawing_area();
        let drawn = draw_on(&area, figure, size).and_then(|()| area.present());
        drawn.expect("a picture in memory is written without faults");
    }
    svg
}

fn units(pixels: u32) -> u32 {
    pixels * UNITS
}

/// Letters of a size and colour, standing left of and below a point.
fn letters(pixels: f64, colour: Colour, style: FontStyle) -> TextStyle<'static> {
    let size = pixels * f64::from(UNITS) * FONT_FACTOR;
    TextStyle {
        font: FontDesc::new(FontFamily::SansSerif, size, style),
        color: colour.rgb().to_backend_color(),
        pos: Pos::new(HPos::Left, VPos::Top),
    }
}

/// A line so many half pixels wide.
fn stroke(colour: Colour, half_pixels: u32) -> ShapeStyle {
    colour.rgb().stroke_width(half_pixels * UNITS / 2)
}

fn draw_on(area: &Area<'_>, figure: &Figure, size: Size) -> Drawn {
    let title = letters(TITLE_PIXELS, INK, FontStyle::Bold);
    area.draw_text(figure.title, &title, (0, units(4) as i32))?;
    let note = letters(LETTER_PIXELS, FAINT_INK, FontStyle::Normal);
    area.draw_text(&figure.note, &note, (0, units(TITLE_ROW) as i32))?;
    let placed = legend::place(&samples(figure), size.width);
    let legend_top = TITLE_ROW + NOTE_ROW;
    draw_legend(area, &placed.samples, legend_top)?;
    let head = legend_top + placed.rows * legend::ROW + 6;
    let (_, below) = area.split_vertically(units(head));
    draw_chart(&below, figure, size)
}

/// What the legend explains.
fn samples(figure: &Figure) -> Vec<Sample> {
    let layers = figure.stack.iter().flat_map(|stack| stack.layers.iter());
    let mut samples: Vec<Sample> = layers
        .map(|(label, colour)| Sample::new(label, *colour, Mark::Area))
        .collect();
    // A line alone is what the title says.
    if samples.len() + figure.lines.len() > 1 {
        samples.extend(figure.lines.iter().map(|line| {
            let mark = if line.is_bound {
                Mark::Bound
            } else {
                Mark::Line
            };
            Sample::new(&line.label, line.colour, mark)
        }));
    }
    if !figure.merges.is_empty() {
        samples.push(Sample::new("merge", MERGE_COLOUR, Mark::Tick));
    }
    samples
}

fn draw_legend(area: &Area<'_>, samples: &[(Sample, [u32; 2])], top: u32) -> Drawn {
    let label = letters(LETTER_PIXELS, INK, FontStyle::Normal);
    for (sample, [x, y]) in samples {
        let at = |dx: u32, dy: u32| (units(x + dx) as i32, units(top + y + dy) as i32);
        let colour = sample.colour;
        match sample.mark {
            Mark::Area => {
                let square = [at(0, 2), at(legend::MARK, 2 + legend::MARK)];
                area.draw(&Rectangle::new(square, colour.rgb().filled()))?;
            }
            Mark::Line => {
                area.draw(&PathElement::new(
                    [at(0, 7), at(legend::MARK, 7)],
                    stroke(colour, 4),
                ))?;
            }
            Mark::Bound => {
                for dash in [0, 6] {
                    let ends = [at(dash, 7), at(dash + 4, 7)];
                    area.draw(&PathElement::new(ends, stroke(colour, 3)))?;
                }
            }
            Mark::Tick => {
                area.draw(&PathElement::new([at(5, 3), at(5, 11)], stroke(colour, 3)))?;
            }
        }
        area.draw_text(
            &sample.label,
            &label,
            at(legend::MARK + legend::MARK_GAP, 2),
        )?;
    }
    Ok(())
}

fn draw_chart<'a>(area: &Area<'a>, figure: &Figure, size: Size) -> Drawn {
    let most = figure.most;
    let [first, last] = figure.heights;
    let wide = (value_words(most, most).chars().count() as f64 * legend::LETTER) as u32 + 3 * TICK;
    let mut chart = ChartBuilder::on(area)
        // Half of the last height's words stand right of it.
        .margin_right(units(30))
        .margin_top(units(4))
        .x_label_area_size(units(AXIS_ROW))
        .y_label_area_size(units(wide))
        .build_cartesian_2d(first..last, 0.0..most)?;
    let pixels = f64::from(size.width.saturating_sub(wide + 30));
    let label = letters(LETTER_PIXELS, FAINT_INK, FontStyle::Normal);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(stroke(GRID, 2))
        .axis_style(stroke(GRID, 2))
        .set_all_tick_mark_size(units(TICK))
        .x_labels((pixels / 95.0).clamp(2.0, 10.0) as usize)
        .y_labels(6)
        .x_label_style(label.clone())
        .y_label_style(label)
        .x_label_formatter(&|height| height_words(*height))
        .y_label_formatter(&|value| value_words(*value, most))
        .draw()?;
    if let Some(stack) = &figure.stack {
        match stack.is_bars {
            true => draw_bars(&mut chart, stack, (last - first) / pixels)?,
            false => draw_areas(&mut chart, stack)?,
        }
    }
    for line in &figure.lines {
        draw_line(&mut chart, line)?;
    }
    draw_merges(&mut chart, figure, pixels)
}

const TRANSPARENT: RGBAColor = RGBAColor(0, 0, 0, 0.0);

/// A height; between two of them there is nothing to be said.
fn height_words(height: f64) -> String {
    match height.fract() == 0.0 && height >= 0.0 {
        true => grouped(height as u64),
        false => String::new(),
    }
}

/// A value, with as many decimals as steps up to `most` need.
fn value_words(value: f64, most: f64) -> String {
    match most {
        8.0.. => grouped(value.round() as u64),
        0.8.. => format!("{value:.1}"),
        0.08.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// From the topmost area down, each to the bottom, so that no gap shows between two.
fn draw_areas(chart: &mut Chart<'_>, stack: &Stack) -> Drawn {
    let (Some(first), Some(last)) = (stack.columns.first(), stack.columns.last()) else {
        return Ok(());
    };
    for layer in (0..stack.layers.len()).rev() {
        let top = |([_, height], values): &([f64; 2], Vec<f64>)| {
            (*height, values[..=layer].iter().sum::<f64>())
        };
        let tops = stack.columns.iter().map(top);
        let ends = [(last.0[1], 0.0), (first.0[1], 0.0)];
        let outline: Vec<(f64, f64)> = tops.chain(ends).collect();
        let colour = stack.layers[layer].1;
        let area = Polygon::new(outline, colour.rgb().filled());
        chart.draw_series(std::iter::once(area))?;
    }
    Ok(())
}

/// `pixel` is one in heights.
fn draw_bars(chart: &mut Chart<'_>, stack: &Stack, pixel: f64) -> Drawn {
    for ([from, to], values) in &stack.columns {
        let gap = match to - from > 4.0 * pixel {
            true => BAR_GAP * pixel,
            false => 0.0,
        };
        let mut low = 0.0;
        for (value, (_, colour)) in values.iter().zip(&stack.layers) {
            let corners = [(from + gap, low), (*to, low + value)];
            let bar = Rectangle::new(corners, colour.rgb().filled());
            chart.draw_series((*value > 0.0).then_some(bar))?;
            low += value;
        }
    }
    Ok(())
}

fn draw_line(chart: &mut Chart<'_>, line: &Line) -> Drawn {
    for stretch in &line.stretches {
        if line.is_bound {
            let style = stroke(line.colour, 3);
            let dashed = DashedPathElement::new(stretch.clone(), units(6), units(4), style);
            chart.draw_series(std::iter::once(dashed))?;
        } else if let [point] = stretch[..] {
            let dot = Circle::new(point, units(2), line.colour.rgb().filled());
            chart.draw_series(std::iter::once(dot))?;
        } else {
            let path = PathElement::new(stretch.clone(), stroke(line.colour, 3));
            chart.draw_series(std::iter::once(path))?;
        }
    }
    Ok(())
}

/// Ticks that stand on the axis, at most one a pixel.
fn draw_merges(chart: &mut Chart<'_>, figure: &Figure, pixels: f64) -> Drawn {
    let pixel = (figure.heights[1] - figure.heights[0]) / pixels;
    let mut last = f64::NEG_INFINITY;
    for height in &figure.merges {
        if height - last < pixel {
            continue;
        }
        last = *height;
        let ends = [(*height, 0.0), (*height, figure.most * 0.045)];
        let tick = PathElement::new(ends, stroke(MERGE_COLOUR, 3));
        chart.draw_series(std::iter::once(tick))?;
    }
    Ok(())
}
