//! A client for the tests: the calls a correct caller makes, and one that hands over what came on the wire.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wechat_simulator::{App, Settings, Simulator};

/// The account most tests use.
pub(crate) const APP: &str = "wx0000000000000001";
/// Another, for what must not mix.
pub(crate) const OTHER: &str = "wx0000000000000002";
/// The secret of both.
pub(crate) const SECRET: &str = "secret";
/// Longer than anything here takes.
pub(crate) const BOUND: Duration = Duration::from_secs(5);

/// The documented WeChat with two accounts.
pub(crate) fn settings() -> Settings {
    Settings {
        apps: vec![App::new(APP, SECRET), App::new(OTHER, SECRET)],
        ..Settings::default()
    }
}

/// The documented WeChat.
pub(crate) async fn wechat() -> Simulator {
    Simulator::start(settings()).await.unwrap()
}

/// A client that keeps no connection and follows no redirect.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(BOUND)
        .build()
        .unwrap()
}

/// A GET that answers with JSON.
pub(crate) async fn get(wechat: &Simulator, target: &str) -> Value {
    try_get(wechat, target).await.unwrap()
}

/// A GET that may fail.
pub(crate) async fn try_get(wechat: &Simulator, target: &str) -> reqwest::Result<Value> {
    let url = format!("{}{target}", wechat.base_url());
    client().get(url).send().await?.json().await
}

/// A POST of JSON.
pub(crate) async fn post(wechat: &Simulator, target: &str, body: &Value) -> Value {
    let url = format!("{}{target}", wechat.base_url());
    let request = client().post(url).json(body);
    request.send().await.unwrap().json().await.unwrap()
}

/// The path and query of a correct token fetch.
pub(crate) fn token_target(appid: &str) -> String {
    format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={SECRET}")
}

/// Fetches a token, and returns it.
pub(crate) async fn fetch(wechat: &Simulator, appid: &str) -> String {
    let reply = get(wechat, &token_target(appid)).await;
    reply["access_token"].as_str().unwrap().to_owned()
}

/// Asks for the stable token.
pub(crate) async fn stable(wechat: &Simulator, force: bool) -> Value {
    let body = json!({
        "grant_type": "client_credential",
        "appid": APP,
        "secret": SECRET,
        "force_refresh": force,
    });
    post(wechat, "/cgi-bin/stable_token", &body).await
}

/// Asks whether WeChat accepts a token.
pub(crate) async fn check(wechat: &Simulator, token: &str) -> Value {
    let target = format!("/cgi-bin/get_api_domain_ip?access_token={token}");
    get(wechat, &target).await
}

/// All that comes back on a connection of its own until it is closed.
pub(crate) async fn raw_get(wechat: &Simulator, target: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(wechat.address()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: wechat\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    let reading = stream.read_to_end(&mut reply);
    tokio::time::timeout(BOUND, reading).await.unwrap().unwrap();
    reply
}
