//! A real proxy: it makes tunnels for who knows its password, and sees nothing of what goes through them.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Secret;
use token_broker::ports::{Fetched, Upstream};

use super::tls::self_signed;
use super::wire_server::{SECRET, Step, WireServer, client, credential, ok, settings, token_body};
use crate::support::timed::timed;

/// `user:p@ss` as a proxy is sent it.
const LOGIN: &str = "proxy-authorization: basic dxnlcjpwqhnz";

struct TunnelProxy {
    port: u16,
    /// Every head that was read, and for what it made a tunnel.
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for TunnelProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TunnelProxy {
    /// A proxy whose tunnels end at `upstream`, whatever host is asked for.
    async fn to(upstream: &WireServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, upstream) = (Arc::clone(&heads), upstream.address);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await.ok()?);
                    }
                    let head = String::from_utf8(head).ok()?;
                    let knows = head.to_lowercase().contains(LOGIN);
                    seen.lock().unwrap().push(head);
                    if !knows {
                        let refusal = b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n";
                        return client.write_all(refusal).await.ok();
                    }
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                    let mut server = TcpStream::connect(upstream).await.ok()?;
                    copy_bidirectional(&mut client, &mut server).await.ok()?;
                    Some(())
                });
            }
        });
        Self { port, heads, task }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

#[test]
fn a_fetch_goes_through_a_tunnel_that_shows_the_proxy_nothing_but_the_host() {
    timed(async || {
        let (tls, ca_file) = self_signed("api.weixin.test");
        let answer = [Step::Read, Step::Send(ok(&token_body()))];
        let upstream = WireServer::start_tls(tls, answer).await;
        let proxy = TunnelProxy::to(&upstream).await;
        let mut settings = settings("https://api.weixin.test");
        settings.ca_file = Some(ca_file.path().to_owned());
        let url = |login: &str| {
            Some(Secret::new(format!(
                "http://{login}127.0.0.1:{}",
                proxy.port
            )))
        };
        settings.proxy = url("user:p%40ss@");

        let fetched = client(&settings)
            .fetch(&credential(Mode::Token), false)
            .await;

        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        assert!(upstream.requests()[0].contains(SECRET), "upstream is told");
        let heads = proxy.heads();
        assert_eq!(heads.len(), 1);
        assert!(heads[0].starts_with("CONNECT api.weixin.test:443 HTTP/1.1\r\n"));
        assert!(!heads[0].contains(SECRET) && !heads[0].contains("cgi-bin"));

        for login in ["", "user:wrong@"] {
            settings.proxy = url(login);
            let fetched = client(&settings)
                .fetch(&credential(Mode::Token), false)
                .await;
            let Fetched::NotSent(why) = fetched else {
                panic!("{fetched:?}");
            };
            assert!(why.contains("the proxy"), "{why}");
            assert!(!why.contains("wrong"), "{why}");
        }
        assert_eq!(upstream.requests().len(), 1, "nothing was sent");
    });
}
