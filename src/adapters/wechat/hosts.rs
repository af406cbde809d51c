//! Which of WeChat's hosts is asked: the base URL's, and where that cannot be connected to, one of those that stand
//! by.
//!
//! Another host is tried only where it is certain that nothing was sent. All tries together take no longer than
//! one call may. A host that stood in is asked first for a while, so that not every call waits for one that is
//! away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Request, RequestBuilder, Response};
use tracing::{info, warn};
use url::Url;

use super::failure::Failure;

/// How long a host that stood in is asked first.
const STAND_IN: Duration = Duration::from_secs(60);

/// The hosts, in their order.
#[derive(Debug)]
pub(super) struct Hosts {
    /// The base URL, then those that stand by.
    urls: Vec<Url>,
    timeout: Duration,
    /// Which one stands in, and since when.
    standing_in: Mutex<Option<(usize, Instant)>>,
    /// Why none could be asked, the last time that one was.
    complaint: Mutex<Option<String>>,
}

impl Hosts {
    pub(super) fn new(base_url: &Url, fallback_urls: &[Url], timeout: Duration) -> Self {
        let urls = std::iter::once(base_url).chain(fallback_urls);
        Self {
            urls: urls.cloned().collect(),
            timeout,
            standing_in: Mutex::new(None),
            complaint: Mutex::new(None),
        }
    }

    /// Why none could be asked lately, and which key of the configuration to look at.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complained().clone()
    }

    fn complain(&self, failure: &Failure) {
        let key = match self.urls.len() {
            1 => "upstream.base_url",
            _ => "upstream.base_url and upstream.fallback_urls",
        };
        *self.complained() = Some(format!("{key}: {}", failure.reason));
    }

    fn complained(&self) -> MutexGuard<'_, Option<String>> {
        self.complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request that was built for the base URL. The whole exchange, the reply's body included, ends within
    /// the time of one call.
    pub(super) async fn send_within_a_call(
        &self,
        request: RequestBuilder,
    ) -> Result<Response, Failure> {
        self.send_until(request, Some(Instant::now() + self.timeout))
            .await
    }

    /// The same for one that may take its time once it is connected. A body that streams in can be sent but once:
    /// it goes to the host that is asked first.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.send_until(request, None).await
    }

    async fn send_until(
        &self,
        request: RequestBuilder,
        deadline: Option<Instant>,
    ) -> Result<Response, Failure> {
        let (client, request) = request.build_split();
        let mut request = Some(request.map_err(|error| Failure::before_reply(&error))?);
        let mut failure = Failure::not_sent("there is no host to ask");
        for index in self.order() {
            let left = deadline.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let copy = request.as_ref().and_then(Request::try_clone);
            let Some(mut attempt) = copy.or_else(|| request.take()) else {
                break;
            };
            if index > 0 {
                *attempt.url_mut() = moved(attempt.url(), &self.urls[0], &self.urls[index]);
            }
            if left.is_some() {
                *attempt.timeout_mut() = left;
            }
            match client.execute(attempt).await {
                Ok(response) => {
                    self.answered(index);
                    *self.complained() = None;
                    return Ok(response);
                }
                Err(error) => failure = Failure::before_reply(&error),
            }
            if failure.maybe_sent {
                self.answered(index);
                break;
            }
        }
        self.complain(&failure);
        Err(failure)
    }

    /// In which order the hosts are asked now.
    fn order(&self) -> Vec<usize> {
        let first = match *self.lock() {
            Some((index, since)) if since.elapsed() < STAND_IN => index,
            _ => 0,
        };
        let others = (0..self.urls.len()).filter(|index| *index != first);
        std::iter::once(first).chain(others).collect()
    }

    /// A host was connected to: whether it is another than before is told, and remembered.
    fn answered(&self, index: usize) {
        let host = self.urls[index].host_str().unwrap_or_default();
        let mut standing_in = self.lock();
        match *standing_in {
            None if index == 0 => {}
            Some(_) if index == 0 => {
                *standing_in = None;
                info!(host, "WeChat is asked at upstream.base_url again");
            }
            Some((before, since)) if before == index && since.elapsed() < STAND_IN => {}
            before => {
                *standing_in = Some((index, Instant::now()));
                if before.is_none_or(|(before, _)| before != index) {
                    warn!(
                        host,
                        "upstream.base_url cannot be connected to; WeChat is asked at another of its hosts"
                    );
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.standing_in
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The URL with everything that `from` says replaced by what `to` says: scheme, host, port and the path before
/// WeChat's own.
fn moved(url: &Url, from: &Url, to: &Url) -> Url {
    let path = url
        .path()
        .strip_prefix(from.path().trim_end_matches('/'))
        .unwrap_or(url.path());
    let mut moved = to.clone();
    moved.set_path(&format!("{}{path}", to.path().trim_end_matches('/')));
    moved.set_query(url.query());
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_moves_with_its_path_and_its_query() {
        let url = |text: &str| Url::parse(text).unwrap_or_else(|error| panic!("{error}"));
        for (asked, from, to, expected) in [
            (
                "https://api.weixin.qq.com/cgi-bin/token?a=b%20c",
                "https://api.weixin.qq.com/",
                "https://api2.weixin.qq.com/",
                "https://api2.weixin.qq.com/cgi-bin/token?a=b%20c",
            ),
            (
                "http://127.0.0.1:1/one/cgi-bin/token",
                "http://127.0.0.1:1/one",
                "https://[::1]:2/two/",
                "https://[::1]:2/two/cgi-bin/token",
            ),
        ] {
            assert_eq!(moved(&url(asked), &url(from), &url(to)), url(expected));
        }
    }
}
