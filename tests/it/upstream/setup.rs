//! Settings that cannot be used are refused when the adapter is made, and name their key.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use token_broker::adapters::wechat::{UpstreamSettings, WeChat};
use token_broker::app_secrets::AppSecrets;
use token_broker::domain::secret::Secret;

use super::wire_server::settings;

fn refused(settings: &UpstreamSettings) -> String {
    match WeChat::new(settings, Arc::new(AppSecrets::default())) {
        Ok(client) => panic!("{client:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_base_url_is_http_with_a_host_and_nothing_secret() {
    for base_url in [
        "ftp://api.weixin.qq.com",
        "data:text/plain,x",
        "https://user:canary@api.weixin.qq.com",
        "https://canary@api.weixin.qq.com",
        "https://api.weixin.qq.com/?x=canary",
        "https://api.weixin.qq.com/#canary",
    ] {
        let error = refused(&settings(base_url));
        assert!(error.starts_with("upstream.base_url "), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn a_time_out_of_zero_is_refused() {
    let mut settings = settings("https://api.weixin.qq.com");
    settings.timeout = Duration::ZERO;
    assert!(refused(&settings).starts_with("upstream.timeout "));
}

#[test]
fn a_proxy_that_is_none_is_refused_without_being_repeated() {
    for proxy in ["canary", "socks5://u:canary@h:1", "http://u:canary@:x"] {
        let mut settings = settings("https://api.weixin.qq.com");
        settings.proxy = Some(Secret::new(proxy));
        let error = refused(&settings);
        assert!(error.starts_with("upstream.proxy "), "{error}");
        assert!(
            !format!("{error}{settings:?}").contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn a_ca_file_that_is_missing_or_holds_no_certificate_is_refused() {
    let mut settings = settings("https://api.weixin.qq.com");
    settings.ca_file = Some(PathBuf::from("/nonexistent/ca.pem"));
    assert!(refused(&settings).starts_with("upstream.ca_file /nonexistent/ca.pem: "));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    for content in [
        "",
        "not a certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&path, content).unwrap();
        settings.ca_file = Some(path.clone());
        let error = refused(&settings);
        assert!(!error.is_empty(), "{content}: {error}");
    }
}
