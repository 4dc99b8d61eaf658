//! weft: tests.
