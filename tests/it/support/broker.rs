//! A broker as production builds it, running inside the test, and a caller of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use token_broker::app::Application;
use token_broker::config::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::settings::{KEY, Settings};

/// A running replica. Dropped, it stops as by SIGTERM, without waiting for it.
pub(crate) struct TestBroker {
    pub(crate) api: SocketAddr,
    pub(crate) ops: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestBroker {
    /// Builds and starts one replica.
    pub(crate) async fn start(settings: &Settings) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), settings.to_toml()).expect("the configuration is written");
        let config = Config::load(Some(file.path()), std::iter::empty::<(String, String)>())
            .unwrap_or_else(|errors| panic!("{errors}\n{}", settings.to_toml()));
        let application = Application::build(config).expect("the broker is built");
        let (api, ops) = (application.api_address(), application.ops_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let stop = async { drop(stopped.await) };
            application.run(stop).await.expect("the broker runs");
        });
        Self {
            api,
            ops,
            stop: Some(stop),
            running,
        }
    }

    /// A caller of this replica.
    pub(crate) fn caller(&self) -> Caller {
        Caller::new(self.api)
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        Caller::new(self.ops).get("/metrics").await.body
    }

    /// Stops as SIGTERM does, and waits for it.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        (&mut self.running)
            .await
            .expect("the broker stopped cleanly");
    }
}

/// Speaks HTTP to one replica with the tests' key.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    client: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// A reply, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    /// Before the request was sent.
    pub(crate) asked_at: Instant,
    /// After the reply was read.
    pub(crate) answered_at: Instant,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The token in it.
    pub(crate) fn token(&self) -> String {
        let json = self.json();
        json["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token: {}", self.body))
            .to_owned()
    }

    /// Its version.
    pub(crate) fn version(&self) -> u64 {
        self.json()["version"]
            .as_u64()
            .unwrap_or_else(|| panic!("no version: {}", self.body))
    }

    /// The stable code of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Caller {
    /// A caller with the tests' key.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(15))
            .build()
            .expect("a client");
        Self {
            client,
            base: format!("http://{address}"),
            key: Some(KEY.to_owned()),
        }
    }

    /// The same with another key, or none.
    pub(crate) fn with_key(&self, key: Option<&str>) -> Self {
        Self {
            key: key.map(str::to_owned),
            ..self.clone()
        }
    }

    /// Where a path of this replica is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request; a connection that fails is `Err`.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<Reply, reqwest::Error> {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let asked_at = Instant::now();
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await?;
        Ok(Reply {
            status,
            headers,
            body,
            asked_at,
            answered_at: Instant::now(),
        })
    }

    /// `GET`, which must be answered.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.try_send("GET", path, None).await.expect("an answer")
    }

    /// `POST` of JSON, which must be answered.
    pub(crate) async fn post(&self, path: &str, body: serde_json::Value) -> Reply {
        self.try_send("POST", path, Some(body))
            .await
            .expect("an answer")
    }

    /// The current token's reply.
    pub(crate) async fn token(&self, appid: &str) -> Reply {
        self.get(&format!("/token/{appid}")).await
    }

    /// The current token's reply, once it is a 200, within `bound`.
    pub(crate) async fn token_within(&self, appid: &str, bound: Duration) -> Reply {
        let deadline = Instant::now() + bound;
        loop {
            match self.try_send("GET", &format!("/token/{appid}"), None).await {
                Ok(reply) if reply.status == 200 => return reply,
                last if Instant::now() > deadline => panic!("no token within {bound:?}: {last:?}"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}
