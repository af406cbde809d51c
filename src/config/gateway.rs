//! `[gateway]`: what is passed on to WeChat for callers, and how much of it.

use std::time::Duration;

use super::section::Section;

/// `[gateway]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayConfig {
    /// `tokens_as_keys`, whether WeChat's own paths take an app's access token as the credential. Default
    /// true.
    pub tokens_as_keys: bool,
    /// `timeout`, duration: how long nothing may move, from the caller, to WeChat or back. Default `30s`.
    pub timeout: Duration,
    /// `longest`, duration: how long one call may take in all. Default `10m`.
    pub longest: Duration,
    /// `side_by_side`, calls under way for one app at this replica. Default 256.
    pub side_by_side: usize,
    /// `replay_body`, bytes of a body that is kept, so that the call can be made once more. Default 262144.
    pub replay_body: usize,
    /// `max_body`, bytes of a body. Default 134217728.
    pub max_body: u64,
    /// `max_reply`, bytes of WeChat's reply. Default 134217728.
    pub max_reply: u64,
}

impl GatewayConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let seconds = Duration::from_secs;
        let sizes = 1024..=u32::MAX;
        let gateway = Self {
            tokens_as_keys: section.get("tokens_as_keys", true),
            timeout: section.within("timeout", seconds(30), seconds(1)..=seconds(600)),
            longest: section.within("longest", seconds(600), seconds(1)..=seconds(86_400)),
            side_by_side: section.within("side_by_side", 256, 1..=100_000) as usize,
            replay_body: section.within("replay_body", 256 << 10, 0..=64 << 20) as usize,
            max_body: section.within("max_body", 128 << 20, sizes.clone()).into(),
            max_reply: section.within("max_reply", 128 << 20, sizes).into(),
        };
        if gateway.longest < gateway.timeout && section.is_sound("longest") {
            section.refuse("longest", "must be at least gateway.timeout");
        }
        gateway
    }
}
