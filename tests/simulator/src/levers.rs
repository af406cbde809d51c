//! What a test may do to WeChat: what the account's owner, an administrator or a stranger with the same secret
//! would do.

use std::net::IpAddr;
use std::time::Instant;

use crate::faults::{Fault, FaultId};
use crate::platform::people::Scope;
use crate::platform::{Account, Platform};
use crate::simulator::Simulator;

/// Each takes effect at once and panics if the app is not in the settings: the test is wrong then.
impl Simulator {
    /// Somebody else with the same secret fetches a token; it is returned. The one before lives on for the
    /// overlap.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn foreign_fetch(&self, appid: &str) -> String {
        self.shared
            .change(|platform| foreign_fetch(platform, appid))
            .unwrap_or_else(|| no_such_app(appid))
    }

    /// Somebody else fetches twice in a row: the token that was current before is dead at once. The last one
    /// is returned.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn foreign_fetch_twice(&self, appid: &str) -> String {
        self.foreign_fetch(appid);
        self.foreign_fetch(appid)
    }

    /// Withdraws every token of the app, of both series, at once.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn invalidate(&self, appid: &str) {
        self.shared
            .change(|platform| platform.invalidate(appid, Instant::now()))
            .unwrap_or_else(|| no_such_app(appid));
    }

    /// A person consents: the one-time code that reaches the app.
    ///
    /// # Panics
    ///
    /// If there is no such app, or no such person in the settings.
    pub fn consent(&self, appid: &str, openid: &str, scope: Scope) -> String {
        self.shared
            .change(|platform| platform.consent(appid, openid, scope, Instant::now()))
            .unwrap_or_else(|| no_such_app(appid))
    }

    /// The app's secret is another from now on.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn set_secret(&self, appid: &str, secret: impl Into<String>) {
        self.account(appid, |account| account.secret = secret.into());
    }

    /// Every token fetch of the app is answered with this code, until it is cleared by `None`.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn set_error(&self, appid: &str, errcode: Option<i64>) {
        self.account(appid, |account| account.forced_errcode = errcode);
    }

    /// How many tokens `/cgi-bin/token` issues to the app in any sliding day.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn set_daily_limit(&self, appid: &str, limit: u32) {
        self.account(appid, |account| account.daily_limit = limit);
    }

    /// How many tokens `/cgi-bin/token` issues to the app in any sliding minute.
    ///
    /// # Panics
    ///
    /// If there is no such app.
    pub fn set_minute_limit(&self, appid: &str, limit: Option<u32>) {
        self.account(appid, |account| account.minute_limit = limit);
    }

    /// Whether the caller's address is on the whitelist.
    pub fn set_whitelisted(&self, whitelisted: bool) {
        self.shared
            .change(|platform| platform.settings.whitelisted = whitelisted);
    }

    /// The address that WeChat sees.
    pub fn set_seen_ip(&self, ip: IpAddr) {
        self.shared
            .change(|platform| platform.settings.seen_ip = ip);
    }

    /// What goes wrong.
    pub fn faults(&self) -> Faults<'_> {
        Faults(self)
    }

    fn account(&self, appid: &str, change: impl FnOnce(&mut Account)) {
        self.shared
            .change(|platform| platform.accounts.get_mut(appid).map(change))
            .unwrap_or_else(|| no_such_app(appid));
    }
}

/// The faults of a simulator. Of several that concern a call, the one added first meets it.
#[derive(Debug, Clone, Copy)]
pub struct Faults<'a>(&'a Simulator);

impl Faults<'_> {
    /// Adds one.
    pub fn add(&self, fault: Fault) -> FaultId {
        self.0.shared.change(|platform| platform.faults.add(fault))
    }

    /// Removes one; calls it has met already go on as it wants.
    pub fn remove(&self, id: FaultId) {
        self.0.shared.change(|platform| platform.faults.remove(id));
    }

    /// Removes all.
    pub fn clear(&self) {
        self.0.shared.change(|platform| platform.faults.clear());
    }

    /// How many calls a fault has met.
    pub fn hits(&self, id: FaultId) -> u32 {
        self.0.shared.look().faults.hits(id)
    }
}

/// Rotates the token as if by someone else; it counts against the app's limits, and not as a call.
pub(crate) fn foreign_fetch(platform: &mut Platform, appid: &str) -> Option<String> {
    let granted = platform.rotate(appid, Instant::now())?;
    Some(platform.tokens.at(granted.index()).value.clone())
}

#[expect(clippy::panic, reason = "a test that names an unknown app is wrong")]
fn no_such_app<T>(appid: &str) -> T {
    panic!("the simulator knows no app {appid}")
}
