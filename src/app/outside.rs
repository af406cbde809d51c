//! The outside as configured: the store with what listens to it, and WeChat.

use std::sync::Arc;

use url::Url;

use super::StartError;
use crate::adapters::embedded::EmbeddedStore;
use crate::adapters::redis::{RedisSettings, RedisSignals, RedisStore, ServerClock, TlsFiles};
use crate::adapters::sealed::Seals;
use crate::adapters::wechat::{CONNECTION_AGE, Names, UpstreamSettings, WeChat};
use crate::config::{Backend, Config};
use crate::domain::secret::Secret;
use crate::fingerprint::origin_of;
use crate::metrics::{MeteredStore, MeteredUpstream, Metrics};
use crate::ports::{SecretSource, Store};

/// The store, and what it tells without being asked.
pub(super) fn store(
    config: &Config,
    metrics: &Metrics,
) -> Result<(Arc<dyn Store>, Option<RedisSignals>), StartError> {
    let origin = origin_of(&Url::parse(&config.upstream.base_url)?);
    let sealing = &config.store.sealing;
    let namespace = &config.store.namespace;
    let seals = Arc::new(Seals::new(
        namespace,
        &sealing.keys,
        sealing.sealing,
        metrics.seals(),
    ));
    match &config.store.backend {
        Backend::Embedded { path } => {
            let store = EmbeddedStore::open(path, origin)?.sealed_by(seals);
            Ok((Arc::new(MeteredStore::new(store, metrics.store())), None))
        }
        Backend::Redis {
            url,
            tls,
            connect_timeout,
            reply_timeout,
            pool_size,
        } => {
            let settings = RedisSettings {
                url: Secret::new(url.expose()),
                tls: TlsFiles {
                    ca: tls.ca_file.clone(),
                    client: tls
                        .client_cert_file
                        .clone()
                        .zip(tls.client_key_file.clone()),
                },
                namespace: namespace.clone(),
                connect_timeout: *connect_timeout,
                reply_timeout: *reply_timeout,
                pool_size: *pool_size,
                origin,
                clock: ServerClock::Server,
            };
            let store = RedisStore::new(&settings)?.sealed_by(seals);
            let signals = store.signals();
            let store = MeteredStore::new(store, metrics.store());
            Ok((Arc::new(store), Some(signals)))
        }
    }
}

/// WeChat, asked with the AppSecrets of the moment.
pub(super) fn upstream(
    config: &Config,
    metrics: &Metrics,
    secrets: Arc<dyn SecretSource>,
) -> Result<Arc<MeteredUpstream<WeChat>>, StartError> {
    let fallback_urls = config.upstream.fallback_urls.iter();
    let fallback_urls = fallback_urls.map(|url| Url::parse(url));
    let settings = UpstreamSettings {
        base_url: Url::parse(&config.upstream.base_url)?,
        fallback_urls: fallback_urls.collect::<Result<_, _>>()?,
        timeout: config.upstream.timeout,
        connection_age: CONNECTION_AGE,
        names: Names::System,
        proxy: config.upstream.proxy.clone(),
        ca_file: config.upstream.ca_file.clone(),
    };
    let upstream = WeChat::new(&settings, secrets)?;
    Ok(Arc::new(MeteredUpstream::new(upstream, metrics.upstream())))
}
