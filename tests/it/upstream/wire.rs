//! What is sent, byte by byte, and what WeChat's documented replies become.

use std::time::Duration;

use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Secret;
use token_broker::fingerprint::digest_of;
use token_broker::ports::{Checked, Fetched, Upstream};

use super::wire_server::{SECRET, Step, TOKEN, WireServer, client, credential, ok, token_body};
use crate::support::timed::timed;

fn granted() -> Fetched {
    Fetched::Granted {
        value: Secret::new(TOKEN),
        digest: digest_of(TOKEN),
        life: Duration::from_secs(7200),
    }
}

fn user_agent() -> String {
    format!("user-agent: token-broker/{}", env!("CARGO_PKG_VERSION"))
}

#[test]
fn a_fetch_in_token_mode_is_the_documented_get() {
    timed(async || {
        let server = WireServer::answering(ok(&token_body())).await;

        let fetched = server.client().fetch(&credential(Mode::Token), true).await;

        assert_eq!(fetched, granted());
        let expected = format!(
            "GET /cgi-bin/token?grant_type=client_credential&appid=wx0000000000000001&secret={SECRET} HTTP/1.1\r\naccept: */*\r\n{}\r\nhost: {}\r\n\r\n",
            user_agent(),
            server.address,
        );
        assert_eq!(server.requests(), [expected]);
    });
}

#[test]
fn a_fetch_in_stable_mode_is_the_documented_post() {
    timed(async || {
        for force in [false, true] {
            let server = WireServer::answering(ok(&token_body())).await;

            let fetched = server
                .client()
                .fetch(&credential(Mode::Stable), force)
                .await;

            assert_eq!(fetched, granted());
            let requests = server.requests();
            let [request] = requests.as_slice() else {
                panic!("{} requests", requests.len());
            };
            let (head, body) = request.split_once("\r\n\r\n").expect("head and body");
            let mut lines = head.lines();
            assert_eq!(lines.next(), Some("POST /cgi-bin/stable_token HTTP/1.1"));
            let mut headers: Vec<_> = lines.collect();
            headers.sort_unstable();
            let (agent, host) = (user_agent(), format!("host: {}", server.address));
            let length = format!("content-length: {}", body.len());
            let mut expected: Vec<&str> = vec![
                "accept: */*",
                &length,
                "content-type: application/json",
                &host,
                &agent,
            ];
            expected.sort_unstable();
            assert_eq!(headers, expected);
            assert_eq!(
                body,
                format!(
                    r#"{{"grant_type":"client_credential","appid":"wx0000000000000001","secret":"{SECRET}","force_refresh":{force}}}"#
                )
            );
        }
    });
}

#[test]
fn a_check_is_the_documented_get_with_the_token_encoded() {
    timed(async || {
        let server = WireServer::answering(ok(r#"{"ip_list":["101.226.62.77"]}"#)).await;

        let checked = server
            .client()
            .check(&credential(Mode::Token), &Secret::new("a+b/c=&d"))
            .await;

        assert_eq!(checked, Checked::Accepted);
        assert_eq!(
            server.requests()[0].lines().next(),
            Some("GET /cgi-bin/get_api_domain_ip?access_token=a%2Bb%2Fc%3D%26d HTTP/1.1")
        );
    });
}

#[test]
fn a_base_url_may_have_a_path() {
    timed(async || {
        let server = WireServer::answering(ok(&token_body())).await;
        let mut settings = server.settings();
        settings.base_url.set_path("/wechat/");

        let fetched = client(&settings)
            .fetch(&credential(Mode::Token), false)
            .await;

        assert_eq!(fetched, granted());
        assert!(server.requests()[0].starts_with("GET /wechat/cgi-bin/token?grant_type="));
    });
}

#[test]
fn a_chunked_reply_and_one_that_ends_with_the_connection_are_whole() {
    timed(async || {
        let body = token_body();
        let (first, second) = body.split_at(20);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len(),
        );
        let until_closed = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        for reply in [chunked, until_closed] {
            let server = WireServer::answering(&reply).await;
            let fetched = server.client().fetch(&credential(Mode::Token), false).await;
            assert_eq!(fetched, granted(), "{reply}");
        }
    });
}

#[test]
fn an_error_of_wechats_is_refused_with_what_a_person_needs() {
    timed(async || {
        let body = r#"{"errcode":40164,"errmsg":"invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 60f7e0b5-0d3b2b3e-1b2c3d4e"}"#;
        let server = WireServer::answering(ok(body)).await;

        match server.client().fetch(&credential(Mode::Token), false).await {
            Fetched::Refused(error) => {
                assert_eq!(error.code, 40164);
                assert_eq!(error.ip.as_deref(), Some("1.2.3.4"));
                assert_eq!(error.rid.as_deref(), Some("60f7e0b5-0d3b2b3e-1b2c3d4e"));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn each_fetch_has_a_connection_of_its_own_and_checks_share_theirs() {
    timed(async || {
        let forever = |body: &str| [Step::Read, Step::Send(ok(body)), Step::Again];

        let fetched_from = WireServer::start(forever(&token_body())).await;
        let client = fetched_from.client();
        for mode in [Mode::Token, Mode::Token, Mode::Stable] {
            assert_eq!(client.fetch(&credential(mode), false).await, granted());
        }
        assert_eq!(fetched_from.connections(), 3);

        let checked_at = WireServer::start(forever(r#"{"ip_list":[]}"#)).await;
        let client = checked_at.client();
        for _ in 0..10 {
            let checked = client
                .check(&credential(Mode::Token), &Secret::new(TOKEN))
                .await;
            assert_eq!(checked, Checked::Accepted);
        }
        assert_eq!(checked_at.requests().len(), 10);
        // A call may come before the connection of the one before is back in its place, and dial; there are two then.
        let connections = checked_at.connections();
        assert!(connections <= 2, "{connections}");
    });
}
