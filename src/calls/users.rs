//! Profiles of an account's followers, one or many.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{CallError, Calls, Profile};
use crate::domain::secret::Secret;
use crate::ports::{Argument, Outgoing};
use crate::snapshot::SlotId;

/// WeChat's path for one profile.
pub const USER_INFO: &str = "/cgi-bin/user/info";
/// WeChat's path for a hundred.
pub const BATCH_GET: &str = "/cgi-bin/user/info/batchget";

/// The most openids that one request may ask for.
pub const BATCH_MOST: usize = 10_000;

/// The most that WeChat takes in one call.
const HUNDRED: usize = 100;

/// How many of these calls are made side by side for one request.
const SIDE_BY_SIDE: usize = 8;

/// The language that places are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Lang {
    /// Simplified Chinese.
    #[serde(rename = "zh_CN")]
    ZhCn,
    /// Traditional Chinese.
    #[serde(rename = "zh_TW")]
    ZhTw,
    /// English.
    #[serde(rename = "en")]
    En,
}

impl Lang {
    /// Reads WeChat's word for it; with a hyphen too, as everybody else writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "zh_CN" | "zh-CN" => Some(Self::ZhCn),
            "zh_TW" | "zh-TW" => Some(Self::ZhTw),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// WeChat's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ZhCn => "zh_CN",
            Self::ZhTw => "zh_TW",
            Self::En => "en",
        }
    }
}

/// What came of one openid of a batch.
pub type UserResult = Result<Profile, CallError>;

/// The body of a call for a hundred.
#[derive(Serialize)]
struct Asked<'a> {
    user_list: Vec<AskedUser<'a>>,
}

#[derive(Serialize)]
struct AskedUser<'a> {
    openid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<Lang>,
}

#[derive(Deserialize)]
struct Told {
    user_info_list: Vec<Profile>,
}

impl Calls {
    /// One profile.
    ///
    /// # Errors
    /// What kept it from being told.
    pub async fn user(
        &self,
        id: SlotId,
        openid: &str,
        lang: Option<Lang>,
    ) -> Result<Profile, CallError> {
        let call = |token: &Secret| {
            let mut query = vec![
                ("access_token", Argument::Secret(token.clone())),
                ("openid", Argument::Plain(openid.to_owned())),
            ];
            query.extend(lang.map(|lang| ("lang", Argument::Plain(lang.as_str().to_owned()))));
            Outgoing {
                path: USER_INFO,
                query,
                body: None,
                single_use: false,
            }
        };
        let profile: Profile = self.with_token(id, call).await?;
        Ok(profile.with_avatars())
    }

    /// Many profiles, in hundreds side by side; each openid is asked for once, however often it is named.
    /// What goes wrong with a hundred is the result of each of its openids, and of no other.
    ///
    /// # Errors
    /// There is no token at all.
    pub async fn users(
        &self,
        id: SlotId,
        openids: &[String],
        lang: Option<Lang>,
    ) -> Result<HashMap<String, UserResult>, CallError> {
        self.broker.token(id).await.map_err(CallError::NoToken)?;
        let mut seen = HashSet::new();
        let once: Vec<&str> = openids
            .iter()
            .map(String::as_str)
            .filter(|openid| seen.insert(*openid))
            .collect();
        let hundreds: Vec<Vec<&str>> = once.chunks(HUNDRED).map(<[_]>::to_vec).collect();
        let results: Vec<_> = futures_util::stream::iter(hundreds)
            .map(|hundred| self.hundred(id, hundred, lang))
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        Ok(results.into_iter().flatten().collect())
    }

    async fn hundred(
        &self,
        id: SlotId,
        openids: Vec<&str>,
        lang: Option<Lang>,
    ) -> Vec<(String, UserResult)> {
        let asked = |openid| AskedUser { openid, lang };
        let body = Asked {
            user_list: openids.iter().copied().map(asked).collect(),
        };
        // Texts only: nothing in it can fail to be written.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let call = |token: &Secret| Outgoing {
            path: BATCH_GET,
            query: vec![("access_token", Argument::Secret(token.clone()))],
            body: Some(body.clone()),
            single_use: false,
        };
        let told = self.with_token::<Told>(id, call).await.map(|told| {
            let by_openid = |profile: Profile| (profile.openid.clone(), profile);
            let told: HashMap<_, _> = told.user_info_list.into_iter().map(by_openid).collect();
            told
        });
        let of = |openid: &str| match &told {
            Ok(told) => told
                .get(openid)
                .cloned()
                .map(Profile::with_avatars)
                .ok_or_else(|| {
                    CallError::Unclear("WeChat's reply leaves this openid out".to_owned())
                }),
            Err(error) => Err(error.clone()),
        };
        openids
            .into_iter()
            .map(|openid| (openid.to_owned(), of(openid)))
            .collect()
    }
}
