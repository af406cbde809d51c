//! The calls themselves: what is sent, and how a reply is read within bounds of size and time.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use url::Url;

use super::classify::{classify_check, classify_fetch};
use super::failure::Failure;
use super::hosts::Hosts;
use super::setup::{Clients, SetupError, UpstreamSettings};
use crate::domain::app_id::AppId;
use crate::domain::credential::{Credential, Mode};
use crate::domain::secret::Secret;
use crate::ports::{Checked, Fetched, SecretSource, Upstream};

/// The most of a body that is read. A token's reply has some 200 bytes.
const MAX_BODY: usize = 64 * 1024;

/// WeChat's API, asked with the AppSecrets of the configured apps.
pub struct WeChat {
    clients: Clients,
    pub(super) hosts: Hosts,
    token: Url,
    stable_token: Url,
    ticket: Url,
    domain_ips: Url,
    settings: UpstreamSettings,
    secrets: Arc<dyn SecretSource>,
}

impl WeChat {
    /// Makes the clients. No connection is opened yet.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(
        settings: &UpstreamSettings,
        secrets: Arc<dyn SecretSource>,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            token: settings.address("/cgi-bin/token")?,
            stable_token: settings.address("/cgi-bin/stable_token")?,
            ticket: settings.address("/cgi-bin/ticket/getticket")?,
            domain_ips: settings.address("/cgi-bin/get_api_domain_ip")?,
            clients: settings.clients()?,
            hosts: Hosts::new(
                &settings.base_url,
                &settings.fallback_urls,
                settings.timeout,
            ),
            settings: settings.clone(),
            secrets,
        })
    }

    pub(super) fn secret(&self, app: &AppId) -> Option<Secret> {
        self.secrets.secret(app)
    }

    pub(super) fn address(&self, path: &str) -> Option<Url> {
        self.settings.address(path).ok()
    }

    /// The client whose connections are kept, or the one that makes a connection for every request.
    pub(super) fn client(&self, single_use: bool) -> Client {
        if single_use {
            self.clients.fetching.clone()
        } else {
            self.clients.checking.client()
        }
    }

    /// The client whose calls have no time limit of their own but for the connection.
    pub(super) fn passing_client(&self) -> Client {
        self.clients.passing.client()
    }

    /// One fetch of an access token, ready to be sent.
    fn access_token(&self, of: &Credential, secret: &Secret, force: bool) -> RequestBuilder {
        let client: &Client = &self.clients.fetching;
        match of.mode {
            Mode::Token => client.get(self.token.clone()).query(&[
                ("grant_type", "client_credential"),
                ("appid", of.app.as_str()),
                ("secret", secret.expose()),
            ]),
            Mode::Stable => client.post(self.stable_token.clone()).json(&StableToken {
                grant_type: "client_credential",
                appid: of.app.as_str(),
                secret: secret.expose(),
                force_refresh: force,
            }),
        }
    }
}

#[async_trait]
impl Upstream for WeChat {
    async fn fetch(&self, credential: &Credential, force: bool) -> Fetched {
        let Some(secret) = self.secret(&credential.app) else {
            return Fetched::NotSent("no AppSecret is configured for this app".to_owned());
        };
        let request = self.access_token(credential, &secret, force);
        fetched(&self.hosts, "access_token", request, &secret).await
    }

    async fn fetch_ticket(&self, credential: &Credential, access_token: &Secret) -> Fetched {
        let Some(of_type) = credential.kind.ticket_type() else {
            return Fetched::NotSent("an access token is no ticket".to_owned());
        };
        let request = self
            .clients
            .fetching
            .get(self.ticket.clone())
            .query(&[("access_token", access_token.expose()), ("type", of_type)]);
        fetched(&self.hosts, "ticket", request, access_token).await
    }

    async fn check(&self, _credential: &Credential, token: &Secret) -> Checked {
        let client = self.clients.checking.client();
        let request = client
            .get(self.domain_ips.clone())
            .query(&[("access_token", token.expose())]);
        match exchange(&self.hosts, request, MAX_BODY).await {
            Ok((status, body)) => classify_check(status, &body, token),
            Err(failure) => Checked::Away(failure.reason),
        }
    }

    fn complaint(&self) -> Option<String> {
        self.hosts.complaint()
    }
}

/// Sends one fetch whose success is told by the field `mark`. `sent` is the secret that it carries.
async fn fetched(hosts: &Hosts, mark: &str, request: RequestBuilder, sent: &Secret) -> Fetched {
    match exchange(hosts, request, MAX_BODY).await {
        Ok((status, body)) => classify_fetch(mark, status, &body, sent),
        Err(failure) if failure.maybe_sent => Fetched::Ambiguous(failure.reason),
        Err(failure) => Fetched::NotSent(failure.reason),
    }
}

/// Where it asks and for whom; never with what.
impl fmt::Debug for WeChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeChat")
            .field("host", &self.token.host_str())
            .finish_non_exhaustive()
    }
}

/// The body of a `stable_token` call, in the order of WeChat's documentation.
#[derive(Serialize)]
struct StableToken<'a> {
    grant_type: &'a str,
    appid: &'a str,
    secret: &'a str,
    force_refresh: bool,
}

/// Sends one request and reads its reply: the status, and the body where the status is 200, of at most `most`
/// bytes. The call's time-out runs on while the body is read.
pub(super) async fn exchange(
    hosts: &Hosts,
    request: RequestBuilder,
    most: usize,
) -> Result<(u16, Vec<u8>), Failure> {
    let mut response = hosts.send_within_a_call(request).await?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    // Nothing is made of another status, whatever its body says.
    while status == 200
        && let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| Failure::amid_reply(&error))?
    {
        if body.len() + chunk.len() > most {
            let most = most / 1024;
            return Err(Failure::unclear(format!(
                "the reply is longer than {most} KiB"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}
