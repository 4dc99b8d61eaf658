//! What the chores print: headings, results and times, coloured only on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A heading.
    Strong,
    /// Success.
    Good,
    /// Failure.
    Bad,
    /// Something to know.
    Note,
}

/// The text in the tone's colour when standard error is a terminal, else as it is.
pub(crate) fn paint(tone: Tone, text: &str) -> String {
    if !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Strong => "1",
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Note => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A time as people read it: `0.4 s`, `12.3 s`, `3 min 05 s`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f32()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_the_unit_that_fits() {
        let check = |ms, expected| assert_eq!(seconds(Duration::from_millis(ms)), expected);
        check(40, "0.0 s");
        check(1_250, "1.2 s");
        check(59_900, "59.9 s");
        check(60_000, "1 min 00 s");
        check(185_000, "3 min 05 s");
    }
}
