//! The legend of a plot: samples in rows, as many to a row as fit.
//!
//! Invariant: no sample reaches beyond the width, unless it is alone in its row.

use super::colours::Colour;

/// Height of a row, in pixels.
pub const ROW: u32 = 19;

/// Width of what stands before the words, in pixels...
pub const MARK: u32 = 10;

/// ...between it and them...
pub const MARK_GAP: u32 = 6;

/// ...and behind them.
const SAMPLE_GAP: u32 = 16;

/// Width of a letter, in pixels: the average of a wide sans-serif (DejaVu) at the size of labels.
pub const LETTER: f64 = 7.4;

/// How something is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// As an area or bar.
    Area,
    /// As a line.
    Line,
    /// As a dashed line.
    Bound,
    /// As a tick on the axis.
    Tick,
}

/// One sample.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// What it is.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// How it is drawn.
    pub mark: Mark,
}

impl Sample {
    /// One sample.
    pub fn new(label: &str, colour: Colour, mark: Mark) -> Sample {
        Sample {
            label: label.to_owned(),
            colour,
            mark,
        }
    }

    fn width(&self) -> u32 {
        MARK + MARK_GAP + (self.label.chars().count() as f64 * LETTER).ceil() as u32
    }
}

/// Where samples are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Each with its left and upper end, in pixels.
    pub samples: Vec<(Sample, [u32; 2])>,
    /// Rows taken.
    pub rows: u32,
}

/// Places samples in rows of `width` pixels.
pub fn place(samples: &[Sample], width: u32) -> Placed {
    let (mut x, mut row) = (0, 0);
    let mut placed = Vec::with_capacity(samples.len());
    for sample in samples {
        if x > 0 && x + sample.width() > width {
            (x, row) = (0, row + 1);
        }
        placed.push((sample.clone(), [x, row * ROW]));
        x += sample.width() + SAMPLE_GAP;
    }
    Placed {
        samples: placed,
        rows: if samples.is_empty() { 0 } else { row + 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::super::colours::INK;
    use super::*;

    #[test]
    fn a_sample_that_does_not_fit_begins_a_row() {
        let sample = Sample::new("ten lettrs", INK, Mark::Area);
        let width = sample.width();
        let three = [(); 3].map(|()| sample.clone());
        let places = |width| {
            let placed = place(&three, width);
            (
                placed.samples.iter().map(|(_, at)| *at).collect::<Vec<_>>(),
                placed.rows,
            )
        };
        let next = width + SAMPLE_GAP;
        assert_eq!(places(next + width), (vec![[0, 0], [next, 0], [0, ROW]], 2));
        assert_eq!(places(next + width - 1).1, 3);
        assert_eq!(places(1).1, 3, "one a row, even if it is too wide");
        assert_eq!(place(&[], 100).rows, 0);
    }
}
