//! Cutting a step into messages.

use prost::Message;
use southbound_proto::southbound as wire;

use super::holdings::Step;

/// The most bytes of objects and keys in one Delta message, unless one object alone is longer. gRPC's own
/// limit is 4 MiB.
pub const CHUNK_BYTES_MAX: usize = 512 * 1024;

/// The messages of a step: at least one, the last one complete.
pub(super) fn chunks(step: Step) -> Vec<wire::Delta> {
    let chunk = |number: u32| wire::Delta {
        from_revision: step.from_revision,
        to_revision: step.to_revision,
        chunk: number,
        snapshot: step.snapshot,
        ..wire::Delta::default()
    };
    let mut full = Vec::new();
    let mut open = chunk(0);
    let mut bytes = 0;
    let mut turn_over = |open: &mut wire::Delta, length: usize| {
        bytes += length;
        if bytes > CHUNK_BYTES_MAX && bytes > length {
            let next = chunk(open.chunk + 1);
            full.push(std::mem::replace(open, next));
            bytes = length;
        }
    };
    for object in step.upserts {
        turn_over(&mut open, object.encoded_len());
        open.upserts.push(object);
    }
    for key in step.removals {
        turn_over(&mut open, key.encoded_len());
        open.removals.push(key);
    }
    open.complete = true;
    full.push(open);
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name_bytes: usize) -> wire::Object {
        let chassis = wire::Chassis {
            name: "x".repeat(name_bytes),
            ..wire::Chassis::default()
        };
        wire::Object {
            version: 1,
            object: Some(wire::object::Object::Chassis(chassis)),
        }
    }

    fn check(names_bytes: &[usize], removals: usize, expected: &[(usize, usize)]) {
        let chunks = chunks(Step {
            from_revision: 3,
            to_revision: 4,
            snapshot: false,
            upserts: names_bytes.iter().copied().map(object).collect(),
            removals: vec![wire::ObjectKey::default(); removals],
        });
        let found: Vec<_> = chunks
            .iter()
            .map(|c| (c.upserts.len(), c.removals.len()))
            .collect();
        assert_eq!(found, expected);
        for (number, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.chunk as usize, number);
            assert_eq!(chunk.complete, number + 1 == chunks.len());
        }
    }

    /// Input: sizes of objects, and removals. Output: how many of both are in each chunk.
    #[test]
    fn steps_are_cut_below_the_limit() {
        let half = CHUNK_BYTES_MAX / 2;
        check(&[], 0, &[(0, 0)]);
        check(&[10, 10], 2, &[(2, 2)]);
        check(&[half, half, half], 1, &[(1, 0), (1, 0), (1, 1)]);
        check(&[2 * CHUNK_BYTES_MAX, 10], 0, &[(1, 0), (1, 0)]);
        check(&[10, 2 * CHUNK_BYTES_MAX], 1, &[(1, 0), (1, 0), (0, 1)]);
    }
}
