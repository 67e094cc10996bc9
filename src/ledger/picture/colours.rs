//! Colours, by day and by night.
//!
//! Invariant: by day no two are equal. A picture is drawn in the colours of the day, and where it is
//! dark a style sheet turns each of them into its other one, whether it fills or strokes.

use plotters::style::RGBColor;
use std::fmt::Write;

/// A colour by day and by night, as 0xRRGGBB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour {
    day: u32,
    night: u32,
}

const fn colour(day: u32, night: u32) -> Colour {
    Colour { day, night }
}

/// What is drawn upon.
pub const PAPER: Colour = colour(0xFFFFFF, 0x14181D);
/// Text that is to be read.
pub const INK: Colour = colour(0x1B2430, 0xE6EAF0);
/// Text beside it.
pub const FAINT_INK: Colour = colour(0x5B6675, 0x9DA8B6);
/// Lines behind everything.
pub const GRID: Colour = colour(0xE3E7EC, 0x2B323B);
/// What a table's bar lies in.
pub const GROOVE: Colour = colour(0xEEF1F4, 0x20262D);
/// What should not grow.
pub const ALARM: Colour = colour(0xD3322B, 0xFF6F64);

/// Parts and stages, in the order of their names.
pub const SERIES: [Colour; 12] = [
    colour(0x3A6EA5, 0x6C9FD6),
    colour(0x2F9E94, 0x52C4B8),
    colour(0xE3A32E, 0xEFBE62),
    colour(0x8560B0, 0xB393DC),
    colour(0x6BA54A, 0x93CC74),
    colour(0xA77B58, 0xCBA27E),
    colour(0xD0668E, 0xEE97B6),
    colour(0x7F8EA0, 0xA3B1C2),
    colour(0xE2733C, 0xF79A68),
    colour(0x49A6C8, 0x7CCBE8),
    colour(0xB5AE3C, 0xD6D06A),
    colour(0x54636F, 0x8796A3),
];

/// Of part or stage number `index`.
pub fn series(index: usize) -> Colour {
    SERIES[index % SERIES.len()]
}

impl Colour {
    /// By day, as 0xRRGGBB.
    pub fn day(self) -> u32 {
        self.day
    }

    /// As plots take it.
    pub fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.day.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

fn named() -> impl Iterator<Item = (String, Colour)> {
    let fixed = [
        ("paper", PAPER),
        ("ink", INK),
        ("faint", FAINT_INK),
        ("grid", GRID),
        ("groove", GROOVE),
        ("alarm", ALARM),
    ];
    let fixed = fixed.map(|(name, colour)| (name.to_owned(), colour));
    let series = SERIES.iter().enumerate();
    let series = series.map(|(index, colour)| (format!("c{index}"), *colour));
    fixed.into_iter().chain(series)
}

/// The variables `--paper`, `--ink`, ..., `--c0`, ...
pub fn variables() -> String {
    let list = |of: fn(Colour) -> u32| {
        named().fold(String::new(), |mut list, (name, colour)| {
            write!(list, "--{name}:#{:06X};", of(colour)).expect("a string takes everything");
            list
        })
    };
    let (day, night) = (list(|colour| colour.day), list(|colour| colour.night));
    format!(
        ":root{{color-scheme:light dark;{day}}}\n\
         @media(prefers-color-scheme:dark){{:root{{{night}}}}}\n"
    )
}

/// What turns a picture's colours where it is dark.
pub fn turned() -> String {
    let rules = named().fold(String::new(), |mut rules, (_, Colour { day, night })| {
        let rule = writeln!(
            rules,
            "[fill=\"#{day:06X}\"]{{fill:#{night:06X}}}[stroke=\"#{day:06X}\"]{{stroke:#{night:06X}}}"
        );
        rule.expect("a string takes everything");
        rules
    });
    format!("@media(prefers-color-scheme:dark){{\n{rules}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn by_day_no_two_colours_are_equal_and_each_is_turned() {
        let days: BTreeSet<u32> = named().map(|(_, colour)| colour.day).collect();
        assert_eq!(days.len(), named().count());
        let rules = turned();
        for day in days {
            assert!(rules.contains(&format!("[fill=\"#{day:06X}\"]")));
            assert!(rules.contains(&format!("[stroke=\"#{day:06X}\"]")));
        }
    }

    /// Contrast of two colours (WCAG 2.1, "contrast ratio").
    fn contrast(a: u32, b: u32) -> f64 {
        let light = |colour: u32| {
            let [_, rgb @ ..] = colour.to_be_bytes();
            let linear = rgb.map(|channel| match f64::from(channel) / 255.0 {
                low if low <= 0.03928 => low / 12.92,
                high => ((high + 0.055) / 1.055).powf(2.4),
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (light(a) + 0.05, light(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_and_areas_stand_out_by_day_and_by_night() {
        for of in [|c: Colour| c.day, |c: Colour| c.night] {
            for text in [INK, FAINT_INK, ALARM] {
                assert!(contrast(of(text), of(PAPER)) >= 4.5, "{text:x?}");
            }
            for area in SERIES {
                assert!(contrast(of(area), of(PAPER)) >= 2.0, "{area:x?}");
            }
        }
    }
}
