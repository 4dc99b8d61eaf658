//! What the tests of the whole system share. The tests themselves are in `tests/`.

pub mod ask;
pub mod attack;
pub mod cluster;
pub mod craft;
pub mod frame;
pub mod local;
pub mod oracle;
pub mod random;
pub mod scenario;
pub mod serve;
pub mod skip;
pub mod story;
pub mod world;
