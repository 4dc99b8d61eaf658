//! Bar charts of the results, as SVG.

use std::fmt::Write as _;

use crate::load::{Load, Metric};
use crate::peer::Lane;
use crate::report::number;
use crate::results::{Key, Results, Spread};

/// Pixels.
const WIDTH: f64 = 760.0;
const LABEL_WIDTH: f64 = 90.0;
const VALUE_WIDTH: f64 = 90.0;
const ROW: f64 = 18.0;
const HEAD: f64 = 24.0;
const TITLE: f64 = 40.0;

const OURS: &str = "#2f7d5b";
const THEIRS: &str = "#8a97a8";

/// All plots, with their names.
pub(crate) fn all(results: &Results) -> Vec<(&'static str, String)> {
    [
        ("streams", Load::Streams(1), Metric::Throughput),
        ("frames", Load::Frames(64), Metric::Frames),
        ("round-trips", Load::UdpEcho, Metric::MedianRoundTrip),
        ("connects", Load::Connects(8), Metric::Connects),
    ]
    .into_iter()
    .map(|(name, load, metric)| (name, draw(results, load, metric)))
    .collect()
}

/// A chart with a bar for each system on each lane.
fn draw(results: &Results, load: Load, metric: Metric) -> String {
    let rows: Vec<(Key, Spread)> = results
        .keys()
        .filter(|key| (key.load, key.metric) == (load, metric))
        .filter_map(|key| Some((key, results.spread(key)?)))
        .collect();
    let greatest = rows.iter().map(|(_, spread)| spread.greatest);
    let scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / greatest.fold(f64::MIN_POSITIVE, f64::max);
    let mut body = String::new();
    let mut y = TITLE;
    let mut lane: Option<Lane> = None;
    for (key, spread) in &rows {
        if lane != Some(key.lane) {
            lane = Some(key.lane);
            y += HEAD;
            let _ = writeln!(
                body,
                r#"<text x="8" y="{}" class="h">{}</text>"#,
                y - 7.0,
                key.lane
            );
        }
        body += &bar(key, spread, y, scale);
        y += ROW;
    }
    let height = y + 10.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<style>.h {{ font-weight: bold }}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="8" y="24" font-size="15" class="h">{load}: {unit}</text>
{body}</svg>
"##,
        unit = metric.unit()
    )
}

/// A system's bar: its median, and a line from its least to its greatest value.
fn bar(key: &Key, spread: &Spread, y: f64, scale: f64) -> String {
    let fill = if key.peer == "weft" { OURS } else { THEIRS };
    let at = |value: f64| LABEL_WIDTH + value * scale;
    let (middle, text) = (y + ROW / 2.0 - 1.0, y + ROW - 5.0);
    format!(
        r##"<text x="{label}" y="{text}" text-anchor="end">{peer}</text>
<rect x="{LABEL_WIDTH}" y="{y}" width="{width:.1}" height="{thick}" fill="{fill}"/>
<path d="M{least:.1} {middle}H{greatest:.1}" stroke="#222222"/>
<text x="{end:.1}" y="{text}">{value}</text>
"##,
        label = LABEL_WIDTH - 6.0,
        peer = key.peer,
        width = spread.median * scale,
        thick = ROW - 4.0,
        least = at(spread.least),
        greatest = at(spread.greatest),
        end = at(spread.greatest) + 6.0,
        value = number(spread.median),
    )
}
