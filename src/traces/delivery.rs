//! Bringing spans to the collector: one request for a batch, tried once. The crate that does this for OpenTelemetry takes
//! addresses, headers and more from the environment; ours come from the configuration alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Response, redirect, retry};
use tokio::runtime::Handle;
use tracing::{info, warn};
use url::Url;

use super::queue::Tally;
use crate::config::TracesConfig;
use crate::metrics::SpanFate;

/// The longest answer of a collector that is read.
const ANSWER_MOST: u64 = 4096;

/// Why no spans can be delivered.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The file of certificates cannot be read, or holds none.
    #[error("traces.ca_file cannot be read, or holds no certificate in PEM")]
    CaFile,
    /// A header cannot be sent; neither its name nor its value is repeated.
    #[error("traces.headers_file holds a header that cannot be sent")]
    Header,
    /// The TLS library refuses: mostly a machine without any root certificates.
    #[error(
        "no HTTPS client can be made for traces.endpoint: are the system's root certificates installed?"
    )]
    Client,
}

/// Sends batches to one collector.
#[derive(Debug)]
pub(super) struct Delivery {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    resource: ResourceAttributesWithSchema,
    runtime: Handle,
    tally: Arc<Tally>,
    /// Whether the last batch was lost: told once, not for every batch.
    failing: AtomicBool,
}

impl Delivery {
    pub(super) fn new(
        config: &TracesConfig,
        endpoint: &Url,
        runtime: Handle,
        tally: Arc<Tally>,
    ) -> Result<Self, TracesError> {
        let mut builder = Client::builder()
            .user_agent(concat!("token-broker/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .timeout(config.timeout);
        if let Some(path) = &config.ca_file {
            let pem = std::fs::read(path).map_err(|_| TracesError::CaFile)?;
            let trusted = Certificate::from_pem_bundle(&pem).map_err(|_| TracesError::CaFile)?;
            builder = builder.tls_certs_only(trusted);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let name = HeaderName::try_from(name).map_err(|_| TracesError::Header)?;
            let mut value =
                HeaderValue::try_from(value.expose()).map_err(|_| TracesError::Header)?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        Ok(Self {
            client: builder.build().map_err(|_| TracesError::Client)?,
            endpoint: endpoint.clone(),
            headers,
            resource: ResourceAttributesWithSchema::default(),
            runtime,
            tally,
            failing: AtomicBool::new(false),
        })
    }

    fn delivered(&self, spans: usize, rejected: usize) {
        self.tally.gone(spans - rejected, SpanFate::Delivered);
        self.tally.gone(rejected, SpanFate::Lost);
        if rejected > 0 {
            self.lost("the collector rejects some of them");
        } else if self.failing.swap(false, Ordering::Relaxed) {
            info!("spans are delivered again");
        }
    }

    fn lost(&self, why: &str) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            warn!(
                why,
                "spans cannot be delivered to traces.endpoint and are lost; nothing else depends on them"
            );
        }
    }
}

impl SpanExporter for Delivery {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let request = self
            .client
            .post(self.endpoint.clone())
            .headers(self.headers.clone())
            .body(request.encode_to_vec());
        // The library's thread, which waits here, is none of the runtime's.
        let sent = self.runtime.spawn(async move {
            let response = request.send().await.map_err(|error| why(&error))?;
            answered(response).await
        });
        let outcome = match sent.await {
            Ok(outcome) => outcome,
            Err(_) => Err("the broker is stopping".to_owned()),
        };
        match outcome {
            Ok(rejected) => {
                self.delivered(spans, rejected.min(spans));
                Ok(())
            }
            Err(why) => {
                self.tally.gone(spans, SpanFate::Lost);
                self.lost(&why);
                Err(OTelSdkError::InternalFailure(why))
            }
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// How many spans the collector rejected of those that it took.
async fn answered(response: Response) -> Result<usize, String> {
    let status = response.status();
    if !status.is_success() {
        return Err(format!("the collector answers {}", status.as_u16()));
    }
    if response
        .content_length()
        .is_none_or(|length| length > ANSWER_MOST)
    {
        return Ok(0);
    }
    let answer = response.bytes().await.map_err(|error| why(&error))?;
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |part| part.rejected_spans);
    Ok(usize::try_from(rejected).unwrap_or(0))
}

fn why(error: &reqwest::Error) -> String {
    let why = if error.is_connect() {
        "the collector cannot be connected to"
    } else if error.is_timeout() {
        "the collector does not answer in time"
    } else {
        "the connection to the collector broke"
    };
    why.to_owned()
}
