//! How the demonstration looks: headings, marks and indented output, coloured only on a terminal.

use std::io::IsTerminal;

/// A heading of a part.
pub(crate) fn heading(text: &str) {
    println!(
        "\n{}",
        paint(
            "1;36",
            &format!(
                "── {text} {}",
                "─".repeat(72usize.saturating_sub(text.chars().count()))
            )
        )
    );
}

/// A finished step.
pub(crate) fn done(text: &str) {
    println!("  {} {text}", paint("32", "✓"));
}

/// Something the reader may type.
pub(crate) fn command(text: &str) {
    println!("  {} {}", paint("2", "$"), paint("1", text));
}

/// Output of a program, set in from the margin.
pub(crate) fn output(text: &str) {
    for line in text.lines() {
        println!("    {line}");
    }
}

/// A remark.
pub(crate) fn remark(text: &str) -> String {
    paint("2", text)
}

/// Text that says all is well.
pub(crate) fn good(text: &str) -> String {
    paint("32", text)
}

/// Text that says something is wrong.
pub(crate) fn bad(text: &str) -> String {
    paint("31", text)
}

fn paint(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
