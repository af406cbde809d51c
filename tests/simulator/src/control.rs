//! The questions and levers over HTTP, for other processes and for `curl`. Nothing here is recorded as a call,
//! and no fault meets it.

use std::time::{Duration, Instant};

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::FaultId;
use crate::faults::form::FaultForm;
use crate::levers::foreign_fetch;
use crate::platform::calls::{Call, Outcome, Violation};
use crate::platform::history::{IssuedToken, Verdict};
use crate::platform::people::Scope;
use crate::platform::{Account, Platform};
use crate::server::{Request, Shared};

/// Where all of it lies.
pub(crate) const PREFIX: &str = "/_simulator/";

/// A status and a body.
type Answer = (u16, Value);

/// Answers a request of the control API.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Answer {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let method = match request.method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    match (method, path) {
        ("GET", "state") => (200, state(shared)),
        ("GET", "calls") => (200, calls(shared)),
        ("GET", "violations") => (200, violations(shared)),
        ("POST", "fault") => add_fault(shared, request),
        ("DELETE", "fault") => remove_fault(shared, request),
        ("DELETE", "faults") => {
            shared.change(|platform| platform.faults.clear());
            done()
        }
        ("POST", "foreign_fetch") => for_app(shared, request, |platform, appid| {
            let token = foreign_fetch(platform, appid)?;
            Some(json!({"access_token": token}))
        }),
        ("POST", "invalidate") => for_app(shared, request, |platform, appid| {
            platform.invalidate(appid, Instant::now())?;
            Some(json!({}))
        }),
        ("POST", "consent") => consent(shared, request),
        ("POST", "error") => set_error(shared, request),
        ("POST", "secret") => set_secret(shared, request),
        ("POST", "daily_limit") => set_daily_limit(shared, request),
        ("POST", "whitelisted") => set_whitelisted(shared, request),
        ("POST", "verdict") => verdict(shared, request),
        _ => wrong(404, format!("no {method} {path} here")),
    }
}

fn done() -> Answer {
    (200, json!({}))
}

fn wrong(status: u16, why: impl Into<String>) -> Answer {
    (status, json!({"error": why.into()}))
}

/// Changes something about the app that the query names.
fn for_app(
    shared: &Shared,
    request: &Request,
    change: impl FnOnce(&mut Platform, &str) -> Option<Value>,
) -> Answer {
    let Some(appid) = request.value("appid") else {
        return wrong(400, "needs appid");
    };
    match shared.change(|platform| change(platform, appid)) {
        Some(body) => (200, body),
        None => wrong(404, format!("unknown appid {appid}")),
    }
}

fn for_account(shared: &Shared, request: &Request, change: impl FnOnce(&mut Account)) -> Answer {
    for_app(shared, request, |platform, appid| {
        platform.accounts.get_mut(appid).map(change)?;
        Some(json!({}))
    })
}

fn set_error(shared: &Shared, request: &Request) -> Answer {
    let errcode = match request.value("errcode").unwrap_or_default() {
        "" => None,
        text => match text.parse() {
            Ok(errcode) => Some(errcode),
            Err(_) => return wrong(400, "errcode is no number; leave it out to clear"),
        },
    };
    for_account(shared, request, |account| account.forced_errcode = errcode)
}

fn consent(shared: &Shared, request: &Request) -> Answer {
    let scope = request.value("scope").and_then(Scope::parse);
    let (Some(openid), Some(scope)) = (request.value("openid"), scope) else {
        return wrong(
            400,
            "needs openid and scope: snsapi_base, snsapi_userinfo or mini_program",
        );
    };
    for_app(shared, request, |platform, appid| {
        let code = platform.consent(appid, openid, scope, Instant::now())?;
        Some(json!({"code": code}))
    })
}

fn set_secret(shared: &Shared, request: &Request) -> Answer {
    let Some(secret) = request.value("secret") else {
        return wrong(400, "needs secret");
    };
    for_account(shared, request, |account| {
        account.secret = secret.to_owned()
    })
}

fn set_daily_limit(shared: &Shared, request: &Request) -> Answer {
    let Some(limit) = request.value("limit").and_then(|text| text.parse().ok()) else {
        return wrong(400, "needs limit, a number");
    };
    for_account(shared, request, |account| account.daily_limit = limit)
}

fn set_whitelisted(shared: &Shared, request: &Request) -> Answer {
    let Some(value) = request.value("value").and_then(|text| text.parse().ok()) else {
        return wrong(400, "needs value, true or false");
    };
    shared.change(|platform| platform.settings.whitelisted = value);
    done()
}

fn add_fault(shared: &Shared, request: &Request) -> Answer {
    let fault = serde_json::from_slice::<FaultForm>(&request.body)
        .map_err(|error| error.to_string())
        .and_then(FaultForm::into_fault);
    match fault {
        Ok(fault) => {
            let FaultId(id) = shared.change(|platform| platform.faults.add(fault));
            (200, json!({"id": id}))
        }
        Err(why) => wrong(400, why),
    }
}

fn remove_fault(shared: &Shared, request: &Request) -> Answer {
    let Some(id) = request.value("id").and_then(|text| text.parse().ok()) else {
        return wrong(400, "needs id, a number");
    };
    shared.change(|platform| platform.faults.remove(FaultId(id)));
    done()
}

fn verdict(shared: &Shared, request: &Request) -> Answer {
    #[derive(Deserialize)]
    struct Question {
        appid: String,
        access_token: String,
    }
    let question: Question = match serde_json::from_slice(&request.body) {
        Ok(question) => question,
        Err(error) => return wrong(400, error.to_string()),
    };
    let now = Instant::now();
    let verdict = shared
        .look()
        .verdict(&question.appid, &question.access_token, now);
    let body = match verdict {
        Verdict::Valid { since, until } => json!({
            "valid": true,
            "valid_for_ms": millis(until.saturating_duration_since(now)),
            "issued_ms_ago": millis(now.saturating_duration_since(since)),
        }),
        Verdict::Dead { since, why } => json!({
            "valid": false,
            "why": format!("{why:?}").to_lowercase(),
            "dead_for_ms": since.map(|since| millis(now.saturating_duration_since(since))),
        }),
    };
    (200, body)
}

fn state(shared: &Shared) -> Value {
    let platform = shared.look();
    let now = Instant::now();
    let describe = |token: &IssuedToken| {
        json!({
            "access_token": token.value,
            "serial": token.serial,
            "valid": token.verdict_at(now).is_valid(),
            "valid_for_ms": millis(token.dies_at.saturating_duration_since(now)),
        })
    };
    let apps: serde_json::Map<_, _> = platform
        .accounts
        .iter()
        .map(|(appid, account)| {
            let token = |index: Option<_>| index.map(|index| describe(platform.tokens.at(index)));
            let calls = platform.record.token_calls(appid).count();
            let app = json!({
                "current": token(account.current),
                "previous": token(account.previous),
                "stable": token(account.stable),
                "token_calls": calls,
                "fetches_in_the_last_day": account.fetches_within(platform.settings.day, now),
                "daily_limit": account.daily_limit,
                "errcode": account.forced_errcode,
            });
            (appid.clone(), app)
        })
        .collect();
    json!({
        "apps": apps,
        "whitelisted": platform.settings.whitelisted,
        "violations": platform.record.violations.len(),
    })
}

fn calls(shared: &Shared) -> Value {
    let since_start = |at: Instant| millis(at.saturating_duration_since(shared.started_at));
    let describe = |call: &Call| {
        let (outcome, serial, errcode) = match call.outcome {
            Outcome::Pending => ("pending", None, None),
            Outcome::Issued { serial } => ("issued", Some(serial), None),
            Outcome::Same { serial } => ("same", Some(serial), None),
            Outcome::Answered => ("answered", None, None),
            Outcome::Refused { errcode } => ("refused", None, Some(errcode)),
            Outcome::NotActed => ("not_acted", None, None),
        };
        json!({
            "at_ms": since_start(call.at),
            "ended_at_ms": call.ended_at.map(since_start),
            "endpoint": call.endpoint.name(),
            "appid": call.appid,
            "forced": call.forced,
            "outcome": outcome,
            "serial": serial,
            "errcode": errcode,
            "fault": call.fault,
        })
    };
    shared.look().record.all().iter().map(describe).collect()
}

fn violations(shared: &Shared) -> Value {
    let describe = |violation: &Violation| {
        json!({
            "at_ms": millis(violation.at.saturating_duration_since(shared.started_at)),
            "endpoint": violation.endpoint.name(),
            "appid": violation.appid,
            "errcode": violation.errcode,
            "what": violation.what,
        })
    };
    let platform = shared.look();
    platform.record.violations.iter().map(describe).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
