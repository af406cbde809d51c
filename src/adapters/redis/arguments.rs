//! What a call takes to a script: names and values, as `scripts/arguments.lua` reads them.

use std::time::Duration;

use redis::{RedisWrite, ToRedisArgs};

use crate::adapters::record::{StoredGrant, flag, number, verdict_word};
use crate::domain::budget::Budget;
use crate::domain::budget::Share;
use crate::domain::protocol::{Attempt, Begin, Claim, Failure, Judge, SetPause, Suspect};
use crate::domain::rules::{MAX_COOLDOWN, Rules};
use crate::domain::state::Memory;
use crate::domain::time::{Timestamp, micros};

/// Names and values in the order given. May hold a token, so it has no `Debug`.
#[derive(Default)]
pub(super) struct Arguments(Vec<(&'static str, String)>);

/// Names and values one after the other.
impl ToRedisArgs for Arguments {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        for (name, value) in &self.0 {
            out.write_arg(name.as_bytes());
            out.write_arg(value.as_bytes());
        }
    }

    fn num_of_args(&self) -> usize {
        self.0.len() * 2
    }
}

impl Arguments {
    /// What the rules amount to, so that a script need not know how a budget or a due time is configured.
    pub(super) fn of(rules: &Rules) -> Self {
        let mut to = Self::default();
        to.text("mode", rules.mode.as_str().to_owned());
        to.text("at", rules.at.to_string());
        to.duration("renewal", rules.overlap - rules.overlap / 60);
        to.duration("min_spacing", rules.min_spacing);
        to.duration("lease", rules.lease);
        to.duration("close_watch_lasts", rules.close_watch_lasts());
        to.duration("max_cooldown", MAX_COOLDOWN);
        to.duration("budget_part", rules.budget.part());
        to.budget("budget_interval", "budget_burst", &rules.budget);
        to.budget(
            "forced_budget_interval",
            "forced_budget_burst",
            &rules.forced_budget,
        );
        to
    }

    pub(super) fn begin(mut self, input: &Begin, rules: &Rules) -> Self {
        self.text("reason", input.reason.as_str().to_owned());
        self.text("nonce", input.nonce.to_string());
        self.text("secret", input.secret.to_string());
        self.duration("budget_ahead", rules.budget.ahead(input.reason.share()));
        self.duration(
            "forced_budget_ahead",
            rules.forced_budget.ahead(Share::Whole),
        );
        self.memory(&input.memory);
        self
    }

    /// `renewed` is what becomes of the stored grant should the same stable token be stored already.
    pub(super) fn commit(
        mut self,
        attempt: &Attempt,
        grant: &StoredGrant,
        renewed: Option<&StoredGrant>,
        earlier: Option<String>,
    ) -> Self {
        self.earlier(earlier);
        self.attempt(attempt);
        self.grant(grant);
        if let Some(StoredGrant { grant, .. }) = renewed.filter(|renewed| renewed.sealed) {
            self.text("renewed_version", number(grant.version.0));
            self.time("renewed_issued_at", grant.issued_at);
            self.text("renewed_sealed", grant.value.expose().to_owned());
        }
        self
    }

    pub(super) fn fail(mut self, input: &Failure) -> Self {
        self.attempt(&input.attempt);
        self.text("class", input.class.as_str().to_owned());
        self.duration("cooldown", input.cooldown);
        self.text("secret", input.secret.to_string());
        self
    }

    pub(super) fn release(mut self, input: &Attempt) -> Self {
        self.attempt(input);
        self
    }

    pub(super) fn claim_check(mut self, input: &Claim) -> Self {
        self.text("version", number(input.version.0));
        self.duration("every", input.every);
        self
    }

    pub(super) fn judge(mut self, input: &Judge) -> Self {
        self.text("version", number(input.version.0));
        self.text("verdict", verdict_word(input.verdict).to_owned());
        self.text("reported", flag(input.reported));
        self
    }

    pub(super) fn put_back(
        mut self,
        grant: &StoredGrant,
        memory: &Memory,
        earlier: Option<String>,
    ) -> Self {
        self.earlier(earlier);
        self.grant(grant);
        self.memory(memory);
        self
    }

    pub(super) fn suspect(mut self, input: &Suspect) -> Self {
        self.text("floor", number(input.floor.0));
        self
    }

    pub(super) fn set_pause(mut self, input: &SetPause) -> Self {
        self.text("paused", flag(input.paused));
        self
    }

    /// Adds one more, already as text.
    pub(super) fn text(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }

    fn duration(&mut self, name: &'static str, value: Duration) {
        self.text(name, number(micros(value)));
    }

    fn time(&mut self, name: &'static str, value: Timestamp) {
        self.text(name, number(value.as_micros()));
    }

    fn budget(&mut self, interval: &'static str, burst: &'static str, of: &Budget) {
        self.duration(interval, of.interval);
        self.duration(burst, of.whole_burst());
    }

    fn attempt(&mut self, of: &Attempt) {
        self.text("epoch", number(of.epoch.0));
        self.text("nonce", of.nonce.to_string());
    }

    fn memory(&mut self, of: &Memory) {
        self.text("memory_version", number(of.version.0));
        self.text("memory_live", flag(of.live));
        self.time("memory_budget", of.budget);
        self.time("memory_forced_budget", of.forced_budget);
        self.time("memory_last_fetch", of.last_fetch);
        self.text("memory_paused", flag(of.pause.paused));
        self.time("memory_pause_changed_at", of.pause.changed_at);
    }

    fn earlier(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.text("earlier", text);
        }
    }

    fn grant(&mut self, stored: &StoredGrant) {
        let StoredGrant { grant: of, sealed } = stored;
        let value = if *sealed {
            "grant_sealed"
        } else {
            "grant_value"
        };
        self.text("grant_version", number(of.version.0));
        self.text(value, of.value.expose().to_owned());
        self.text("grant_digest", of.digest.to_string());
        self.time("grant_issued_at", of.issued_at);
        self.time("grant_expires_at", of.expires_at);
    }
}
