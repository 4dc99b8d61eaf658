//! What is wrong with an expression, where, and what would be right.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Where something stands in the source, in bytes.
///
/// Spans take no part in comparisons: two of them are always equal, so that what was read from different
/// places compares by its meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From the start of this span to the end of the other.
    pub(crate) fn to(self, other: Span) -> Span {
        Span {
            start: self.start,
            end: other.end,
        }
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Eq for Span {}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span {
            start: range.start,
            end: range.end,
        }
    }
}

/// One error in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What would be right, if there is something to say.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(span: impl Into<Span>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            span: span.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The column of the error: characters before it on its line, and one.
    pub fn column(&self, source: &str) -> usize {
        let before = source.get(..self.span.start).unwrap_or(source);
        let line = before.rsplit('\n').next().unwrap_or(before);
        line.chars().count() + 1
    }

    /// The error under the line it stands in, for a terminal without colours.
    pub fn render(&self, source: &str) -> String {
        let mut group = Level::ERROR.primary_title(&self.message).element(
            Snippet::source(source).annotation(AnnotationKind::Primary.span(self.visible(source))),
        );
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::plain().render(&[group]).to_string()
    }

    /// The span within the source, on character boundaries.
    fn visible(&self, source: &str) -> Range<usize> {
        let start = source.floor_char_boundary(self.span.start);
        let end = source.ceil_char_boundary(self.span.end);
        start..end.max(start)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}
