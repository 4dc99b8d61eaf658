//! The file of attachments: JSON, so that people can read it.

use serde::{Deserialize, Serialize};

use super::Corrupt;
use crate::agent::Attachment;

/// The format's version. A change that an older vswitch would misread counts it up.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File<T> {
    version: u32,
    attachments: T,
}

pub(super) fn encode(attachments: &[Attachment]) -> Vec<u8> {
    let version = VERSION;
    let file = File {
        version,
        attachments,
    };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("attachments have a JSON form");
    bytes.push(b'\n');
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Attachment>, Corrupt> {
    let corrupt = |error: serde_json::Error| Corrupt(error.to_string());
    let file: File<serde_json::Value> = serde_json::from_slice(bytes).map_err(corrupt)?;
    if file.version != VERSION {
        let found = file.version;
        return Err(Corrupt(format!("format version {found}, not {VERSION}")));
    }
    serde_json::from_value(file.attachments).map_err(corrupt)
}
