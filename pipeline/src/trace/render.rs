//! Traces in the three forms of `ovn-trace`.

use std::fmt::Write;

use super::{Step, Trace};
use crate::record::{Entry, Event, Scope};

const INDENT: usize = 4;

impl Trace {
    /// Every stage, entry and action.
    pub fn detailed(&self) -> String {
        let mut out = Lines::titled(self);
        detailed(&self.steps, 0, &mut out);
        out.0
    }

    /// Every action, nested as the packet's ways are.
    pub fn summary(&self) -> String {
        let mut out = Lines::titled(self);
        summary(&self.steps, 0, &mut out);
        out.0
    }

    /// What changes in the headers, and the outputs.
    pub fn minimal(&self) -> String {
        let mut out = Lines::titled(self);
        minimal(&self.steps, 0, &mut out);
        out.0
    }
}

struct Lines(String);

impl Lines {
    fn titled(trace: &Trace) -> Self {
        Self(format!("# {}\n", trace.packet))
    }

    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }
}

fn title(scope: &Scope) -> String {
    match scope {
        Scope::Ingress { datapath, inport } => {
            format!("ingress(dp=\"{datapath}\", inport=\"{inport}\")")
        }
        Scope::Egress {
            datapath,
            inport,
            outport,
        } => {
            format!("egress(dp=\"{datapath}\", inport=\"{inport}\", outport=\"{outport}\")")
        }
        Scope::Multicast { datapath, group } => {
            format!("multicast(dp=\"{datapath}\", mcgroup=\"{group}\")")
        }
        Scope::Answer { action, .. } => action.clone(),
    }
}

fn fields(scope: &Scope) -> &[String] {
    match scope {
        Scope::Answer { fields, .. } => fields,
        _ => &[],
    }
}

/// What the detailed and summary forms say of an event; modifications are among the entry's actions.
fn comment(event: &Event) -> Option<String> {
    Some(match event {
        Event::Modify(_) => return None,
        Event::Output { port, kind } => format!("output to \"{port}\", type \"{kind}\""),
        Event::Tunnel { chassis } => format!("tunnel to chassis {chassis}"),
        Event::Hold { port, next_hop } => {
            format!("held: {next_hop} is not resolved at \"{port}\"")
        }
        Event::Drop(reason) => format!("drop: {reason}: {}", reason.description()),
        Event::Note(text) => text.clone(),
    })
}

fn detailed(steps: &[Step], indent: usize, out: &mut Lines) {
    for step in steps {
        match step {
            Step::Scope { scope, steps } => {
                let title = title(scope);
                out.line(0, "");
                out.line(indent, &title);
                out.line(indent, &"-".repeat(title.len()));
                for field in fields(scope) {
                    out.line(indent + INDENT, &format!("{field};"));
                }
                let inner = match scope {
                    Scope::Multicast { .. } => indent + INDENT,
                    _ => indent,
                };
                detailed(steps, inner, out);
            }
            Step::Hit {
                stage,
                index,
                entry,
            } => {
                let Entry {
                    priority,
                    matches,
                    actions,
                } = entry;
                out.line(
                    indent,
                    &format!("{index:2}. {stage}: {matches}, priority {priority}"),
                );
                for action in actions {
                    out.line(indent + INDENT, action);
                }
            }
            Step::Event(event) => {
                if let Some(comment) = comment(event) {
                    out.line(indent + INDENT, &format!("/* {comment} */"));
                }
            }
        }
    }
}

fn summary(steps: &[Step], indent: usize, out: &mut Lines) {
    for step in steps {
        match step {
            Step::Scope { scope, steps } => {
                out.line(indent, &format!("{} {{", title(scope)));
                for field in fields(scope) {
                    out.line(indent + INDENT, &format!("{field};"));
                }
                summary(steps, indent + INDENT, out);
                out.line(indent, "};");
            }
            Step::Hit { entry, .. } => {
                for action in &entry.actions {
                    out.line(indent, action);
                }
            }
            Step::Event(event) => {
                if let Some(comment) = comment(event) {
                    out.line(indent, &format!("/* {comment} */;"));
                }
            }
        }
    }
}

fn minimal(steps: &[Step], indent: usize, out: &mut Lines) {
    for step in steps {
        match step {
            Step::Scope {
                scope: Scope::Answer { action, fields },
                steps,
            } => {
                out.line(indent, &format!("{action} {{"));
                for field in fields {
                    out.line(indent + INDENT, &format!("{field};"));
                }
                minimal(steps, indent + INDENT, out);
                out.line(indent, "};");
            }
            Step::Scope { steps, .. } => minimal(steps, indent, out),
            Step::Event(Event::Modify(fields)) => {
                for field in fields {
                    out.line(indent, &format!("{field};"));
                }
            }
            Step::Event(Event::Output { port, kind }) if *kind != "patch" => {
                out.line(indent, &format!("output(\"{port}\");"));
            }
            Step::Event(Event::Tunnel { chassis }) => {
                out.line(indent, &format!("/* tunnel to chassis {chassis} */"));
            }
            Step::Event(_) | Step::Hit { .. } => {}
        }
    }
}
