//! HTTP on one connection. Replies that HTTP allows go through hyper; for all others hyper is stopped in its
//! tracks, and the socket taken back from it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::exchange::{TRAP, Wire, exchange};
use super::{Request, Shared};
use crate::control;
use crate::endpoints::File;
use crate::faults::rendering::{RawReply, Then, chunk};

/// Hyper is not to answer this one.
#[derive(Debug)]
struct TakenOver;

impl std::fmt::Display for TakenOver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the connection was taken over")
    }
}

impl std::error::Error for TakenOver {}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, local: SocketAddr, shared: Arc<Shared>) {
    let raw = Arc::new(Mutex::new(None));
    let service = service_fn(|request| {
        let (shared, raw) = (Arc::clone(&shared), Arc::clone(&raw));
        // Boxed, because to take the socket back hyper wants a future that can move.
        Box::pin(async move {
            match reply_to(shared, local, request).await {
                Wire::Reply { status, body } => Ok(response(status, &body)),
                Wire::File(file) => Ok(file_response(file)),
                Wire::Raw(reply) => {
                    *raw.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
                    Err(TakenOver)
                }
                Wire::Cut | Wire::Silence => Err(TakenOver),
            }
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // How it ended does not matter: either the caller left, or the reply below follows.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    let reply = raw.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(reply) = reply {
        // The caller may hang up in the middle, and is right to.
        let _ = write_raw(stream, reply).await;
    }
}

async fn reply_to(
    shared: Arc<Shared>,
    local: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Wire {
    let Some(request) = Request::read(request).await else {
        return Wire::Cut;
    };
    if request.path.starts_with(control::PREFIX) && request.path != TRAP {
        let (status, body) = control::answer(&shared, &request);
        return Wire::Reply { status, body };
    }
    exchange(shared, local, request).await
}

fn response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let (content_type, body) = match body {
        Value::Null => (
            "text/html",
            format!("<html><body><h1>{status}</h1></body></html>"),
        ),
        body => ("application/json; encoding=utf-8", body.to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    response
}

fn file_response(file: File) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(file.bytes));
    let mut set = |name, text: String| {
        if let Ok(value) = header::HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, file.content_type);
    if let Some(name) = file.name {
        let text = format!("attachment; filename=\"{name}\"");
        set(header::CONTENT_DISPOSITION, text);
    }
    response
}

async fn write_raw(mut stream: TcpStream, reply: RawReply) -> std::io::Result<()> {
    stream.write_all(&reply.bytes).await?;
    match reply.then {
        Then::Close => {}
        Then::Endless => {
            // Slow enough that a caller without a limit of its own does not eat the machine's memory.
            let more = chunk(&[b'x'; 16 * 1024]);
            loop {
                stream.write_all(&more).await?;
                sleep(Duration::from_millis(2)).await;
            }
        }
        Then::Silence => {
            // Until the caller hangs up.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await? > 0 {}
        }
    }
    stream.shutdown().await
}
