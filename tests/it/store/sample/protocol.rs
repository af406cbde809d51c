//! Examples for the protocol alone.

use std::time::Duration;

use token_broker::domain::budget::Budget;
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Begin, Reason};
use token_broker::domain::rules::Rules;
use token_broker::domain::secret::{Digest, Fingerprint, Secret};
use token_broker::domain::state::Memory;
use token_broker::domain::time::Timestamp;

pub(crate) const ORIGIN: Fingerprint = Fingerprint::new(0x0a11);

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Rules with the proportions of the default configuration and a budget that a test can spend.
pub(crate) fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: secs(360),
        lease: secs(20),
        reconcile: secs(30),
        watch: secs(60),
        close_watch: secs(15),
        overlap: secs(300),
        timeout: secs(5),
        backoff: (secs(1), secs(60)),
        budget: Budget {
            interval: secs(900),
            burst: 4,
            reserve: 1,
            window: secs(24 * 3600),
        },
        forced_budget: Budget {
            interval: secs(30),
            burst: 2,
            reserve: 0,
            window: secs(24 * 3600),
        },
    }
}

pub(crate) fn begin(nonce: u128) -> Begin {
    Begin {
        reason: Reason::Missing,
        nonce: Nonce(nonce),
        memory: Memory::default(),
        secret: Fingerprint::new(1),
    }
}

pub(crate) fn grant(version: Version, token: u8, issued_at: Timestamp, life: Duration) -> Grant {
    Grant {
        version,
        value: Secret::new(format!("token-{token}")),
        digest: Digest::new([token; 32]),
        issued_at,
        expires_at: issued_at + life,
    }
}
