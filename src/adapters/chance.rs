//! Chance from the operating system's generator: nonces must not repeat, jitter need not be secret.

use crate::domain::epoch::Nonce;
use crate::ports::Chance;

/// The process's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn unit(&self) -> f64 {
        rand::random()
    }

    fn nonce(&self) -> Nonce {
        Nonce(rand::random())
    }
}
