//! weft: cli.
