//! One call, from the request to what goes on the wire. What WeChat does and what the caller hears part ways
//! here: that is what a fault is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Request, Shared};
use crate::endpoints::{self, Content, File, Route};
use crate::faults::FaultKind;
use crate::faults::rendering::{Original, RawReply, Then, half_of_file};
use crate::platform::Platform;
use crate::platform::calls::{CallNumber, Endpoint, Outcome, Violation};
use crate::platform::history::fake_credential;

/// Where a redirect fault leads; whoever comes has carried its secrets to another host.
pub(super) const TRAP: &str = "/_simulator/trap";

/// What the caller hears.
#[derive(Debug)]
pub(super) enum Wire {
    Reply { status: u16, body: Value },
    File(File),
    Raw(RawReply),
    Cut,
    Silence,
}

impl Wire {
    fn ok(body: Value) -> Self {
        Self::Reply { status: 200, body }
    }
}

/// Leads one call through. Dropped early, because the caller went away, it is still acted on.
pub(super) async fn exchange(shared: Arc<Shared>, local: SocketAddr, request: Request) -> Wire {
    let Some(route) = endpoints::find(&request.path) else {
        let what = match request.path.as_str() {
            TRAP => "followed a redirect".to_owned(),
            path => format!("unknown path {path}"),
        };
        return nowhere(&shared, what);
    };
    let (call, fault, latency) = shared.change(|platform| open(platform, route, &request));
    let call = OpenCall { shared, call };
    let delay_before = match fault {
        Some(FaultKind::DelayThenAct(delay)) => latency + delay,
        _ => latency,
    };
    let acting = {
        let (shared, call) = (Arc::clone(&call.shared), call.call);
        async move {
            sleep(delay_before).await;
            shared.change(|platform| act(platform, route, &request, call, fault, local))
        }
    };
    let wire = tokio::spawn(acting).await.unwrap_or(Wire::Cut);
    if let Some(FaultKind::ActThenDelay(delay)) = fault {
        sleep(delay).await;
    }
    if let Wire::Silence = wire {
        std::future::pending::<()>().await;
    }
    wire
}

fn open(
    platform: &mut Platform,
    route: &Route,
    request: &Request,
) -> (CallNumber, Option<FaultKind>, Duration) {
    let appid = endpoints::appid_of(platform, request);
    let fault = platform.faults.strike(route.endpoint, appid.as_deref());
    let number = platform.record.open(Instant::now(), route.endpoint, appid);
    let call = platform.record.at_mut(number);
    call.fault = fault.map(FaultKind::name);
    call.forced = endpoints::is_forced(request);
    (number, fault, platform.settings.latency)
}

/// Lets WeChat act, if it does, and puts the reply into the fault's hands.
fn act(
    platform: &mut Platform,
    route: &Route,
    request: &Request,
    call: CallNumber,
    fault: Option<FaultKind>,
    local: SocketAddr,
) -> Wire {
    let content = if fault.is_none_or(FaultKind::acts) {
        answer(platform, route, request, call)
    } else {
        platform.record.at_mut(call).outcome = Outcome::NotActed;
        json!({route.credential: fake_credential("never-issued", 0), "expires_in": 7200}).into()
    };
    let body = match content {
        Content::Json(body) => body,
        Content::File(file) => match fault {
            None | Some(FaultKind::DelayThenAct(_) | FaultKind::ActThenDelay(_)) => {
                return Wire::File(file);
            }
            Some(FaultKind::HalfReply) => return Wire::Raw(half_of_file(&file, Then::Close)),
            Some(FaultKind::HalfThenSilence) => {
                return Wire::Raw(half_of_file(&file, Then::Silence));
            }
            // The others do not look at what is in a reply.
            Some(_) => json!({}),
        },
    };
    let original = |body| Original {
        body,
        credential: route.credential,
        trap: format!("http://localhost:{}{TRAP}", local.port()),
    };
    match fault {
        None | Some(FaultKind::DelayThenAct(_) | FaultKind::ActThenDelay(_)) => Wire::ok(body),
        Some(FaultKind::Hang { .. }) => Wire::Silence,
        Some(FaultKind::CutBefore | FaultKind::ActThenCut) => Wire::Cut,
        Some(FaultKind::HalfReply) => Wire::Raw(original(body).half(Then::Close)),
        Some(FaultKind::HalfThenSilence) => Wire::Raw(original(body).half(Then::Silence)),
        Some(FaultKind::Status(status) | FaultKind::ActThenStatus(status)) => Wire::Reply {
            status,
            body: Value::Null,
        },
        Some(FaultKind::Errcode(errcode)) => Wire::ok(platform.refusal(errcode).body()),
        Some(FaultKind::Garbage { what, .. }) => Wire::Raw(original(body).render(what)),
        Some(FaultKind::WrongAppsToken) => {
            let appid = platform.record.at_mut(call).appid.clone();
            Wire::ok(with_another_apps_token(platform, route, body, appid))
        }
    }
}

/// The correct reply; what WeChat did goes into the record.
fn answer(platform: &mut Platform, route: &Route, request: &Request, call: CallNumber) -> Content {
    let now = Instant::now();
    let result = route.answer(platform, request, now);
    let call = platform.record.at_mut(call);
    match result {
        Ok(answer) => {
            call.outcome = answer.outcome;
            answer.body
        }
        Err(refusal) => {
            let errcode = refusal.errcode;
            call.outcome = Outcome::Refused { errcode };
            if let Some(what) = &refusal.violation {
                let violation = Violation {
                    at: now,
                    endpoint: route.endpoint,
                    appid: call.appid.clone(),
                    errcode,
                    what: what.clone(),
                };
                platform.record.violations.push(violation);
            }
            refusal.body().into()
        }
    }
}

/// Puts another app's current token where the caller's own was.
fn with_another_apps_token(
    platform: &mut Platform,
    route: &Route,
    mut body: Value,
    appid: Option<String>,
) -> Value {
    let other = platform
        .accounts
        .keys()
        .find(|other| Some(*other) != appid.as_ref())
        .cloned();
    if let Some(other) = other {
        if platform.current(&other).is_none() {
            platform.rotate(&other, Instant::now());
        }
        if let (Some(token), Some(credential)) =
            (platform.current(&other), body.get_mut(route.credential))
        {
            *credential = json!(token.value);
        }
    }
    body
}

fn nowhere(shared: &Shared, what: String) -> Wire {
    shared.change(|platform| {
        let at = Instant::now();
        let call = platform.record.open(at, Endpoint::Nowhere, None);
        let call = platform.record.at_mut(call);
        call.outcome = Outcome::Refused { errcode: 404 };
        call.ended_at = Some(at);
        platform.record.violations.push(Violation {
            at,
            endpoint: Endpoint::Nowhere,
            appid: None,
            errcode: 404,
            what,
        });
    });
    Wire::Reply {
        status: 404,
        body: Value::Null,
    }
}

/// Writes down when a call ends, whichever way it does.
struct OpenCall {
    shared: Arc<Shared>,
    call: CallNumber,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.shared.change(|platform| {
            platform.record.at_mut(self.call).ended_at = Some(Instant::now());
        });
    }
}
