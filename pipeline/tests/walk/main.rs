//! The pipeline at its boundary: networks and packets in, verdicts out.

mod acl;
mod answers;
mod balancing;
mod deciders;
mod goldens;
mod nodes;
mod policies;
mod probe;
mod properties;
mod qos;
mod remembering;
mod routes;
mod routing;
mod support;
mod switching;
mod translating;
