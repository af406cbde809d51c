//! What a test may ask. The answers come from WeChat's own books, never from what a caller was told.

use std::time::{Duration, Instant};

use crate::platform::calls::{Call, Endpoint, Outcome, Violation, most_at_once};
use crate::platform::history::{Death, IssuedToken, Series, Verdict};
use crate::platform::quota::most_in_any;
use crate::platform::tickets::IssuedTicket;
use crate::simulator::Simulator;

/// About tokens.
impl Simulator {
    /// What WeChat says of this app's token now.
    pub fn verdict(&self, appid: &str, token: &str) -> Verdict {
        self.verdict_at(appid, token, Instant::now())
    }

    /// What WeChat said of this app's token at that time. Of the future it tells what is decided by now.
    pub fn verdict_at(&self, appid: &str, token: &str, at: Instant) -> Verdict {
        self.shared.look().verdict(appid, token, at)
    }

    /// Whether the token was this app's and worked at that time.
    pub fn was_valid(&self, appid: &str, token: &str, at: Instant) -> bool {
        self.verdict_at(appid, token, at).is_valid()
    }

    /// How long the token had been dead at that time: zero if it worked, [`Duration::MAX`] if it never was one
    /// of this app's.
    pub fn dead_for(&self, appid: &str, token: &str, at: Instant) -> Duration {
        match self.verdict_at(appid, token, at) {
            Verdict::Valid { .. } => Duration::ZERO,
            Verdict::Dead {
                since: Some(since), ..
            } => at.duration_since(since),
            Verdict::Dead { since: None, .. } => Duration::MAX,
        }
    }

    /// The app that the token was issued to.
    pub fn belongs_to(&self, token: &str) -> Option<String> {
        self.issued(token).map(|token| token.appid)
    }

    /// All that is known of a token.
    pub fn issued(&self, token: &str) -> Option<IssuedToken> {
        self.shared.look().tokens.find(token).cloned()
    }

    /// Every token this app was ever issued, whoever fetched it, in the order of issue.
    pub fn tokens(&self, appid: &str) -> Vec<IssuedToken> {
        let platform = self.shared.look();
        let tokens = platform.tokens.all().iter();
        tokens
            .filter(|token| token.appid == appid)
            .cloned()
            .collect()
    }

    /// The latest token of `/cgi-bin/token`, dead or alive.
    pub fn current(&self, appid: &str) -> Option<String> {
        self.latest(appid, Series::Rotating)
    }

    /// The latest token of `/cgi-bin/stable_token`, dead or alive.
    pub fn current_stable(&self, appid: &str) -> Option<String> {
        self.latest(appid, Series::Stable)
    }

    fn latest(&self, appid: &str, series: Series) -> Option<String> {
        let platform = self.shared.look();
        let mut tokens = platform.tokens.all().iter().rev();
        tokens
            .find(|token| token.appid == appid && token.series == series)
            .map(|token| token.value.clone())
    }

    /// How long a token works on after the next fetch, in real time.
    pub fn overlap(&self) -> Duration {
        self.shared.look().settings.overlap
    }

    /// Every ticket this app was ever issued, in the order of issue.
    pub fn tickets(&self, appid: &str) -> Vec<IssuedTicket> {
        let platform = self.shared.look();
        let tickets = platform.tickets.all().iter();
        tickets
            .filter(|ticket| ticket.appid == appid)
            .cloned()
            .collect()
    }

    /// For how long the ticket had been dead at `at`; for ever where it never was this app's.
    pub fn ticket_dead_for(&self, appid: &str, ticket: &str, at: Instant) -> Duration {
        let platform = self.shared.look();
        let mut tickets = platform.tickets.all().iter();
        tickets
            .find(|issued| issued.appid == appid && issued.value == ticket)
            .map_or(Duration::MAX, |issued| {
                at.saturating_duration_since(issued.dies_at)
            })
    }

    /// Whether the ticket was this app's and worked at that time.
    pub fn ticket_was_valid(&self, appid: &str, ticket: &str, at: Instant) -> bool {
        self.shared.look().tickets.all().iter().any(|issued| {
            issued.appid == appid
                && issued.value == ticket
                && (issued.issued_at..issued.dies_at).contains(&at)
        })
    }
}

/// About calls.
impl Simulator {
    /// Every call that came in, in the order of coming.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.look().record.all().to_vec()
    }

    /// How many calls about this app came in at an endpoint, whatever became of them.
    pub fn count(&self, appid: &str, endpoint: Endpoint) -> usize {
        let platform = self.shared.look();
        let calls = platform.record.all().iter();
        calls
            .filter(|call| call.endpoint == endpoint && call.appid.as_deref() == Some(appid))
            .count()
    }

    /// The calls that issued a token, heard by the caller or not. Foreign fetches are none of them.
    pub fn fetches(&self, appid: &str) -> Vec<Call> {
        let platform = self.shared.look();
        let calls = platform.record.token_calls(appid);
        calls
            .filter(|call| matches!(call.outcome, Outcome::Issued { .. }))
            .cloned()
            .collect()
    }

    /// The most token calls, issuing or not, that came in within any window of this length.
    pub fn max_fetches_in_any(&self, appid: &str, window: Duration) -> usize {
        let platform = self.shared.look();
        let times: Vec<_> = platform
            .record
            .token_calls(appid)
            .map(|call| call.at)
            .collect();
        most_in_any(&times, window)
    }

    /// The most token calls about this app that were open at one moment.
    pub fn max_fetches_at_once(&self, appid: &str) -> usize {
        most_at_once(self.shared.look().record.token_calls(appid))
    }

    /// Everything that no correct caller sends, in the order of coming.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.look().record.violations.clone()
    }

    /// The longest that this app was left without any token that works, between the first issue and `until`:
    /// what nobody can serve, the broker cannot be blamed for.
    pub fn longest_without_token(&self, appid: &str, until: Instant) -> Duration {
        let tokens = self.tokens(appid);
        let mut longest = Duration::ZERO;
        let mut covered_to = None;
        for token in &tokens {
            let covered: Instant = covered_to.unwrap_or(token.issued_at);
            longest = longest.max(token.issued_at.saturating_duration_since(covered));
            covered_to = Some(covered.max(token.dies_at));
        }
        let rest = covered_to.map(|covered| until.saturating_duration_since(covered));
        longest.max(rest.unwrap_or_default())
    }

    /// Why a token does not work now; `None` if it does.
    pub fn death(&self, appid: &str, token: &str) -> Option<Death> {
        match self.verdict(appid, token) {
            Verdict::Valid { .. } => None,
            Verdict::Dead { why, .. } => Some(why),
        }
    }
}
