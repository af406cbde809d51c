//! A broker with a gateway of small bounds, and requests as a caller writes them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use token_broker::key::CallerKey;
use wechat_simulator::{Endpoint, Simulator};

use super::super::rig::{APP, settings, wechat};
use crate::support::broker::{Caller, TestBroker};
use crate::support::settings::{KEY, Settings};

/// Where the simulator tells what it saw.
pub(super) const ECHO: &str = "/wxa/simulator/echo";

/// The key of a caller that may only send messages.
pub(super) const MESSENGER: &str =
    "tbk_messenger_1111111111111111111111111111111111111111111111111111111111111111";

pub(super) struct Gateway {
    pub(super) wechat: Simulator,
    pub(super) broker: TestBroker,
    pub(super) caller: Caller,
    http: reqwest::Client,
    _directory: TempDir,
}

impl Gateway {
    pub(super) async fn start() -> Self {
        Self::with("").await
    }

    /// The same with these lines in `[gateway]`.
    pub(super) async fn with(lines: &str) -> Self {
        Self::tuned(lines, |settings| settings).await
    }

    /// The same with other settings of a broker.
    pub(super) async fn tuned(lines: &str, tune: impl FnOnce(Settings) -> Settings) -> Self {
        let wechat = wechat(Vec::new()).await;
        let directory = TempDir::new().expect("a directory");
        let settings = tune(Self::settings(&wechat, &directory, lines));
        let broker = TestBroker::start(&settings).await;
        let caller = broker.caller();
        caller.token_within(APP, Duration::from_secs(10)).await;
        Self {
            wechat,
            broker,
            caller,
            http: client(),
            _directory: directory,
        }
    }

    pub(super) fn settings(wechat: &Simulator, directory: &TempDir, lines: &str) -> Settings {
        let mut settings = settings(wechat, directory);
        settings.gateway = lines.to_owned();
        let hash = CallerKey::parse(MESSENGER)
            .expect("a key")
            .hash()
            .to_string();
        settings.callers.push_str(&format!(
            "[[callers]]\nid = \"messenger\"\nkeys = [\"sha256:{hash}\"]\n\
             allow = [{{ appids = [\"*\"], verbs = [\"call\"], paths = [\"/cgi-bin/message/**\"] }}]\n"
        ));
        settings
    }

    pub(super) async fn token(&self) -> String {
        self.caller.token(APP).await.token()
    }

    /// A request with a key, to be sent to a path of WeChat's for the app.
    pub(super) fn keyed(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, &format!("/gateway/{APP}{path}"))
            .bearer_auth(KEY)
    }

    /// A request with nothing of ours.
    pub(super) fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let url = format!("http://{}{path}", self.broker.api);
        self.http.request(method, url)
    }

    /// How often WeChat was asked for anything but tokens and checks.
    pub(super) fn asked(&self) -> usize {
        let ours =
            |endpoint: &Endpoint| !endpoint.fetches_tokens() && *endpoint != Endpoint::ApiDomainIp;
        let calls = self.wechat.calls();
        calls.iter().filter(|call| ours(&call.endpoint)).count()
    }
}

fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.build().expect("a client")
}

/// Sends bytes as they are, and reads until the broker closes or says nothing more.
pub(super) async fn exchange(address: SocketAddr, sent: Vec<u8>) -> String {
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // It may answer and close before all is sent.
        let _ = stream.write_all(&sent);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(_) if !answer.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    });
    let answer = exchanged.await.expect("it does not panic");
    answer.unwrap_or_else(|error| panic!("no answer: {error}"))
}

/// Sends it and reads the JSON that comes with this status.
pub(super) async fn json(request: reqwest::RequestBuilder, status: u16) -> Value {
    let response = request.send().await.expect("an answer");
    let (told, body) = (response.status().as_u16(), response.text().await);
    let body = body.expect("a whole answer");
    assert_eq!(told, status, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
