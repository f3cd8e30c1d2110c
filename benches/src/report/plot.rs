//! Draws plots as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    prelude::{Color, IntoDrawingArea, RGBColor, Rectangle, SVGBackend, Text, WHITE},
    style::{
        IntoFont, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::table::number;

/// A bar of a plot: a subject with a figure.
pub(super) struct Bar<'a> {
    pub(super) name: &'a str,
    pub(super) value: f64,
    /// Whether the subject belongs to this project.
    pub(super) is_own: bool,
}

const WIDTH: u32 = 800;
const ROW: u32 = 26;
const TITLE: u32 = 40;
/// Room for names on the left and for numbers on the right.
const NAMES: i32 = 230;
const NUMBERS: i32 = 80;

const OWN: RGBColor = RGBColor(200, 80, 30);
const OTHER: RGBColor = RGBColor(110, 130, 150);
const INK: RGBColor = RGBColor(40, 40, 40);

/// Draws a bar for each subject, with its figure next to it.
pub(super) fn bars(file: &Path, title: &str, bars: &[Bar<'_>]) -> Result<()> {
    let rows = u32::try_from(bars.len())?;
    let area = SVGBackend::new(file, (WIDTH, TITLE + rows * ROW + ROW / 2)).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot plot {}: {error}", file.display());
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let text = |text: String, at, size: f64, side| {
        let style = TextStyle::from(("sans-serif", size).into_font()).color(&INK);
        Text::new(text, at, style.pos(Pos::new(side, VPos::Center)))
    };
    let heading = text(title.to_owned(), (10, 20), 23.0, HPos::Left);
    area.draw(&heading).map_err(|error| failed(&error))?;
    let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let room = f64::from(i32::try_from(WIDTH)? - NAMES - NUMBERS);
    let mut top = i32::try_from(TITLE)?;
    for bar in bars {
        let bottom = top + i32::try_from(ROW)?;
        let middle = i32::midpoint(top, bottom);
        #[expect(clippy::cast_possible_truncation, reason = "a place in the picture")]
        let end = NAMES + (room * bar.value / most).round().max(1.0) as i32;
        let colour = if bar.is_own { OWN } else { OTHER };
        let rectangle = Rectangle::new([(NAMES, top + 4), (end, bottom - 4)], colour.filled());
        area.draw(&rectangle).map_err(|error| failed(&error))?;
        for text in [
            text(bar.name.to_owned(), (NAMES - 8, middle), 17.0, HPos::Right),
            text(number(bar.value), (end + 6, middle), 17.0, HPos::Left),
        ] {
            area.draw(&text).map_err(|error| failed(&error))?;
        }
        top = bottom;
    }
    area.present().map_err(|error| failed(&error))?;
    Ok(())
}
