//! Drawing: bars by workload, and lines by size, as SVG.
//!
//! - An engine has its colour in all charts, out of a palette that is told apart without seeing red
//!   or green; the background is white, so that a dark page does not swallow the text.
//! - Places are whole pixels and text is placed by its anchor, so that the same figures give the same
//!   bytes on every machine.
//!
//! ```text
//! | title                                      |
//! | legend                                     |
//! | names of the groups | bars and their values|
//! |                     | axis with its title  |
//! ```

use std::error::Error;

use lsm_bench_record::{Figure, OURS};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;

/// What the plotting crate says when it cannot draw.
pub(super) type DrawError = Box<dyn Error>;
type Drawn<T = ()> = Result<T, DrawError>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 880;
const RIGHT: i32 = 20;
const LEFT: i32 = 16;
/// Title and legend.
const TOP: i32 = 74;
/// The axis and its title.
const BOTTOM: i32 = 48;
/// Names of workloads.
const NAMES: i32 = 180;
/// One bar; its value is written beside it.
const BAR: i32 = 14;
const GAP: i32 = 14;
/// The part of the axis that the value of the longest bar takes.
const VALUE_ROOM: f64 = 0.13;
const LINES_HEIGHT: u32 = 420;
/// Values at the axis of a chart with lines.
const VALUES: i32 = 84;
/// The plotting crate draws text at 1/1.24 of these.
const TITLE_SIZE: i32 = 19;
const TEXT_SIZE: i32 = 15;
const VALUE_SIZE: i32 = 14;
/// About the width of a character of `TEXT_SIZE`.
const CHAR_WIDTH: i32 = 7;

const INK: RGBColor = RGBColor(34, 34, 34);
const GRID: RGBColor = RGBColor(208, 208, 208);
const BAND: RGBColor = RGBColor(245, 245, 245);

/// The palette of Okabe and Ito, and grey.
const COLOURS: [(&str, RGBColor); 7] = [
    (OURS, RGBColor(213, 94, 0)),
    ("published", RGBColor(230, 159, 0)),
    ("fjall", RGBColor(0, 114, 178)),
    ("rocksdb", RGBColor(0, 158, 115)),
    ("redb", RGBColor(204, 121, 167)),
    ("sled", RGBColor(86, 180, 233)),
    ("surrealkv", RGBColor(130, 130, 130)),
];
/// For engines that came later.
const LATER: RGBColor = RGBColor(60, 60, 60);

/// Bars: groups down, engines in each.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) axis: &'static str,
    pub(super) figure: Figure,
    /// In the order of the legend.
    pub(super) engines: Vec<String>,
    pub(super) groups: Vec<Group>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
}

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) engine: String,
    pub(super) value: f64,
    pub(super) cut: bool,
}

/// Lines: sizes across, a line for each engine.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) title: String,
    pub(super) axis: &'static str,
    pub(super) figure: Figure,
    /// Ascending.
    pub(super) sizes: Vec<u64>,
    pub(super) series: Vec<Series>,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) engine: String,
    pub(super) points: Vec<(u64, f64)>,
}

/// Draws bars.
pub(super) fn bars(chart: &Bars) -> Drawn<String> {
    let bar_count: usize = chart.groups.iter().map(|group| group.bars.len()).sum();
    let height = bar_count as i32 * BAR + chart.groups.len() as i32 * GAP;
    svg((WIDTH, (TOP + height + BOTTOM) as u32), |area| {
        head(area, &chart.title, &chart.engines)?;
        draw_bars(area, chart, height)
    })
}

/// Draws lines.
pub(super) fn lines(chart: &Lines) -> Drawn<String> {
    svg((WIDTH, LINES_HEIGHT), |area| {
        let engines: Vec<_> = chart.series.iter().map(|series| series.engine.clone()).collect();
        head(area, &chart.title, &engines)?;
        draw_lines(area, chart)
    })
}

/// What `draw` draws on white, without trailing blanks.
fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Drawn<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(text.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

fn colour(engine: &str) -> RGBColor {
    COLOURS.iter().find(|(name, _)| *name == engine).map_or(LATER, |(_, colour)| *colour)
}

fn text(size: i32, across: HPos, down: VPos) -> TextStyle<'static> {
    TextStyle::from((FontFamily::SansSerif, size)).color(&INK).pos(Pos::new(across, down))
}

/// Title and legend.
fn head(area: &Area<'_>, title: &str, engines: &[String]) -> Drawn {
    area.draw_text(title, &text(TITLE_SIZE, HPos::Left, VPos::Top), (LEFT, 12))?;
    let style = text(TEXT_SIZE, HPos::Left, VPos::Center);
    let (mut x, y) = (LEFT, 51);
    for engine in engines {
        area.draw(&Rectangle::new([(x, y - 6), (x + 12, y + 6)], colour(engine).filled()))?;
        area.draw_text(engine, &style, (x + 18, y))?;
        x += 18 + engine.chars().count() as i32 * CHAR_WIDTH + 24;
    }
    Ok(())
}

/// What stands at the axis: what it is, how it is divided, and which way is better.
fn axis_title(what: &str, axis: &Axis) -> String {
    let log = if axis.is_log { ", log scale" } else { "" };
    format!("{what}{log}; less is better")
}

fn draw_bars(area: &Area<'_>, chart: &Bars, height: i32) -> Drawn {
    let values = chart.groups.iter().flat_map(|group| group.bars.iter().map(|bar| bar.value));
    let axis = Axis::over(chart.figure, values).with_room(VALUE_ROOM);
    let mut plot = ChartBuilder::on(area)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(axis.clone(), Axis::of_pixels(height))?;
    let (left, right) = (axis.first, axis.last);
    let tops = tops(&chart.groups);
    for (index, (top, bottom)) in tops.iter().enumerate() {
        if index % 2 == 1 {
            let corners = [(left, f64::from(*top)), (right, f64::from(*bottom))];
            plot.plotting_area().draw(&Rectangle::new(corners, BAND.filled()))?;
        }
    }
    plot.configure_mesh()
        .disable_y_mesh()
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text(VALUE_SIZE, HPos::Center, VPos::Top))
        .x_desc(axis_title(chart.axis, &axis))
        .axis_desc_style(text(TEXT_SIZE, HPos::Center, VPos::Top))
        .draw()?;
    for (group, (top, bottom)) in chart.groups.iter().zip(tops) {
        let (x, y) = plot.backend_coord(&(left, f64::from(top + bottom) / 2.0));
        let style = text(TEXT_SIZE, HPos::Right, VPos::Center);
        area.draw_text(&group.name, &style, (x - 10, y))?;
        for (index, bar) in group.bars.iter().enumerate() {
            let first = top + GAP / 2 + index as i32 * BAR;
            let last = first + BAR - 2;
            let corners = [(left, f64::from(first)), (bar.value, f64::from(last))];
            plot.plotting_area().draw(&Rectangle::new(corners, colour(&bar.engine).filled()))?;
            let (x, y) = plot.backend_coord(&(bar.value, f64::from(first + last) / 2.0));
            let cut = if bar.cut { "~" } else { "" };
            let value = format!("{cut}{}", chart.figure.text(bar.value));
            let style = text(VALUE_SIZE, HPos::Left, VPos::Center);
            area.draw_text(&value, &style, (x + 5, y))?;
        }
    }
    Ok(())
}

/// Where each group begins and ends, in pixels from the top of the plot.
fn tops(groups: &[Group]) -> Vec<(i32, i32)> {
    let mut top = 0;
    let ends = groups.iter().map(|group| {
        let begin = top;
        top += group.bars.len() as i32 * BAR + GAP;
        (begin, top)
    });
    ends.collect()
}

fn draw_lines(area: &Area<'_>, chart: &Lines) -> Drawn {
    let values = chart.series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
    let down = Axis::over(chart.figure, values).with_room(0.05);
    let across = Axis::of_sizes(&chart.sizes);
    let mut plot = ChartBuilder::on(area)
        .margin_top(TOP)
        .margin_left(LEFT)
        .margin_right(2 * RIGHT)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(VALUES)
        .build_cartesian_2d(across, down.clone())?;
    plot.configure_mesh()
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text(VALUE_SIZE, HPos::Center, VPos::Top))
        .x_desc("rows, log scale")
        .y_desc(axis_title(chart.axis, &down))
        .axis_desc_style(text(TEXT_SIZE, HPos::Center, VPos::Top))
        .draw()?;
    for series in &chart.series {
        let colour = colour(&series.engine);
        let points: Vec<_> =
            series.points.iter().map(|(size, value)| (*size as f64, *value)).collect();
        for point in &points {
            plot.plotting_area().draw(&Circle::new(*point, 4, colour.filled()))?;
        }
        plot.plotting_area().draw(&PathElement::new(points, colour.stroke_width(2)))?;
    }
    Ok(())
}
