//! The choice of a level.

use crate::simd::{Level, LevelError};

#[test]
fn available_levels_start_at_the_baseline_and_end_at_the_detected_one() {
    let levels = Level::available();
    assert_eq!(levels.first(), Some(&Level::Baseline));
    assert_eq!(levels.last(), Some(&Level::detect()));
}

#[test]
fn a_level_is_parsed_from_its_name() {
    for level in Level::available() {
        assert_eq!(Level::parse(&level.to_string()), Ok(level));
    }
    assert_eq!(Level::parse("auto"), Ok(Level::detect()));
}

#[test]
fn levels_that_cannot_run_are_errors() {
    assert_eq!(Level::parse("sse9"), Err(LevelError::Unknown("sse9".to_owned())));
    for name in ["avx2", "avx512"] {
        let listed = Level::available().iter().any(|level| level.to_string() == name);
        match Level::parse(name) {
            Ok(level) => assert!(listed && level.to_string() == name),
            Err(error) => {
                assert!(!listed);
                assert_eq!(error, LevelError::Unavailable(name));
            }
        }
    }
}
