//! weft: southbound-proto.
