//! weft: northd.
