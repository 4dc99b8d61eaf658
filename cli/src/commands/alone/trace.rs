//! `trace`: what happens to a packet.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::Style;
use northbound_proto::northbound::trace_request::Detail;
use northbound_proto::northbound::{Diagnostic, TraceRequest};

use crate::client::Client;
use crate::command::Call;
use crate::failure::Failure;
use crate::options::Settings;
use crate::output::{Palette, TableFormat, paint};
use crate::program::block_on;

pub(super) fn trace(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let request = TraceRequest {
        datapath: call.argument(0).to_owned(),
        microflow: call.argument(1).to_owned(),
        detail: detail(call).into(),
        ct: connection_states(call),
    };
    let reply = block_on(async {
        let mut client = Client::connect(&settings.northbound).await?;
        let reply = client.stub().trace(request).await;
        reply.map_err(|status| client.broken(&status))
    })??
    .into_inner();
    match reply.error {
        Some(error) => Err(Failure::drawn(draw(&error, &Renderer::styled()))),
        None if settings.style.format == TableFormat::Json => Ok(ended(reply.json)),
        None => Ok(tinted(&ended(reply.text), &settings.style.palette)),
    }
}

fn detail(call: &Call) -> Detail {
    let given = |option| call.has(option);
    if given("--all") {
        Detail::All
    } else if given("--minimal") {
        Detail::Minimal
    } else if given("--summary") {
        Detail::Summary
    } else {
        Detail::Detailed
    }
}

/// What the packet is to connections, for each zone that is asked.
fn connection_states(call: &Call) -> Vec<String> {
    let given = call.option("--ct").into_iter();
    given
        .flat_map(|states| states.split(';'))
        .map(str::to_owned)
        .collect()
}

/// Shows what is wrong under the text in which it stands.
fn draw(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let title = Level::ERROR.primary_title(diagnostic.message.as_str());
    let mut groups = vec![if diagnostic.source.is_empty() {
        Group::with_title(title)
    } else {
        let (start, end) = span(diagnostic);
        title.element(
            Snippet::source(diagnostic.source.as_str())
                .annotation(AnnotationKind::Primary.span(start..end)),
        )
    }];
    if !diagnostic.help.is_empty() {
        groups.push(Group::with_title(
            Level::HELP.secondary_title(diagnostic.help.as_str()),
        ));
    }
    renderer.render(&groups)
}

/// The diagnostic's span within the bounds and characters of its text.
fn span(diagnostic: &Diagnostic) -> (usize, usize) {
    let source = &diagnostic.source;
    let bound = |offset: u32| {
        let mut offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = bound(diagnostic.start);
    (start, bound(diagnostic.end).max(start))
}

/// The trace with its pipelines set off, and what comes of the packet.
fn tinted(text: &str, palette: &Palette) -> String {
    let style = |line: &str| match line.trim_start() {
        body if body.starts_with("ingress(") || body.starts_with("egress(") => palette.heading,
        body if body.starts_with(['#', '-']) => palette.faint,
        body if body.starts_with("/* output to") => palette.good,
        body if body.starts_with("/* drop") => palette.bad,
        _ => Style::new(),
    };
    let line = |line: &str| paint(style(line), line) + "\n";
    text.lines().map(line).collect()
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_a_caret_under_it() {
        let diagnostic = Diagnostic {
            message: "unknown field \"ip4.sr\"".into(),
            source: "inport == \"a\" && ip4.sr == 10.0.0.1".into(),
            start: 17,
            end: 23,
            help: "did you mean ip4.src?".into(),
        };
        let drawn = draw(&diagnostic, &Renderer::plain());
        assert!(drawn.contains("error: unknown field \"ip4.sr\""), "{drawn}");
        assert!(drawn.contains("                 ^^^^^^"), "{drawn}");
        assert!(drawn.contains("help: did you mean ip4.src?"), "{drawn}");
    }

    #[test]
    fn a_trace_shows_at_a_glance_where_the_packet_was_and_what_came_of_it() {
        let check = |line: &str, code: &str| {
            let text = format!("{line}\n");
            assert_eq!(tinted(&text, &Palette::PLAIN), text);
            let expected = match code {
                "" => text.clone(),
                _ => format!("\x1b[{code}m{line}\x1b[0m\n"),
            };
            assert_eq!(tinted(&text, &Palette::COLOURED), expected);
        };
        check("ingress(dp=\"one\", inport=\"a\")", "1");
        check("--------", "2");
        check(" 4. ls_in_l2_lkup: 1, priority 50", "");
        check("    outport = \"b\";", "");
        check("    /* output to \"b\", type \"\" */", "32");
    }

    #[test]
    fn a_span_outside_of_the_text_is_drawn_at_its_end() {
        let diagnostic = Diagnostic {
            message: "unexpected end".into(),
            source: "ü".into(),
            start: 1,
            end: 99,
            help: String::new(),
        };
        assert!(draw(&diagnostic, &Renderer::plain()).contains("unexpected end"));
        assert_eq!(span(&diagnostic), (0, 2));
    }
}
