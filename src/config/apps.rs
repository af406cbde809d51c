//! `[[apps]]`: whose tokens are kept, and by which rules.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::Value;

use super::environment::read_secret_file;
use super::section::Section;
use super::setting::{Setting, text};
use super::{RefreshConfig, UpstreamConfig};
use crate::domain::app_id::AppId;
use crate::domain::budget::{Budget, MIN_DAILY_LIMIT};
use crate::domain::credential::{Credential, Kind, Mode};
use crate::domain::page_host::PageHost;
use crate::domain::rules::Rules;
use crate::domain::secret::Secret;

/// What WeChat grants an app that asked for no more.
const DEFAULT_DAILY_LIMIT: u32 = 2000;
/// Forced fetches of a stable token that WeChat grants a day.
const FORCED_LIMIT: u32 = 20;

/// One of `[[apps]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AppConfig {
    /// `appid`. Required.
    pub appid: AppId,
    /// `secret`, the AppSecret, or `secret_file`, the path of a file that holds it. Required.
    pub secret: Secret,
    /// `mode`, `"token"` or `"stable"`. Default `token`.
    pub mode: Mode,
    /// `daily_limit`, fetches a day that WeChat grants, at least 4; each ticket is kept to it too. Default 2000.
    pub daily_limit: u32,
    /// `tickets`, which of `"jsapi"` and `"wx_card"` are kept fresh too. Default none.
    pub tickets: Vec<Kind>,
    /// `jssdk_hosts`, whose pages are signed, `"shop.example.com"` or `"*.example.com"`. Default: any.
    pub jssdk_hosts: Vec<PageHost>,
}

impl AppConfig {
    /// Reads one app. `seen` maps the appids before it to their paths.
    pub(super) fn read(
        section: &mut Section<'_>,
        seen: &mut HashMap<AppId, String>,
    ) -> Option<Self> {
        let appid = read_appid(section, seen);
        let secret = read_secret(section);
        let mode = section.get("mode", Mode::Token);
        let limits = MIN_DAILY_LIMIT..=1_000_000;
        let daily_limit = section.within("daily_limit", DEFAULT_DAILY_LIMIT, limits);
        let tickets = read_tickets(section);
        let jssdk_hosts = section.each("jssdk_hosts");
        if !jssdk_hosts.is_empty()
            && !tickets.contains(&Kind::JsapiTicket)
            && section.is_sound("tickets")
        {
            section.refuse(
                "jssdk_hosts",
                "has no effect: tickets does not list \"jsapi\"",
            );
        }
        Some(Self {
            appid: appid?,
            secret: secret?,
            mode,
            daily_limit,
            tickets,
            jssdk_hosts: jssdk_hosts.into_iter().map(|(_, host)| host).collect(),
        })
    }

    /// What is kept for this app: its access token, and the tickets that it lists.
    pub fn credentials(&self) -> impl Iterator<Item = Credential> + '_ {
        let kinds = [Kind::AccessToken]
            .into_iter()
            .chain(self.tickets.iter().copied());
        kinds.map(|kind| Credential::of(self.appid.clone(), kind, self.mode))
    }

    /// What a credential of this app is kept by.
    #[must_use]
    pub fn rules(
        &self,
        of: &Credential,
        refresh: &RefreshConfig,
        upstream: &UpstreamConfig,
    ) -> Rules {
        let window = refresh.budget_window;
        Rules {
            mode: of.mode,
            checkable: of.kind == Kind::AccessToken,
            at: refresh.at,
            jitter: refresh.jitter,
            min_spacing: refresh.min_spacing,
            lease: refresh.lease,
            reconcile: refresh.reconcile,
            watch: refresh.watch,
            close_watch: refresh.close_watch,
            overlap: refresh.overlap,
            timeout: upstream.timeout,
            backoff: (refresh.backoff_min, refresh.backoff_max),
            budget: Budget::for_limit(self.daily_limit, window),
            // That WeChat wants them 30 s apart as well shows as 45011 and a cooldown of a minute.
            forced_budget: Budget::for_limit(FORCED_LIMIT, window),
        }
    }
}

fn read_appid(section: &mut Section<'_>, seen: &mut HashMap<AppId, String>) -> Option<AppId> {
    let text: String = section.required("appid")?;
    match AppId::parse(&text) {
        Ok(appid) => {
            let path = section.path("appid");
            if let Some(first) = seen.get(&appid) {
                section.refuse("appid", format!("is the same as {first}"));
            } else {
                seen.insert(appid.clone(), path);
            }
            Some(appid)
        }
        Err(error) => {
            section.refuse("appid", error.to_string());
            None
        }
    }
}

fn read_secret(section: &mut Section<'_>) -> Option<Secret> {
    let (given, file) = (section.has("secret"), section.has("secret_file"));
    let secret = section.optional::<Secret>("secret");
    let path = section.optional::<PathBuf>("secret_file");
    if given && file {
        section.refuse(
            "secret_file",
            "is set beside secret; only one of both may be",
        );
        return None;
    }
    let (key, secret) = match path {
        Some(path) => ("secret_file", secret_from(section, &path)?),
        None if given || file => ("secret", secret?),
        None => {
            section.refuse("secret", "is missing; give secret or secret_file");
            return None;
        }
    };
    let unprintable = |c: char| c.is_whitespace() || c.is_control();
    let message = if secret.expose().is_empty() {
        "is empty"
    } else if secret.expose().contains(unprintable) {
        "must contain no white space and no line break"
    } else {
        return Some(secret);
    };
    section.refuse(key, message);
    None
}

fn secret_from(section: &Section<'_>, path: &Path) -> Option<Secret> {
    let read = read_secret_file(path, section.report());
    if let Err(reason) = &read {
        section.refuse("secret_file", reason);
    }
    read.ok().map(Secret::new)
}

fn read_tickets(section: &mut Section<'_>) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (path, Ticket(kind)) in section.each("tickets") {
        if kinds.contains(&kind) {
            section.report().refuse(&path, "is there twice");
        } else {
            kinds.push(kind);
        }
    }
    kinds
}

/// An item of `tickets`.
struct Ticket(Kind);

impl Setting for Ticket {
    const FORM: &'static str = r#""jsapi" or "wx_card""#;

    fn read(value: &Value) -> Option<Self> {
        Kind::of_ticket_type(text(value)?).map(Self)
    }
}

impl Setting for PageHost {
    const FORM: &'static str =
        r#"a host, "shop.example.com", or all hosts below one, "*.example.com""#;

    fn read(value: &Value) -> Option<Self> {
        Self::parse(text(value)?).ok()
    }
}

impl Setting for Mode {
    const FORM: &'static str = r#""token" or "stable""#;

    fn read(value: &Value) -> Option<Self> {
        [Self::Token, Self::Stable]
            .into_iter()
            .find(|mode| Some(mode.as_str()) == text(value))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::domain::budget::Share;
    use crate::domain::time::Timestamp;

    #[test]
    fn forced_fetches_keep_to_wechats_count() {
        let config = Config::load(None, std::iter::empty()).unwrap_or_else(|e| panic!("{e}"));
        let app = AppConfig {
            appid: AppId::parse("wx1").unwrap_or_else(|e| panic!("{e}")),
            secret: Secret::new("s"),
            mode: Mode::Stable,
            daily_limit: 2000,
            tickets: Vec::new(),
            jssdk_hosts: Vec::new(),
        };
        let token = Credential::access_token(app.appid.clone(), app.mode);
        let rules = app.rules(&token, &config.refresh, &config.upstream);
        let forced = rules.forced_budget;
        let start = Timestamp::from_micros(1_000_000_000_000);
        let (mut now, mut tat, mut count) = (start, Timestamp::NEVER, 0);
        loop {
            let next = now.max(forced.fits_from(tat, Share::Whole));
            now = next;
            if now.since(start) > Duration::from_secs(24 * 3600) {
                break;
            }
            tat = forced.charge(tat, now);
            count += 1;
        }
        assert!((15..20).contains(&count), "{count}");
    }
}
