//! Finding datapaths by what people call them.

use pipeline::Tables;
use pipeline::object::DatapathKey;

/// The datapaths with this name, UUID (or the beginning of one) or tunnel key. Names are not unique.
pub(super) fn find_datapath(tables: &Tables, text: &str) -> Vec<DatapathKey> {
    let datapaths = tables.all_datapaths();
    let matching = |is: &dyn Fn(&pipeline::object::Datapath) -> bool| -> Vec<DatapathKey> {
        let found = datapaths.iter().filter(|datapath| is(datapath));
        found.map(|datapath| datapath.key).collect()
    };
    let by_name = matching(&|datapath| datapath.name == text);
    if !by_name.is_empty() {
        return by_name;
    }
    let by_key = matching(&|datapath| datapath.key.to_string() == text);
    if !by_key.is_empty() {
        return by_key;
    }
    let is_long_enough = text.len() >= UUID_PREFIX_LENGTH_MIN;
    matching(&|datapath| is_long_enough && datapath.uuid.to_string().starts_with(text))
}

/// Fewer digits than this name no UUID.
const UUID_PREFIX_LENGTH_MIN: usize = 4;
