//! Running a microflow through the compiled tables.

use expr::microflow::{self, Microflow};
use northbound_proto::northbound::trace_request::Detail;
use northbound_proto::northbound::{Diagnostic, TraceReply, TraceRequest};
use pipeline::Tables;
use pipeline::conntrack::{Scripted, State};

use super::find::find_datapath;
use super::names::Names;

/// The trace, or what is wrong with what was asked.
pub(super) fn reply(tables: &Tables, names: &Names<'_>, request: &TraceRequest) -> TraceReply {
    match trace(tables, names, request) {
        Ok(reply) => reply,
        Err(error) => TraceReply {
            error: Some(error),
            ..TraceReply::default()
        },
    }
}

fn trace(
    tables: &Tables,
    names: &Names<'_>,
    request: &TraceRequest,
) -> Result<TraceReply, Diagnostic> {
    let source = &request.microflow;
    let flow = microflow::parse_with(source, names);
    let flow = flow.map_err(|error| in_microflow(source, error))?;
    check_datapath(tables, request, &flow)?;
    let mut connections = connections(&request.ct)?;
    let trace =
        pipeline::trace(tables, &mut connections, &flow.inport, &flow.flow).map_err(|error| {
            Diagnostic {
                message: error.to_string(),
                help: "ports are named as in the northbound database".to_owned(),
                ..at(source, &flow.inport)
            }
        })?;
    let text = match Detail::try_from(request.detail).unwrap_or_default() {
        Detail::Detailed => trace.detailed(),
        Detail::Summary => trace.summary(),
        Detail::Minimal => trace.minimal(),
        Detail::All => [trace.detailed(), trace.summary(), trace.minimal()].join("\n"),
    };
    let json = serde_json::to_string(&trace).map_err(|error| Diagnostic {
        message: format!("the trace cannot be written as JSON: {error}"),
        ..Diagnostic::default()
    })?;
    Ok(TraceReply {
        text,
        json,
        error: None,
    })
}

/// Connections as they were asked for.
fn connections(states: &[String]) -> Result<Scripted, Diagnostic> {
    let states = states.iter().map(|text| connection_state(text));
    Ok(Scripted::new(states.collect::<Result<Vec<_>, _>>()?))
}

fn connection_state(text: &str) -> Result<State, Diagnostic> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(|word| state_of(text, word)).collect()
}

fn state_of(text: &str, word: &str) -> Result<State, Diagnostic> {
    State::from_word(word).ok_or_else(|| {
        let start = text.find(word).unwrap_or(0);
        Diagnostic {
            message: format!("{word:?} is not a state of connections"),
            source: text.to_owned(),
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(start + word.len()).unwrap_or(u32::MAX),
            help: "the states are trk, new, est, rel, rpl, inv, dnat and snat".to_owned(),
        }
    })
}

/// The datapath that was named, if one was, has to be the one that the packet enters.
fn check_datapath(
    tables: &Tables,
    request: &TraceRequest,
    flow: &Microflow,
) -> Result<(), Diagnostic> {
    let name = &request.datapath;
    if name.is_empty() {
        return Ok(());
    }
    let found = find_datapath(tables, name);
    if found.is_empty() {
        return Err(Diagnostic {
            message: format!("there is no datapath {name:?}"),
            source: name.clone(),
            end: length(name),
            help: "a datapath is a logical switch or router: its name, UUID or tunnel key"
                .to_owned(),
            ..Diagnostic::default()
        });
    }
    let port = tables.port_named(&flow.inport);
    match port {
        Some(port) if !found.contains(&port.at.datapath) => Err(Diagnostic {
            message: format!("port {:?} is not on datapath {name:?}", flow.inport),
            ..at(&request.microflow, &flow.inport)
        }),
        _ => Ok(()),
    }
}

fn in_microflow(source: &str, error: expr::Diagnostic) -> Diagnostic {
    let offset = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    Diagnostic {
        message: error.message,
        source: source.to_owned(),
        start: offset(error.span.start),
        end: offset(error.span.end),
        help: error.help.unwrap_or_default(),
    }
}

/// A diagnostic at the quoted name, as far as it stands in the source.
fn at(source: &str, name: &str) -> Diagnostic {
    let quoted = format!("\"{name}\"");
    let start = source.find(&quoted).unwrap_or(0);
    let end = if source.contains(&quoted) {
        start + quoted.len()
    } else {
        source.len()
    };
    Diagnostic {
        source: source.to_owned(),
        start: u32::try_from(start).unwrap_or(u32::MAX),
        end: u32::try_from(end).unwrap_or(u32::MAX),
        ..Diagnostic::default()
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
