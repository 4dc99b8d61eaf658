//! What the nodes are doing, and which rows are not wholly in force.

use northbound_proto::northbound::{ChassisStatus, RowWarning, StatusReply};

use crate::compile;
use crate::control::NodeStatus;
use crate::southbound::State;

pub(super) fn reply(state: State) -> StatusReply {
    StatusReply {
        revision: state.revision,
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        chassis: state.nodes.into_iter().map(chassis).collect(),
        warnings: state.warnings.into_iter().map(warning).collect(),
    }
}

fn chassis(node: NodeStatus) -> ChassisStatus {
    ChassisStatus {
        name: node.name,
        encap_ip: node.encap_ip,
        connected: node.is_connected,
        acked_revision: node.revision,
        ports: u32::try_from(node.port_count).unwrap_or(u32::MAX),
        software_version: node.software_version,
        since_unix_ms: u64::try_from(node.since_unix_ms).unwrap_or(0),
        objects: node.object_count as u64,
        last_nack: node.last_nack,
    }
}

fn warning(warning: compile::RowWarning) -> RowWarning {
    RowWarning {
        table: warning.table.to_owned(),
        uuid: warning.row.as_bytes().to_vec().into(),
        name: warning.name,
        column: warning.column.to_owned(),
        message: warning.message,
    }
}
