//! A fault as the control API takes it: one flat JSON object, so that it is typed easily behind `curl -d`.

use std::time::Duration;

use serde::Deserialize;

use super::{Fault, FaultKind, Garbage};
use crate::platform::calls::Endpoint;

/// The JSON of `POST /_simulator/fault`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultForm {
    kind: String,
    #[serde(default)]
    endpoints: Vec<String>,
    appid: Option<String>,
    times: Option<u32>,
    probability: Option<f64>,
    delay_ms: Option<u64>,
    status: Option<u16>,
    errcode: Option<i64>,
    garbage: Option<String>,
    acts: Option<bool>,
}

impl FaultForm {
    /// The fault, or what is wrong with the form.
    pub(crate) fn into_fault(self) -> Result<Fault, String> {
        let mut fault = Fault::new(self.kind()?);
        for name in &self.endpoints {
            let endpoint = Endpoint::ALL
                .into_iter()
                .find(|endpoint| endpoint.name() == name)
                .ok_or_else(|| format!("unknown endpoint {name}"))?;
            fault = fault.on(endpoint);
        }
        if let Some(appid) = self.appid {
            fault = fault.for_app(appid);
        }
        if let Some(times) = self.times {
            fault = fault.times(times);
        }
        if let Some(probability) = self.probability {
            fault = fault.with_probability(probability);
        }
        Ok(fault)
    }

    fn kind(&self) -> Result<FaultKind, String> {
        let needs = |member: &str| format!("{} needs {member}", self.kind);
        let delay = || {
            let delay = self.delay_ms.ok_or_else(|| needs("delay_ms"))?;
            Ok::<_, String>(Duration::from_millis(delay))
        };
        let status = || {
            self.status
                .filter(|status| (200..=599).contains(status))
                .ok_or_else(|| needs("status, from 200 to 599"))
        };
        let acts = self.acts.unwrap_or(true);
        Ok(match self.kind.as_str() {
            "delay_then_act" => FaultKind::DelayThenAct(delay()?),
            "act_then_delay" => FaultKind::ActThenDelay(delay()?),
            "hang" => FaultKind::Hang { acts },
            "cut_before" => FaultKind::CutBefore,
            "act_then_cut" => FaultKind::ActThenCut,
            "half_reply" => FaultKind::HalfReply,
            "half_then_silence" => FaultKind::HalfThenSilence,
            "status" => FaultKind::Status(status()?),
            "act_then_status" => FaultKind::ActThenStatus(status()?),
            "errcode" => FaultKind::Errcode(self.errcode.ok_or_else(|| needs("errcode"))?),
            "garbage" => {
                let name = self.garbage.as_deref().unwrap_or_default();
                let what = Garbage::named(name).ok_or_else(|| needs("garbage, a known kind"))?;
                FaultKind::Garbage { what, acts }
            }
            "wrong_apps_token" => FaultKind::WrongAppsToken,
            other => return Err(format!("unknown kind {other}")),
        })
    }
}
