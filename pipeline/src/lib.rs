//! L1 of the house: the compiled tables and the logical pipeline. Pure: no I/O, no clock, no threads, no wire.

pub mod object;
