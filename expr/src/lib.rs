//! weft: expr.
