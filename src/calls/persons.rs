//! What is asked of WeChat for whoever has a person's token, without a caller's key: nothing of ours is put in, and
//! what WeChat answers is told as it came. Such a token is any app's, so that these calls have places of their own.

use serde_json::{Map, Value};

use super::places::Place;
use super::web::{WEB_CHECK, WEB_USER};
use super::{CallError, Calls, Lang, WebToken};
use crate::ports::{Argument, Outgoing};
use crate::snapshot::SlotId;

impl Calls {
    /// The profile of whose token this is, as WeChat writes it.
    ///
    /// # Errors
    /// What kept it from being told.
    pub async fn persons_profile(
        &self,
        token: &str,
        openid: &str,
        lang: Option<Lang>,
    ) -> Result<Map<String, Value>, CallError> {
        let mut query = Self::of_person(token, openid);
        query.extend(lang.map(|lang| ("lang", Argument::Plain(lang.as_str().to_owned()))));
        self.ask_as_person(WEB_USER, query).await
    }

    /// WeChat's word that a token is good for this person.
    ///
    /// # Errors
    /// It is not, or that cannot be said.
    pub async fn persons_check(
        &self,
        token: &str,
        openid: &str,
    ) -> Result<Map<String, Value>, CallError> {
        self.ask_as_person(WEB_CHECK, Self::of_person(token, openid))
            .await
    }

    /// A refresh token → a token.
    ///
    /// # Errors
    /// What kept it from being renewed.
    pub async fn persons_renewal(
        &self,
        id: SlotId,
        refresh_token: &str,
    ) -> Result<WebToken, CallError> {
        let _place = self.place_of_persons()?;
        self.renew(id, refresh_token).await
    }

    async fn ask_as_person(
        &self,
        path: &'static str,
        query: Vec<(&'static str, Argument)>,
    ) -> Result<Map<String, Value>, CallError> {
        let _place = self.place_of_persons()?;
        let call = Outgoing {
            path,
            query,
            body: None,
            single_use: false,
        };
        self.send_for(None, call).await
    }

    fn place_of_persons(&self) -> Result<Place, CallError> {
        let place = self.gate.places.take(None);
        place.ok_or(CallError::TooMany(self.gate.places.most()))
    }
}
