//! `token get`: the token alone, for scripts.

use serde::Deserialize;

use super::client::{self, ClientError};
use super::failure::Failure;
use super::output::print;
use crate::domain::app_id::AppId;
use crate::domain::secret::Secret;

#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
}

pub(super) fn get(base: &str, key: &Secret, app: &AppId) -> Result<(), Failure> {
    let body = client::get(base, &format!("/token/{app}"), key)?;
    let token: TokenBody = serde_json::from_str(&body).map_err(|_| ClientError::Unreadable {
        base: base.to_owned(),
    })?;
    print(&token.access_token)
}
