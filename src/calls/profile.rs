//! A person's profile as WeChat tells it. Every field but the openid may be missing, since WeChat has left out
//! more and more of them; one that has changed its type is as good as missing; what is new is kept.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a picture's address ends in, for each of its sizes; 0 is the largest, 640 pixels.
const AVATAR_SIZES: [&str; 5] = ["0", "46", "64", "96", "132"];

/// A profile, in WeChat's own words.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Profile {
    /// Who it is to this app.
    pub openid: String,
    /// 1 = follows the account; 0 = does not, and nearly nothing else is told.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub subscribe: Option<u8>,
    /// Who it is to all apps of one owner.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub unionid: Option<String>,
    /// The name.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub nickname: Option<String>,
    /// 1 = male, 2 = female, 0 = not told.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub sex: Option<u8>,
    /// The language of the person's WeChat.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub language: Option<String>,
    /// Where.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub city: Option<String>,
    /// Where.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub province: Option<String>,
    /// Where.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub country: Option<String>,
    /// The picture; empty where there is none.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub headimgurl: Option<String>,
    /// Since when, in seconds since 1970 UTC.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub subscribe_time: Option<u64>,
    /// What the account's owner wrote about the person.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub remark: Option<String>,
    /// The old kind of group.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub groupid: Option<i64>,
    /// The tags.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub tagid_list: Option<Vec<i64>>,
    /// How the person came to follow.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub subscribe_scene: Option<String>,
    /// The scene of the QR code, a number.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub qr_scene: Option<i64>,
    /// The scene of the QR code, a text.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub qr_scene_str: Option<String>,
    /// What the person is entitled to (web authorization).
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub privilege: Option<Vec<String>>,
    /// The picture in each of its sizes: ours, made of `headimgurl`.
    #[serde(
        default,
        skip_deserializing,
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub avatars: BTreeMap<&'static str, String>,
    /// Whatever else WeChat told.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Profile {
    /// The same, with the picture's addresses spelled out.
    pub(super) fn with_avatars(mut self) -> Self {
        // WeChat's own `errcode: 0` is not about the person.
        self.more.remove("errcode");
        self.more.remove("errmsg");
        let picture = self.headimgurl.as_deref().unwrap_or_default();
        if let Some((front, size)) = picture.rsplit_once('/')
            && AVATAR_SIZES.contains(&size)
        {
            self.avatars = AVATAR_SIZES
                .map(|size| (size, format!("{front}/{size}")))
                .into();
        }
        self
    }
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Value {
        let profile: Profile = serde_json::from_value(value).unwrap_or_else(|e| panic!("{e}"));
        serde_json::to_value(profile.with_avatars()).unwrap_or_default()
    }

    #[test]
    fn what_is_new_is_kept_and_what_is_missing_stays_missing() {
        let told = json!({"openid": "o", "subscribe": 0, "planet": {"name": "earth"}});
        assert_eq!(read(told.clone()), told);
    }

    #[test]
    fn a_field_of_another_type_is_as_good_as_missing() {
        let told = json!({"openid": "o", "sex": "male", "tagid_list": null, "city": 7});
        assert_eq!(read(told), json!({"openid": "o"}));
    }

    #[test]
    fn a_picture_is_told_in_every_size() {
        let read = read(json!({"openid": "o", "headimgurl": "https://x/mmopen/abc/132"}));
        assert_eq!(read["avatars"]["0"], "https://x/mmopen/abc/0");
        assert_eq!(read["avatars"]["46"], "https://x/mmopen/abc/46");
        assert_eq!(read["avatars"].as_object().map(Map::len), Some(5));
    }

    #[test]
    fn what_is_no_picture_has_no_sizes() {
        for url in ["", "https://x/abc", "https://x/abc/133"] {
            let read = read(json!({"openid": "o", "headimgurl": url}));
            assert_eq!(read.get("avatars"), None, "{url}");
        }
    }
}
