//! What the targets about stored records have in common: credentials with their rules, keys, and a time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use token_broker::adapters::sealed::Seals;
use token_broker::config::{AppConfig, Config};
use token_broker::domain::app_id::AppId;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::secret::Secret;
use token_broker::domain::time::Timestamp;
use token_broker::ports::Subject;
use token_broker::sealing::{Sealing, SealingKey};

/// In 2026.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// An access token, kept by the default rules.
pub(crate) fn subject(appid: &str, mode: Mode) -> Subject {
    let config = Config::load(None, std::iter::empty()).expect("the defaults");
    let app = AppConfig {
        appid: AppId::parse(appid).expect("an appid"),
        secret: Secret::new("s"),
        mode,
        daily_limit: 2000,
        tickets: Vec::new(),
        jssdk_hosts: Vec::new(),
    };
    let credential = Credential::access_token(app.appid.clone(), mode);
    let rules = app.rules(&credential, &config.refresh, &config.upstream);
    Subject {
        credential,
        rules: rules.into(),
    }
}

/// A store's keys: the first seals, both open.
pub(crate) fn seals(namespace: &str, sealing: Sealing) -> Seals {
    let key = |id: &str, first: u8| {
        let bytes: [u8; 32] = std::array::from_fn(|i| first + u8::try_from(i).expect("below 32"));
        SealingKey::parse(&format!("{id}:{}", STANDARD.encode(bytes))).expect("a key")
    };
    Seals::new(
        namespace,
        &[key("k2", 9), key("k1", 1)],
        sealing,
        Arc::new(()),
    )
}
