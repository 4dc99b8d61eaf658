//! The control side's end: from records to lines.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::{Entry, LogBook, Meters, Record, line};
use crate::datapath::DataPath;
use crate::worker::Place;

/// The target of the lines in the program's log.
pub const TARGET: &str = "acl";

/// Writes what ACLs log into the returned book and the program's log, until the data path is gone.
pub fn start(data_path: &Arc<DataPath>) -> Arc<LogBook> {
    let book = Arc::new(LogBook::default());
    let records = data_path.acl_logs();
    let (data_path, theirs) = (Arc::downgrade(data_path), book.clone());
    std::thread::spawn(move || {
        let mut meters = Meters::default();
        while let Ok(record) = records.recv() {
            if !take(&record, &data_path, &mut meters, &theirs) {
                return;
            }
        }
    });
    book
}

/// Makes a line of a record if its meter agrees; false if the data path is gone.
fn take(record: &Record, data_path: &Weak<DataPath>, meters: &mut Meters, book: &LogBook) -> bool {
    let Some(data_path) = data_path.upgrade() else {
        return false;
    };
    let snapshot = data_path.snapshot();
    let Record { logged, .. } = record;
    if !meters.admit(&snapshot.tables, logged, record.bytes, record.time_ms) {
        book.limit();
        return true;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let entry = Entry {
        unix_ms: now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
        acl: logged.acl,
        name: logged.name.clone(),
        verdict: line::verdict(logged.action),
        severity: line::severity(logged.severity),
        direction: logged.stage.direction(),
        inport: inport(record.place, &snapshot.tables),
        packet: line::packet(&record.flow),
    };
    tracing::info!(target: TARGET, acl = %entry.acl, inport = entry.inport, "{}", entry.line());
    book.write(entry);
    true
}

/// The name of the logical port that the packet had come in by; empty if it is not known.
fn inport(place: Place, tables: &pipeline::Tables) -> String {
    let port = place.port().and_then(|at| tables.port(at));
    port.map_or_else(String::new, |port| port.name.clone())
}
