//! The lines of the log that people look for: a refresh that was made, and one that WeChat refused.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::domain::credential::Credential;
use crate::domain::epoch::Version;
use crate::domain::protocol::Reason;
use crate::domain::upstream_error::UpstreamError;

/// A grant was fetched and stored; whether it is a new one.
pub(super) fn log_refreshed(
    credential: &Credential,
    version: Version,
    reason: Reason,
    life: Duration,
    renewed: bool,
) {
    let (appid, kind) = (&credential.app, credential.kind);
    let (reason, life_s) = (reason.as_str(), life.as_secs());
    if renewed {
        info!(%appid, %kind, %version, reason, life_s, "refreshed");
    } else {
        info!(%appid, %version, reason, life_s, "upstream has not renewed the stable token yet");
    }
}

/// One line for whoever asks why there is no new token: what WeChat said, and what to do.
pub(super) fn log_refused(
    credential: &Credential,
    reason: Reason,
    error: &UpstreamError,
    cooldown: Duration,
) {
    let (app, kind) = (&credential.app, credential.kind);
    let class = error.class_for(kind);
    let (reason, wait_s) = (reason.as_str(), cooldown.as_secs());
    let rid = error.rid.as_deref().unwrap_or("");
    let ip = error.ip.as_deref().unwrap_or("");
    macro_rules! line {
        ($level:ident) => {
            $level!(
                appid = %app, %kind, reason, errcode = error.code, errmsg = error.message, rid, ip,
                class = class.as_str(), wait_s, "{}: {}", class.meaning(), class.advice()
            )
        };
    }
    if class.needs_a_person() {
        line!(error);
    } else {
        line!(warn);
    }
}
