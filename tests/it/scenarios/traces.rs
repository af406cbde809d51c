//! Traces: a real collector gets the spans of a real broker, with the callers' traces as parents and nothing secret in
//! them; one that is away costs nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wechat_simulator::{Endpoint, Fault, FaultKind, Settings as WeChatSettings, Simulator};

use crate::support::fleet::{APP, apps, eventually, sample, wechat_with};
use crate::support::process::Process;
use crate::support::settings::{KEY, Settings, StoreUnderTest};
use crate::support::timed::timed;

const SOON: Duration = Duration::from_secs(20);

/// What a collector was sent: requests as they came, with their heads.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Requests>>);

type Requests = Vec<(String, Vec<u8>)>;

impl Collector {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let collector = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(collector.clone().serve(stream));
            }
        });
        address
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut read = Vec::new();
        while stream
            .read_buf(&mut read)
            .await
            .is_ok_and(|bytes| bytes > 0)
        {
            let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length = length
                .and_then(|length| length.parse::<usize>().ok())
                .expect("a length");
            if read.len() < end + 4 + length {
                continue;
            }
            let body = read[end + 4..end + 4 + length].to_vec();
            read.drain(..end + 4 + length);
            self.0.lock().expect("not poisoned").push((head, body));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn requests(&self) -> Requests {
        self.0.lock().expect("not poisoned").clone()
    }

    fn spans(&self) -> Vec<Span> {
        let decoded = self
            .requests()
            .into_iter()
            .map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).expect("spans"));
        let scopes = decoded
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        spans
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    list.iter()
        .map(|pair| (pair.key.clone(), text(&pair.value)))
        .collect()
}

fn of(span: &Span) -> BTreeMap<String, String> {
    attributes(&span.attributes)
}

fn traced(wechat: &Simulator, directory: &TempDir, traces: String) -> Settings {
    let store = StoreUnderTest::Embedded {
        path: directory.path().join("store.redb"),
    };
    Settings {
        traces,
        ..Settings::new(&wechat.base_url(), store).apps(apps(1))
    }
}

async fn wechat() -> Simulator {
    // Long lives: nothing is due twice while a test runs.
    let lives = WeChatSettings {
        token_life: Duration::from_secs(7200),
        ..wechat_with(&apps(1))
    };
    let started = Simulator::start(lives).await;
    started.expect("the simulator starts")
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Asks as part of a caller's trace.
async fn ask(process: &Process, path: &str) -> (u16, String) {
    let url = process.caller().await.url(path);
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let request = client.get(url).bearer_auth(KEY);
    let request = request
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("x-request-id", "request-of-the-test");
    let answer = request.send().await.expect("an answer");
    (
        answer.status().as_u16(),
        answer.text().await.expect("a body"),
    )
}

#[test]
fn a_collector_gets_spans_in_the_traces_of_the_callers_and_no_secret() {
    timed(async || {
        let collector = Collector::default();
        let address = collector.start().await;
        let directory = tempfile::tempdir().expect("a directory");
        let headers = directory.path().join("headers");
        std::fs::write(&headers, "x-api-key: canary-of-the-collector\n").expect("written");
        let wechat = wechat().await;
        // The first token takes its time: whoever asks for it waits.
        wechat.faults().add(
            Fault::new(FaultKind::ActThenDelay(Duration::from_secs(2)))
                .on(Endpoint::Token)
                .once(),
        );
        let traces = format!(
            "endpoint = \"http://{address}/v1/traces\"\nheaders_file = {:?}\nservice_name = \"broker-under-test\"",
            headers.display().to_string()
        );
        let settings = Settings {
            timeout: Duration::from_secs(5),
            ..traced(&wechat, &directory, traces)
        };
        let settings = settings.refresh("lease", "10s").refresh("overlap", "30s");
        let settings = settings.refresh("min_spacing", "31s");
        let mut process = Process::listening(&settings).await;

        let (status, first) = ask(&process, &format!("/token/{APP}")).await;
        assert_eq!(status, 200, "{first}");
        let (status, echo) = ask(&process, &format!("/gateway/{APP}/wxa/simulator/echo")).await;
        assert_eq!(status, 200, "{echo}");
        // What is answered from memory makes no span.
        for _ in 0..20 {
            ask(&process, &format!("/token/{APP}")).await;
        }
        let checked = async || !collector.named("check").is_empty();
        eventually("a check is told", SOON, checked).await;
        process.terminate();
        assert_eq!(process.ended(SOON).await, Some(0));

        // What was under way is delivered at the end; nothing is said twice.
        let cold = collector.named("cold_get");
        assert_eq!(cold.len(), 1, "{cold:?}");
        let calls = collector.named("gateway_call");
        assert_eq!(calls.len(), 1, "{calls:?}");
        for span in [&cold[0], &calls[0]] {
            assert_eq!(hex::encode(&span.trace_id), TRACE);
            assert_eq!(hex::encode(&span.parent_span_id), PARENT);
            assert_eq!(of(span)["appid"], APP);
            assert_eq!(of(span)["request_id"], "request-of-the-test");
            assert!(span.end_time_unix_nano > span.start_time_unix_nano);
        }
        assert_eq!(of(&cold[0])["outcome"], "served");
        assert_eq!(of(&calls[0])["outcome"], "answered");
        let refreshes = collector.named("refresh");
        let first = &refreshes[0];
        assert!(first.parent_span_id.is_empty(), "{first:?}");
        assert_eq!(
            (of(first)["reason"].as_str(), of(first)["outcome"].as_str()),
            ("missing", "done")
        );
        assert_eq!(of(first)["version"], of(&cold[0])["version"]);
        let fetch = &collector.named("fetch")[0];
        assert_eq!(fetch.parent_span_id, first.span_id);
        assert_eq!(fetch.trace_id, first.trace_id);
        assert_eq!(of(fetch)["outcome"], "granted");
        assert_eq!(of(&collector.named("check")[0])["reason"], "watch");

        // WeChat hears of no trace.
        assert!(
            !echo.contains("traceparent") && !echo.contains(TRACE),
            "{echo}"
        );
        let known = [
            "appid",
            "kind",
            "version",
            "reason",
            "outcome",
            "errcode",
            "request_id",
        ];
        for span in collector.spans() {
            let attributes = of(&span);
            let strange: Vec<_> = attributes
                .keys()
                .filter(|key| !known.contains(&key.as_str()))
                .collect();
            assert!(strange.is_empty(), "{strange:?}");
            assert!(span.events.is_empty(), "{span:?}");
        }
        let tokens = wechat.tokens(APP).into_iter();
        let mut secrets: Vec<_> = tokens.map(|token| token.value).collect();
        secrets.extend([KEY.to_owned(), settings.apps[0].secret.clone()]);
        for (head, body) in collector.requests() {
            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
            assert!(
                head.contains("x-api-key: canary-of-the-collector"),
                "{head}"
            );
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains("broker-under-test"));
            assert!(secrets.iter().all(|secret| !text.contains(secret)));
            assert!(!text.contains("canary"));
        }
        assert!(!process.log().contains("canary"), "{}", process.log());
    });
}

#[test]
fn a_collector_that_is_away_or_hangs_costs_a_line_and_a_count_and_no_reply() {
    timed(async || {
        let hanging = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let hanging_at = hanging.local_addr().expect("an address");
        for address in ["127.0.0.1:1".to_owned(), hanging_at.to_string()] {
            let directory = tempfile::tempdir().expect("a directory");
            let wechat = wechat().await;
            let traces = format!("endpoint = \"http://{address}/v1/traces\"\ntimeout = \"500ms\"");
            let mut process = Process::listening(&traced(&wechat, &directory, traces)).await;
            let caller = process.caller().await;
            caller.token_within(APP, SOON).await;
            let lost = async || {
                let lost = [("outcome", "lost")];
                sample(
                    &process.metrics().await,
                    "token_broker_trace_spans_total",
                    &lost,
                )
            };
            let deadline = Instant::now() + SOON;
            while lost().await < 3.0 {
                assert!(Instant::now() < deadline, "{}", process.log());
                assert_eq!(caller.token(APP).await.status, 200);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let begun = Instant::now();
            process.terminate();
            assert_eq!(process.ended(SOON).await, Some(0));
            // The last spans have their own bound.
            assert!(
                begun.elapsed() < Duration::from_secs(8),
                "{:?}",
                begun.elapsed()
            );
            let log = process.log();
            let lines = log
                .lines()
                .filter(|line| line.contains("spans cannot be delivered"));
            assert_eq!(lines.count(), 1, "{log}");
        }
    });
}
