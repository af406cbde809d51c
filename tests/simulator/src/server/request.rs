//! A request as the endpoints see it: all in memory, the query taken apart.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, header};

/// More than any file that a test sends.
const BODY_LIMIT: usize = 256 << 20;

/// One request, read whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Request {
    /// Reads the body; `None` if it does not come whole or is too long.
    pub(crate) async fn read(request: hyper::Request<Incoming>) -> Option<Self> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await.ok()?;
        let query = head.uri.query().unwrap_or_default();
        Some(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    (name.to_string(), text.into_owned())
                })
                .collect(),
            body: body.to_bytes(),
        })
    }

    /// Every value of a query parameter.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a query parameter.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// What the body is said to be.
    pub(crate) fn content_type(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(name, _)| *name == header::CONTENT_TYPE.as_str());
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the body says that it is JSON, in UTF-8 where it says more.
    pub(crate) fn is_json(&self) -> bool {
        let Some(content_type) = self.content_type().map(str::to_ascii_lowercase) else {
            return false;
        };
        let (essence, parameters) = content_type
            .split_once(';')
            .unwrap_or((&content_type, "charset=utf-8"));
        essence.trim() == "application/json" && parameters.trim() == "charset=utf-8"
    }
}
