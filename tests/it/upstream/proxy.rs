//! Proxies: the configured one is used, and one from the environment never.

use std::process::Stdio;

use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Secret;
use token_broker::ports::{Fetched, Upstream};

use super::wire_server::{WireServer, client, credential, ok, settings, token_body};
use crate::support::timed::timed;

#[test]
fn the_configured_proxy_is_asked() {
    timed(async || {
        let proxy = WireServer::answering(ok(&token_body())).await;
        let mut settings = settings("http://upstream.invalid");
        settings.proxy = Some(Secret::new(format!("http://user:pass@{}", proxy.address)));

        let fetched = client(&settings)
            .fetch(&credential(Mode::Token), false)
            .await;

        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        let request = &proxy.requests()[0];
        assert!(request.starts_with("GET http://upstream.invalid/cgi-bin/token?grant_type="));
        assert!(request.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"));
    });
}

#[test]
fn a_proxy_that_makes_no_tunnel_was_sent_nothing_but_the_host() {
    timed(async || {
        for status in [403, 407, 502] {
            let reply = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            let proxy = WireServer::answering(reply).await;
            let mut settings = settings("https://upstream.invalid");
            settings.proxy = Some(Secret::new(format!("http://{}", proxy.address)));

            let fetched = client(&settings)
                .fetch(&credential(Mode::Token), false)
                .await;

            assert!(matches!(fetched, Fetched::NotSent(_)), "{fetched:?}");
            let requests = proxy.requests();
            assert_eq!(requests.len(), 1);
            assert!(requests[0].starts_with("CONNECT upstream.invalid:443 HTTP/1.1\r\n"));
        }
    });
}

/// The variables are read once a process, so the test proper runs in one of its own.
#[test]
fn a_proxy_from_the_environment_is_ignored() {
    timed(async || {
        const UPSTREAM: &str = "TEST_UPSTREAM";
        if let Ok(base_url) = std::env::var(UPSTREAM) {
            let fetched = client(&settings(&base_url))
                .fetch(&credential(Mode::Token), false)
                .await;
            assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
            return;
        }

        let upstream = WireServer::answering(ok(&token_body())).await;
        let proxy = WireServer::answering(ok(&token_body())).await;
        let address = format!("http://{}", proxy.address);
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "upstream::proxy::a_proxy_from_the_environment_is_ignored",
            ])
            .env(UPSTREAM, format!("http://{}", upstream.address))
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .stdout(Stdio::null());
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            child.env(variable, &address);
            child.env(variable.to_lowercase(), &address);
        }

        assert!(child.status().await.unwrap().success());
        assert_eq!((upstream.connections(), proxy.connections()), (1, 0));
    });
}
