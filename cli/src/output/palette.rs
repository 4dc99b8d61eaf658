//! Colours, for people at a terminal.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// How each kind of text is set off. `format!("{style}text{style:#}")` is the text alone in a plain style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Names of columns, stages and facts.
    pub heading: Style,
    /// What the eye may pass over: rules, UUIDs.
    pub faint: Style,
    /// What comes out.
    pub good: Style,
    /// What is wrong.
    pub bad: Style,
    /// What would be right.
    pub help: Style,
}

impl Palette {
    /// All text alike, as programs read it.
    pub const PLAIN: Self = Self {
        heading: Style::new(),
        faint: Style::new(),
        good: Style::new(),
        bad: Style::new(),
        help: Style::new(),
    };

    /// For terminals.
    pub const COLOURED: Self = Self {
        heading: Style::new().bold(),
        faint: Style::new().dimmed(),
        good: AnsiColor::Green.on_default(),
        bad: AnsiColor::Red.on_default().bold(),
        help: AnsiColor::Cyan.on_default().bold(),
    };

    /// Colours if `stream` is a terminal, unless `NO_COLOR`, `CLICOLOR` or `CLICOLOR_FORCE` say otherwise.
    pub fn of(stream: &impl RawStream) -> Self {
        match AutoStream::choice(stream) {
            ColorChoice::Never => Self::PLAIN,
            _ => Self::COLOURED,
        }
    }
}

/// The text in a style.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
