//! The people who use an app: who they are, the one-time codes by which they let the app know them, and the
//! tokens of web authorization, which are none of the app's access tokens.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Platform;
use super::errcode::Refusal;
use super::history::fake_credential;
use crate::settings::User;

/// What a person has consented to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `snsapi_base`: the openid, without being asked.
    Base,
    /// `snsapi_userinfo`: the profile.
    UserInfo,
    /// The login of a mini-program; its code is good for a session only.
    MiniProgram,
}

impl Scope {
    /// As WeChat writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Base => "snsapi_base",
            Self::UserInfo => "snsapi_userinfo",
            Self::MiniProgram => "mini_program",
        }
    }

    /// Reads what `as_str` writes.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Base, Self::UserInfo, Self::MiniProgram]
            .into_iter()
            .find(|scope| scope.as_str() == name)
    }
}

/// Who has let which app know what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consent {
    pub(crate) appid: String,
    pub(crate) openid: String,
    pub(crate) scope: Scope,
}

/// A code, a token or a refresh token: good for a consent, until some time.
#[derive(Debug)]
struct Voucher {
    consent: Consent,
    dies_at: Instant,
    used: bool,
}

/// What was issued on behalf of people.
#[derive(Debug, Default)]
pub(crate) struct Vouchers {
    codes: HashMap<String, Voucher>,
    tokens: HashMap<String, Voucher>,
    refreshes: HashMap<String, Voucher>,
    serial: u64,
}

impl Vouchers {
    /// A code that works once.
    pub(crate) fn issue_code(&mut self, consent: Consent, now: Instant, life: Duration) -> String {
        let code = self.next("code");
        self.codes
            .insert(code.clone(), voucher(consent, now + life));
        code
    }

    /// Uses a code up. One for another app or of another kind is unknown.
    pub(crate) fn redeem(
        &mut self,
        appid: &str,
        code: &str,
        mini_program: bool,
        now: Instant,
    ) -> Result<Consent, Refusal> {
        let fits = |code: &&mut Voucher| {
            code.consent.appid == appid
                && (code.consent.scope == Scope::MiniProgram) == mini_program
        };
        let Some(code) = self.codes.get_mut(code).filter(fits) else {
            return Err(Refusal::new(40029));
        };
        if code.used {
            return Err(Refusal::new(40163));
        }
        if code.dies_at <= now {
            return Err(Refusal::new(42003));
        }
        code.used = true;
        Ok(code.consent.clone())
    }

    /// A token of web authorization.
    pub(crate) fn issue_token(&mut self, consent: Consent, dies_at: Instant) -> String {
        let token = self.next("web");
        self.tokens.insert(token.clone(), voucher(consent, dies_at));
        token
    }

    /// What renews it.
    pub(crate) fn issue_refresh(&mut self, consent: Consent, dies_at: Instant) -> String {
        let refresh = self.next("refresh");
        self.refreshes
            .insert(refresh.clone(), voucher(consent, dies_at));
        refresh
    }

    /// What a refresh token stands for.
    pub(crate) fn renew(
        &self,
        appid: &str,
        refresh: &str,
        now: Instant,
    ) -> Result<Consent, Refusal> {
        match self.refreshes.get(refresh) {
            Some(known) if known.consent.appid == appid && known.dies_at > now => {
                Ok(known.consent.clone())
            }
            Some(known) if known.consent.appid == appid => Err(Refusal::new(42002)),
            Some(_) | None => Err(Refusal::new(40030)),
        }
    }

    /// What a token of web authorization stands for, for this person.
    pub(crate) fn accept(
        &self,
        token: &str,
        openid: &str,
        now: Instant,
    ) -> Result<&Consent, Refusal> {
        match self.tokens.get(token) {
            None => Err(Refusal::new(40001)),
            Some(known) if known.dies_at <= now => Err(Refusal::new(42001)),
            Some(known) if known.consent.openid != openid => Err(Refusal::new(40003)),
            Some(known) => Ok(&known.consent),
        }
    }

    /// Whose token of web authorization it is.
    pub(crate) fn appid_of(&self, token: &str) -> Option<&str> {
        Some(&self.tokens.get(token)?.consent.appid)
    }

    /// Something new that looks like a credential.
    pub(crate) fn next(&mut self, kind: &str) -> String {
        self.serial += 1;
        fake_credential(kind, self.serial)
    }
}

fn voucher(consent: Consent, dies_at: Instant) -> Voucher {
    Voucher {
        consent,
        dies_at,
        used: false,
    }
}

impl Platform {
    /// Who this is to the app.
    pub(crate) fn user(&self, appid: &str, openid: &str) -> Result<&User, Refusal> {
        let index = self.people.get(appid).and_then(|known| known.get(openid));
        let user = index.and_then(|index| self.settings.users.get(*index));
        user.ok_or_else(|| Refusal::new(40003))
    }

    /// The person consents, and a code is on its way to the app.
    pub(crate) fn consent(
        &mut self,
        appid: &str,
        openid: &str,
        scope: Scope,
        now: Instant,
    ) -> Option<String> {
        self.user(appid, openid).ok()?;
        let consent = Consent {
            appid: appid.to_owned(),
            openid: openid.to_owned(),
            scope,
        };
        let life = self.settings.code_life;
        Some(self.vouchers.issue_code(consent, now, life))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent(scope: Scope) -> Consent {
        Consent {
            appid: "wx1".to_owned(),
            openid: "o1".to_owned(),
            scope,
        }
    }

    fn errcode<T>(result: Result<T, Refusal>) -> Option<i64> {
        result.err().map(|refusal| refusal.errcode)
    }

    #[test]
    fn a_code_works_once_for_its_app_and_for_its_time() {
        let mut vouchers = Vouchers::default();
        let (now, life) = (Instant::now(), Duration::from_secs(300));
        let code = vouchers.issue_code(consent(Scope::Base), now, life);
        let late = vouchers.issue_code(consent(Scope::Base), now, life);
        assert_eq!(
            errcode(vouchers.redeem("wx2", &code, false, now)),
            Some(40029)
        );
        assert_eq!(
            errcode(vouchers.redeem("wx1", &code, true, now)),
            Some(40029)
        );
        assert_eq!(
            errcode(vouchers.redeem("wx1", &late, false, now + life)),
            Some(42003)
        );
        assert_eq!(errcode(vouchers.redeem("wx1", &code, false, now)), None);
        assert_eq!(
            errcode(vouchers.redeem("wx1", &code, false, now)),
            Some(40163)
        );
    }

    #[test]
    fn a_refresh_token_expires_and_is_its_apps_alone() {
        let mut vouchers = Vouchers::default();
        let (now, life) = (Instant::now(), Duration::from_secs(300));
        let refresh = vouchers.issue_refresh(consent(Scope::Base), now + life);
        assert_eq!(errcode(vouchers.renew("wx1", &refresh, now)), None);
        assert_eq!(errcode(vouchers.renew("wx2", &refresh, now)), Some(40030));
        assert_eq!(errcode(vouchers.renew("wx1", "other", now)), Some(40030));
        assert_eq!(
            errcode(vouchers.renew("wx1", &refresh, now + life)),
            Some(42002)
        );
    }
}
