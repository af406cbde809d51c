//! The rules by which tokens follow each other: rotation with its overlap, and the stable token with its forced
//! refresh.

use std::time::{Duration, Instant};

use super::Platform;
use super::errcode::Refusal;
use super::history::{Death, IssuedToken, Series, TokenIndex};

/// A token that a fetch was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granted {
    New(TokenIndex),
    Same(TokenIndex),
}

impl Granted {
    pub(crate) fn index(self) -> TokenIndex {
        match self {
            Self::New(index) | Self::Same(index) => index,
        }
    }
}

impl Platform {
    /// A fetch of `/cgi-bin/token` by someone who was let in.
    pub(crate) fn fetch_rotating(&mut self, appid: &str, now: Instant) -> Result<Granted, Refusal> {
        let Some(account) = self.accounts.get(appid) else {
            return Err(Refusal::new(40013));
        };
        if account.fetches.within(self.settings.day, now) >= account.daily_limit {
            return Err(Refusal::new(45009));
        }
        if account
            .minute_limit
            .is_some_and(|limit| account.fetches.within(self.settings.minute, now) >= limit)
        {
            return Err(Refusal::new(45011));
        }
        self.rotate(appid, now).ok_or_else(|| Refusal::new(40013))
    }

    /// Issues a token whatever the limits say. The one before lives on for the overlap; the one before that,
    /// if it still lived, dies now.
    pub(crate) fn rotate(&mut self, appid: &str, now: Instant) -> Option<Granted> {
        let account = self.accounts.get_mut(appid)?;
        account.fetches.record(now, self.settings.day);
        if let Some(before_last) = account.previous {
            let token = self.tokens.at_mut(before_last);
            token.die_by(now, Death::Superseded);
        }
        if let Some(last) = account.current {
            let token = self.tokens.at_mut(last);
            token.die_by(now + self.settings.overlap, Death::Superseded);
        }
        account.previous = account.current;
        let life = self.settings.token_life;
        let new = self.tokens.issue(appid, Series::Rotating, now, life);
        account.current = Some(new);
        Some(Granted::New(new))
    }

    /// A call of `/cgi-bin/stable_token` by someone who was let in.
    pub(crate) fn fetch_stable(
        &mut self,
        appid: &str,
        force: bool,
        now: Instant,
    ) -> Result<Granted, Refusal> {
        let settings = &self.settings;
        let Some(account) = self.accounts.get_mut(appid) else {
            return Err(Refusal::new(40013));
        };
        if account.stable_calls.within(settings.day, now) >= settings.stable_daily_limit {
            return Err(Refusal::new(45009));
        }
        if account.stable_calls.within(settings.minute, now) >= settings.stable_minute_limit {
            return Err(Refusal::new(45011));
        }
        if force {
            let forced = &account.forced_refreshes;
            if forced.within(settings.day, now) >= settings.forced_daily_limit {
                return Err(Refusal::new(45009));
            }
            if forced.within(settings.forced_spacing, now) > 0 {
                return Err(Refusal::new(45011));
            }
            account.forced_refreshes.record(now, settings.day);
        }
        account.stable_calls.record(now, settings.day);

        if force {
            let series = Some(Series::Stable);
            self.tokens.kill(appid, series, now, Death::Superseded);
        }
        if let Some(index) = account.stable {
            let token = self.tokens.at_mut(index);
            if token.dies_at.saturating_duration_since(now) > settings.stable_renew_window {
                return Ok(Granted::Same(index));
            }
            if token.dies_at > now {
                // It works for the overlap more, even where its own life would have ended before.
                (token.dies_at, token.why) = (now + settings.overlap, Death::Superseded);
            }
        }
        let life = settings.token_life;
        let new = self.tokens.issue(appid, Series::Stable, now, life);
        account.stable = Some(new);
        Ok(Granted::New(new))
    }

    /// Withdraws every token of both series at once.
    pub(crate) fn invalidate(&mut self, appid: &str, now: Instant) -> Option<()> {
        if !self.accounts.contains_key(appid) {
            return None;
        }
        self.tokens.kill(appid, None, now, Death::Invalidated);
        Some(())
    }
}

/// The remaining life of a token as a reply tells it: whole seconds rounded down, and never none, because
/// WeChat does not hand out a token that is over.
pub(crate) fn expires_in(token: &IssuedToken, now: Instant) -> u64 {
    whole_seconds(token.dies_at.duration_since(now))
}

pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}

#[cfg(test)]
mod tests;
