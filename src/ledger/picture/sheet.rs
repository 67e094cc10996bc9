//! All plots in one SVG.
//!
//! Invariant: a viewer without style sheets shows it by day.

use super::colours::{PAPER, turned};
use super::draw::{Size, UNITS, draw};
use super::figures::{Detail, figures};
use crate::ledger::history::History;
use std::fmt::Write;

/// Around and between the plots, in pixels.
const GAP: u32 = 24;

const WIDTH: u32 = 1200;

/// The first plot and the last take all of a row, the others half of one.
const WHOLE: Size = Size {
    width: WIDTH - 2 * GAP,
    height: 400,
};

const OTHER: Size = Size {
    width: (WHOLE.width - GAP) / 2,
    height: 270,
};

const DETAIL: Detail = Detail {
    points: 500,
    bars: 100,
};

/// The sheet.
pub fn sheet(history: &History) -> String {
    let figures = figures(history, DETAIL);
    let mut plots = String::new();
    let mut height = GAP;
    for (number, figure) in figures.iter().enumerate() {
        let is_whole = number == 0 || number + 1 == figures.len();
        let is_left = !is_whole && number % 2 == 1;
        let (size, x) = match is_whole {
            true => (WHOLE, GAP),
            false if is_left => (OTHER, GAP),
            false => (OTHER, 2 * GAP + OTHER.width),
        };
        let scale = 1.0 / f64::from(UNITS);
        let written = write!(
            plots,
            "<g transform=\"translate({x} {height}) scale({scale})\">\n{}</g>\n",
            draw(figure, size)
        );
        written.expect("a string takes everything");
        if !is_left {
            height += size.height + GAP;
        }
    }
    let paper = format!("{:06X}", PAPER.day());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\">\n<style>\n\
         text{{font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums}}\n{}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#{paper}\"/>\n{plots}</svg>\n",
        turned()
    )
}
