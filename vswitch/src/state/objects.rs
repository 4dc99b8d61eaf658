//! The file of objects: a line that names format and maker, then a snapshot in southbound encoding.
//!
//! The snapshot is cut into Delta chunks, each behind its length, and the file ends with a checksum. A file
//! that another build wrote is used for forwarding, but its versions are forgotten: this build may know
//! fields that the other one left out, so northd sends everything again.

use prost::Message;
use southbound_proto::convert::encode_object;
use southbound_proto::southbound as wire;

use super::Corrupt;
use crate::agent::{Assembly, Progress, Saved, Step};

/// The first words of the file, with the format's version.
const FORMAT: &str = "weft objects 1";
/// The most objects of one chunk.
const CHUNK_OBJECTS: usize = 1_000;
const CHECKSUM_BYTES: usize = 8;

pub(super) fn encode(saved: &Saved) -> Vec<u8> {
    let mut bytes = format!("{FORMAT} {}\n", crate::VERSION).into_bytes();
    let chunks = saved.objects.chunks(CHUNK_OBJECTS);
    let count = chunks.len().max(1);
    // No objects are one empty chunk.
    let mut chunks = chunks.map(<[_]>::to_vec);
    for index in 0..count {
        let objects = chunks.next().unwrap_or_default();
        let upserts = objects.into_iter().map(|(version, object)| wire::Object {
            version,
            ..encode_object(&object)
        });
        let chunk = wire::Delta {
            to_revision: saved.revision,
            chunk: index as u32,
            complete: index + 1 == count,
            snapshot: true,
            upserts: upserts.collect(),
            ..wire::Delta::default()
        };
        bytes.extend(chunk.encode_length_delimited_to_vec());
    }
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Saved, Corrupt> {
    let corrupt = |problem: &str| Corrupt(problem.to_owned());
    let (content, sum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(|| corrupt("too short"))?;
    let end = content.iter().position(|byte| *byte == b'\n');
    let (heading, chunks) = content.split_at(end.map_or(content.len(), |end| end + 1));
    let maker = std::str::from_utf8(heading)
        .ok()
        .and_then(|heading| heading.strip_prefix(FORMAT)?.strip_prefix(' '))
        .ok_or_else(|| corrupt("not a file of objects in a format of this build"))?;
    if u64::from_le_bytes(*sum) != checksum(content) {
        return Err(corrupt("the checksum is wrong"));
    }
    let step = assemble(chunks)?;
    let is_own = maker.trim_end() == crate::VERSION;
    let version = |version| if is_own { version } else { 0 };
    let objects = step.upserts.into_iter();
    Ok(Saved {
        revision: if is_own { step.to_revision } else { 0 },
        objects: objects
            .map(|(told, object)| (version(told), object))
            .collect(),
    })
}

fn assemble(mut chunks: &[u8]) -> Result<Step, Corrupt> {
    let mut assembly = Assembly::default();
    loop {
        let chunk = wire::Delta::decode_length_delimited(&mut chunks)
            .map_err(|error| Corrupt(error.to_string()))?;
        match assembly.take(chunk, 0) {
            Progress::Partial => {}
            Progress::Whole(step) if chunks.is_empty() => return Ok(step),
            Progress::Refused { reason, .. } => return Err(Corrupt(reason)),
            other => return Err(Corrupt(format!("chunks out of order: {other:?}"))),
        }
    }
}

/// FNV-1a with 64 bits: it finds torn and rotten files, and is no more than that.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::object::{Global, Object};

    #[test]
    fn a_file_of_another_build_is_used_without_its_versions() {
        let global = Object::Global(Global::default());
        let saved = Saved {
            revision: 5,
            objects: vec![(9, global.clone())],
        };
        let own = encode(&saved);
        let content = &own[..own.len() - CHECKSUM_BYTES];
        let body = &content[content.iter().position(|byte| *byte == b'\n').unwrap()..];
        let mut other = format!("{FORMAT} 0.0.0-older").into_bytes();
        other.extend(body);
        other.extend(checksum(&other).to_le_bytes());
        let expected = Saved {
            revision: 0,
            objects: vec![(0, global)],
        };
        assert_eq!(decode(&other).unwrap(), expected);
    }

    #[test]
    fn many_objects_and_none_come_back_as_they_were() {
        let object = |index: i64| {
            let global = Global {
                nb_cfg: index,
                ..Global::default()
            };
            (index as u64, Object::Global(global))
        };
        for count in [0, 1, 999, 1000, 1001, 2500] {
            let saved = Saved {
                revision: 3,
                objects: (0..count).map(object).collect(),
            };
            assert_eq!(decode(&encode(&saved)).unwrap(), saved, "{count} objects");
        }
    }
}
