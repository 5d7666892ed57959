//! Text of a plan, for people and golden tests.
