//! Translating
