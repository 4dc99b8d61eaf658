//! weft: vswitch.
