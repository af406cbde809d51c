//! What lies where in Redis.
//!
//! | key | type | TTL | holds |
//! |---|---|---|---|
//! | `<ns>:{<appid>}:<kind>:<mode>:grant` | hash | until `Grant::kept_until`: the remaining life less 60 s, or less 1 % of the life where that is shorter | the token or the sealed token, its version, digest, issue and expiry |
//! | `<ns>:{<appid>}:<kind>:<mode>:state` | hash | none: epoch, budget and pause must outlive the grant | all else (`adapters::record` lists the fields) |
//!
//! | channel | messages |
//! |---|---|
//! | `<ns>:signals` | `changed <appid> <kind> <mode> <version>`: look at this record; `asked <appid> <kind> <mode>`: whoever holds a grant puts it back |
//!
//! The braces put both keys of one app into one slot of a cluster. No key and no message but the first
//! hash ever holds a token, there in the field `value`, or sealed in the field `sealed` (`adapters::sealed`).

use crate::domain::app_id::AppId;
use crate::domain::credential::{Credential, Kind, Mode};
use crate::domain::epoch::Version;
use crate::ports::Signal;

/// Names of keys and of the channel, under one namespace.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    namespace: String,
}

impl Keys {
    pub(super) const fn under(namespace: String) -> Self {
        Self { namespace }
    }

    pub(super) fn grant(&self, of: &Credential) -> String {
        self.key(of, "grant")
    }

    pub(super) fn state(&self, of: &Credential) -> String {
        self.key(of, "state")
    }

    pub(super) fn signals(&self) -> String {
        format!("{}:signals", self.namespace)
    }

    fn key(&self, of: &Credential, what: &str) -> String {
        let namespace = &self.namespace;
        let Credential { app, kind, mode } = of;
        format!("{namespace}:{{{app}}}:{kind}:{mode}:{what}")
    }
}

/// A credential as messages write it; the scripts put `changed` before it and a version behind.
pub(super) fn words(of: &Credential) -> String {
    format!("{} {} {}", of.app, of.kind, of.mode)
}

/// The message by which everybody is told to look at a record, whatever its version.
pub(super) fn changed(words: &str) -> String {
    format!("changed {words} 0")
}

/// The message by which a replica asks the others for a grant.
pub(super) fn asked(of: &Credential) -> String {
    format!("asked {}", words(of))
}

/// Reads a message; `None` where it is none of ours, or of a newer release.
pub(super) fn signal(message: &str) -> Option<Signal> {
    match message.split(' ').collect::<Vec<_>>()[..] {
        ["changed", app, kind, mode, version] => Some(Signal::Changed(
            credential(app, kind, mode)?,
            Version(version.parse().ok()?),
        )),
        ["asked", app, kind, mode] => Some(Signal::Asked(credential(app, kind, mode)?)),
        _ => None,
    }
}

fn credential(app: &str, kind: &str, mode: &str) -> Option<Credential> {
    let modes = [Mode::Token, Mode::Stable];
    Some(Credential {
        app: AppId::parse(app).ok()?,
        kind: Kind::ALL.into_iter().find(|known| known.as_str() == kind)?,
        mode: modes.into_iter().find(|known| known.as_str() == mode)?,
    })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_of_an_app_lie_in_one_slot() {
        let keys = Keys::under("ns".to_owned());
        let of = Credential::access_token(AppId::parse("wx1").unwrap(), Mode::Stable);
        assert_eq!(keys.grant(&of), "ns:{wx1}:access_token:stable:grant");
        assert_eq!(keys.state(&of), "ns:{wx1}:access_token:stable:state");
    }

    #[test]
    fn a_ticket_has_keys_of_its_own_in_the_slot_of_its_app() {
        let keys = Keys::under("ns".to_owned());
        let of = Credential::of(
            AppId::parse("wx1").unwrap(),
            Kind::JsapiTicket,
            Mode::Stable,
        );
        assert_eq!(keys.grant(&of), "ns:{wx1}:jsapi_ticket:token:grant");
        assert_eq!(keys.state(&of), "ns:{wx1}:jsapi_ticket:token:state");
    }

    #[test]
    fn messages_read_back_and_strange_ones_are_nothing() {
        for kind in Kind::ALL {
            let of = Credential::of(AppId::parse("wx1").unwrap(), kind, Mode::Token);
            assert_eq!(signal(&asked(&of)), Some(Signal::Asked(of)));
        }
        let of = Credential::access_token(AppId::parse("wx1").unwrap(), Mode::Token);
        let changed = format!("changed {} 17", words(&of));
        assert_eq!(
            signal(&changed),
            Some(Signal::Changed(of.clone(), Version(17)))
        );
        assert_eq!(signal(&asked(&of)), Some(Signal::Asked(of)));
        for strange in [
            "",
            "changed",
            "changed a b c d",
            "asked wx1 access_token",
            "x",
        ] {
            assert_eq!(signal(strange), None, "{strange}");
        }
    }
}
