//! Chunks of a Delta, put together into the whole step that they make up.

use pipeline::object::{Object, ObjectKey};
use southbound_proto::WireError;
use southbound_proto::convert::decode_object;
use southbound_proto::southbound as wire;

/// The most objects and removals of one step; a longer one is refused with a Nack.
pub const STEP_ENTRIES_MAX: usize = 4_000_000;

/// A whole step of the node's objects, from one revision to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The revision that the step starts from. A snapshot starts from anything.
    pub from_revision: u64,
    /// The revision that the node is on after it.
    pub to_revision: u64,
    /// What is not named is removed.
    pub snapshot: bool,
    /// Objects to put in place, each with northd's version.
    pub upserts: Vec<(u64, Object)>,
    /// Objects to remove.
    pub removals: Vec<ObjectKey>,
    /// Objects of a kind that this build does not know. They are left out.
    pub unknown_count: usize,
}

/// What a chunk leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// More chunks are to come.
    Partial,
    /// The step is whole.
    Whole(Step),
    /// The step was received before and is the one the node is on.
    Repeated,
    /// The chunk does not follow what is there: the node has to say anew what it holds.
    Gap,
    /// The step cannot be applied.
    Refused {
        /// The step's target.
        revision: u64,
        /// Why.
        reason: String,
    },
}

/// Assembles the chunks of one stream.
#[derive(Debug, Default)]
pub struct Assembly {
    partial: Option<(Step, u32)>,
    /// Chunks of a step that was given up are skipped until a step begins anew.
    is_skipping: bool,
}

impl Assembly {
    /// Takes one chunk, on a node that has received everything up to `current`.
    pub fn take(&mut self, chunk: wire::Delta, current: u64) -> Progress {
        if chunk.chunk == 0 {
            if let Some(progress) = self.begin(&chunk, current) {
                return progress;
            }
        } else if self.is_skipping {
            return Progress::Partial;
        }
        let Some((mut step, next_chunk)) = self.partial.take() else {
            return self.give_up(Progress::Gap);
        };
        if !continues(&step, next_chunk, &chunk) {
            return self.give_up(Progress::Gap);
        }
        let complete = chunk.complete;
        if let Err(reason) = absorb(&mut step, chunk) {
            let revision = step.to_revision;
            return self.give_up(Progress::Refused { revision, reason });
        }
        if complete {
            return Progress::Whole(step);
        }
        self.partial = Some((step, next_chunk + 1));
        Progress::Partial
    }

    fn begin(&mut self, chunk: &wire::Delta, current: u64) -> Option<Progress> {
        self.partial = None;
        self.is_skipping = false;
        if !chunk.snapshot && chunk.from_revision != current {
            let repeated = chunk.to_revision == current;
            return Some(self.give_up(match repeated {
                true => Progress::Repeated,
                false => Progress::Gap,
            }));
        }
        let step = Step {
            from_revision: chunk.from_revision,
            to_revision: chunk.to_revision,
            snapshot: chunk.snapshot,
            ..Step::default()
        };
        self.partial = Some((step, 0));
        None
    }

    fn give_up(&mut self, progress: Progress) -> Progress {
        self.partial = None;
        self.is_skipping = true;
        progress
    }
}

fn continues(step: &Step, next_chunk: u32, chunk: &wire::Delta) -> bool {
    next_chunk == chunk.chunk
        && step.from_revision == chunk.from_revision
        && step.to_revision == chunk.to_revision
        && step.snapshot == chunk.snapshot
}

fn absorb(step: &mut Step, chunk: wire::Delta) -> Result<(), String> {
    let entries = step.upserts.len() + step.removals.len();
    if entries + chunk.upserts.len() + chunk.removals.len() > STEP_ENTRIES_MAX {
        return Err(format!("more than {STEP_ENTRIES_MAX} objects in one step"));
    }
    for (index, object) in chunk.upserts.iter().enumerate() {
        if object.object.is_none() {
            step.unknown_count += 1;
            continue;
        }
        let decoded = decode_object(object).map_err(|error| named("upserts", index, &error))?;
        step.upserts.push((decoded.version, decoded.object));
    }
    for (index, key) in chunk.removals.iter().enumerate() {
        if key.key.is_none() {
            continue;
        }
        let key = key
            .try_into()
            .map_err(|error| named("removals", index, &error))?;
        step.removals.push(key);
    }
    Ok(())
}

fn named(field: &str, index: usize, error: &WireError) -> String {
    format!("{field}[{index}].{error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::object::Global;
    use southbound_proto::convert::encode_object;

    fn chunk(from: u64, to: u64, chunk: u32, complete: bool) -> wire::Delta {
        let object = Object::Global(Global {
            nb_cfg: i64::from(chunk),
            ..Global::default()
        });
        wire::Delta {
            from_revision: from,
            to_revision: to,
            chunk,
            complete,
            upserts: vec![encode_object(&object)],
            ..wire::Delta::default()
        }
    }

    fn snapshot(delta: wire::Delta) -> wire::Delta {
        wire::Delta {
            snapshot: true,
            ..delta
        }
    }

    /// Input: chunks for a node on revision 5. Output: one letter a chunk.
    fn check(chunks: Vec<wire::Delta>, expected: &str) {
        let mut assembly = Assembly::default();
        let letters: String = chunks
            .into_iter()
            .map(|chunk| match assembly.take(chunk, 5) {
                Progress::Partial => 'p',
                Progress::Whole(_) => 'W',
                Progress::Repeated => 'r',
                Progress::Gap => 'g',
                Progress::Refused { .. } => 'x',
            })
            .collect();
        assert_eq!(letters, expected);
    }

    #[test]
    fn a_step_is_whole_only_with_all_its_chunks_in_order() {
        check(vec![chunk(5, 6, 0, true)], "W");
        check(vec![chunk(5, 6, 0, false), chunk(5, 6, 1, true)], "pW");
        check(vec![chunk(5, 6, 0, false), chunk(5, 6, 2, true)], "pg");
        check(vec![chunk(5, 6, 1, true)], "g");
        check(vec![chunk(5, 6, 0, false), chunk(5, 7, 1, true)], "pg");
        check(
            vec![
                chunk(5, 6, 0, false),
                chunk(5, 6, 0, false),
                chunk(5, 6, 1, true),
            ],
            "ppW",
        );
    }

    #[test]
    fn a_step_from_elsewhere_is_a_gap_unless_it_leads_to_where_the_node_is() {
        check(vec![chunk(4, 6, 0, true)], "g");
        check(vec![chunk(6, 7, 0, true)], "g");
        check(vec![chunk(4, 5, 0, true)], "r");
        check(vec![snapshot(chunk(0, 9, 0, true))], "W");
        check(vec![chunk(5, 5, 0, true)], "W");
        check(vec![chunk(5, 3, 0, true)], "W");
    }

    #[test]
    fn the_rest_of_a_step_that_was_given_up_is_skipped_in_silence() {
        check(
            vec![
                chunk(4, 6, 0, false),
                chunk(4, 6, 1, true),
                chunk(5, 6, 0, true),
            ],
            "gpW",
        );
        check(
            vec![
                chunk(4, 5, 0, false),
                chunk(4, 5, 1, true),
                chunk(5, 6, 0, true),
            ],
            "rpW",
        );
    }

    #[test]
    fn a_bad_object_refuses_the_step_and_an_unknown_one_is_left_out() {
        let mut bad = chunk(5, 6, 0, true);
        bad.upserts[0].object = Some(wire::object::Object::Chassis(wire::Chassis::default()));
        let Progress::Refused { revision, reason } = Assembly::default().take(bad, 5) else {
            panic!("a chassis without a name was taken");
        };
        assert_eq!(revision, 6);
        assert!(reason.starts_with("upserts[0].chassis.name"), "{reason}");

        let mut newer = chunk(5, 6, 0, true);
        newer.upserts[0].object = None;
        newer.removals.push(wire::ObjectKey { key: None });
        let Progress::Whole(step) = Assembly::default().take(newer, 5) else {
            panic!("an object of an unknown kind stopped the step");
        };
        assert_eq!((step.upserts.len(), step.unknown_count), (0, 1));
    }
}
