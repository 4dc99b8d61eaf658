//! weft: northbound-proto.
