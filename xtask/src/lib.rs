//! weft: xtask.
