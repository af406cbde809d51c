//! A reader of server-sent events.

use std::net::SocketAddr;
use std::time::Duration;

/// An open stream.
pub(crate) struct EventStream {
    response: reqwest::Response,
    buffer: String,
}

/// One event, or a `retry:` hint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
    pub(crate) retry: Option<u64>,
}

impl Event {
    /// The data as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl EventStream {
    /// Opens the stream of an app; whatever is answered but 200 is `Err`.
    pub(crate) async fn open(
        address: SocketAddr,
        key: &str,
        appid: &str,
        last: Option<&str>,
    ) -> Result<Self, reqwest::Response> {
        let client = reqwest::Client::builder().no_proxy().build();
        let url = format!("http://{address}/token/{appid}/events");
        let mut request = client.expect("a client").get(url).bearer_auth(key);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        if response.status() != 200 {
            return Err(response);
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let buffer = String::new();
        Ok(Self { response, buffer })
    }

    /// The next event or hint within `bound`; `None` at the end of the stream. Comments are left out.
    pub(crate) async fn next(&mut self, bound: Duration) -> Option<Event> {
        tokio::time::timeout(bound, self.read())
            .await
            .unwrap_or_else(|_| panic!("nothing came within {bound:?}"))
    }

    /// Whether nothing but comments comes for so long.
    pub(crate) async fn is_silent_for(&mut self, long: Duration) -> bool {
        tokio::time::timeout(long, self.read()).await.is_err()
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                if !block.starts_with(':') {
                    return Some(parse(&block));
                }
            }
            let chunk = self.response.chunk().await.expect("a whole stream")?;
            self.buffer += std::str::from_utf8(&chunk).expect("text");
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut event.name),
            Some(("id", id)) => id.clone_into(&mut event.id),
            Some(("data", data)) => data.clone_into(&mut event.data),
            Some(("retry", wait)) => event.retry = wait.parse().ok(),
            _ => panic!("no field of an event: {line}"),
        }
    }
    event
}
