//! Placeholder head, written with the crate.
pub mod data;
pub mod output;
pub mod picture;
