//! Where the first host cannot be connected to, the next one is asked; and never where it may have seen a request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use url::Url;

use token_broker::adapters::wechat::{Names, UpstreamSettings};
use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Secret;
use token_broker::ports::{Checked, Fetched, Upstream};

use super::tls::self_signed;
use super::wire_server::{
    SHORT, Step, TOKEN, WireServer, client, credential, ok, settings, token_body,
};
use crate::support::timed::timed;

/// An address where nobody listens.
async fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    format!("http://{address}")
}

fn with_fallbacks(first: &str, others: &[&str]) -> UpstreamSettings {
    UpstreamSettings {
        fallback_urls: others.iter().map(|url| Url::parse(url).unwrap()).collect(),
        ..settings(first)
    }
}

fn url(server: &WireServer) -> String {
    format!("http://{}", server.address)
}

async fn fetch(settings: &UpstreamSettings) -> Fetched {
    client(settings)
        .fetch(&credential(Mode::Token), false)
        .await
}

#[test]
fn the_first_that_can_be_connected_to_is_asked_and_no_other() {
    timed(async || {
        let (second, third) = (
            WireServer::answering(ok(&token_body())).await,
            WireServer::answering(ok(&token_body())).await,
        );
        let first = refusing().await;
        let settings = with_fallbacks(&first, &[&format!("{}/two", url(&second)), &url(&third)]);
        let client = client(&settings);

        for mode in [Mode::Token, Mode::Stable] {
            let fetched = client.fetch(&credential(mode), false).await;
            assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        }

        let requests = second.requests();
        assert!(requests[0].starts_with("GET /two/cgi-bin/token?grant_type="));
        assert!(requests[1].starts_with("POST /two/cgi-bin/stable_token "));
        assert!(requests[1].contains("\"appid\""), "with its body");
        assert_eq!((requests.len(), third.connections()), (2, 0));
    });
}

#[test]
fn one_that_is_there_is_asked_alone_whatever_it_answers() {
    timed(async || {
        for steps in [
            vec![Step::Read, Step::Send(ok(&token_body()))],
            vec![
                Step::Read,
                Step::Send(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n".to_vec()),
            ],
            vec![Step::Read],
            vec![],
            vec![Step::Read, Step::Hang],
        ] {
            let (first, second) = (
                WireServer::start(steps.clone()).await,
                WireServer::answering(ok(&token_body())).await,
            );
            let mut settings = with_fallbacks(&url(&first), &[&url(&second)]);
            settings.timeout = SHORT;

            let fetched = fetch(&settings).await;

            assert!(
                !matches!(fetched, Fetched::NotSent(_)),
                "{steps:?}: {fetched:?}"
            );
            assert_eq!(
                (first.connections(), second.connections()),
                (1, 0),
                "{steps:?}"
            );
        }
    });
}

#[test]
fn a_host_that_cannot_prove_who_it_is_counts_as_one_that_is_away() {
    timed(async || {
        let (tls, _) = self_signed("localhost");
        let first = WireServer::start_tls(tls, [Step::Read]).await;
        let second = WireServer::answering(ok(&token_body())).await;
        let wrong = format!("https://localhost:{}", first.address.port());

        let fetched = fetch(&with_fallbacks(&wrong, &[&url(&second)])).await;

        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        assert!(first.requests().is_empty());
    });
}

#[test]
fn all_tries_together_take_no_longer_than_one_call() {
    timed(async || {
        // An address that answers nothing: its queue of connections is full.
        let full = TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(1).unwrap();
        let address = full.local_addr().unwrap();
        let mut queued = Vec::new();
        let connect =
            || tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
        while let Ok(stream) = connect().await {
            queued.push(stream);
            assert!(queued.len() < 100, "this machine never fills it");
        }
        let silent = format!("http://{address}");
        let mut settings = with_fallbacks(&silent, &[&silent, &silent]);
        settings.timeout = SHORT;
        let began = Instant::now();
        let fetched = fetch(&settings).await;
        assert!(matches!(fetched, Fetched::NotSent(_)), "{fetched:?}");
        assert!(began.elapsed() < SHORT * 2, "{:?}", began.elapsed());

        // With one that answers behind it, there is time for that.
        let second = WireServer::answering(ok(&token_body())).await;
        settings.fallback_urls = vec![Url::parse(&url(&second)).unwrap()];
        settings.timeout = Duration::from_secs(3);
        let client = client(&settings);
        let fetched = client.fetch(&credential(Mode::Token), false).await;
        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        // And the next call does not wait for the first again.
        let began = Instant::now();
        let fetched = client.fetch(&credential(Mode::Token), false).await;
        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        assert!(
            began.elapsed() < Duration::from_millis(900),
            "{:?}",
            began.elapsed()
        );
    });
}

#[test]
fn a_name_is_tried_at_each_of_its_addresses_of_either_kind() {
    timed(async || {
        for listening in ["127.0.0.1:0", "[::1]:0"] {
            let server =
                WireServer::at(listening, [Step::Read, Step::Send(ok(&token_body()))]).await;
            let mut settings = settings(&format!("http://upstream.test:{}", server.address.port()));
            let both = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            settings.names = Names::Fixed(Arc::new(ArcSwap::from_pointee(both)));

            let fetched = fetch(&settings).await;

            assert!(
                matches!(fetched, Fetched::Granted { .. }),
                "{listening}: {fetched:?}"
            );
        }
        let server = WireServer::at("[::1]:0", [Step::Read, Step::Send(ok(&token_body()))]).await;
        let fetched = fetch(&settings(&format!("http://{}", server.address))).await;
        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
    });
}

#[test]
fn a_name_that_moves_is_followed_by_fetches_at_once_and_by_kept_connections_in_time() {
    timed(async || {
        let again = [Step::Read, Step::Send(ok(r#"{"ip_list":[]}"#)), Step::Again];
        let old = WireServer::at("127.0.0.1:0", again.clone()).await;
        let new = WireServer::at(&format!("127.0.0.2:{}", old.address.port()), again).await;
        let at = |last| vec![IpAddr::from([127, 0, 0, last])];
        let addresses = Arc::new(ArcSwap::from_pointee(at(1)));
        let mut settings = settings(&format!("http://upstream.test:{}", old.address.port()));
        settings.names = Names::Fixed(Arc::clone(&addresses));
        settings.connection_age = Duration::from_millis(200);
        let client = client(&settings);
        let check = async || {
            let token = Secret::new(TOKEN);
            let checked = client.check(&credential(Mode::Token), &token).await;
            assert!(matches!(checked, Checked::Accepted), "{checked:?}");
        };
        check().await;
        check().await;
        assert_eq!(old.connections(), 1, "kept");

        addresses.store(Arc::new(at(2)));
        client.fetch(&credential(Mode::Token), false).await;
        assert_eq!(new.requests().len(), 1, "a fetch looks the name up");
        let deadline = Instant::now() + Duration::from_secs(10);
        while new.requests().len() < 2 {
            assert!(
                Instant::now() < deadline,
                "the kept connection goes on for ever"
            );
            check().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
