//! weft: benches.
