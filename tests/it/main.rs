//! One integration binary.

mod upstream;
