//! Hashes that stand for secrets: they tell whether two are the same without holding either.
//!
//! Apart from `domain`, which depends on no hash function, and from the adapters, which all need them.

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::domain::app_id::AppId;
use crate::domain::secret::{Digest, Fingerprint, Secret};

/// The SHA-256 of a grant's value.
#[must_use]
pub fn digest_of(value: &str) -> Digest {
    Digest::new(Sha256::digest(value.as_bytes()).into())
}

/// Which AppSecret a cooldown is for: it ends when the configuration brings another. The appid is hashed
/// too, so that two apps that wrongly share a secret do not show it.
#[must_use]
pub fn secret_fingerprint(app: &AppId, secret: &Secret) -> Fingerprint {
    first_eight_bytes(&format!("{app}\0{}", secret.expose()))
}

/// Whose keys these are: of the upstream that the grants in the store come from. Spellings of one base
/// URL that mean the same (case of the host, a default port, a last slash) have one fingerprint.
#[must_use]
pub fn origin_of(base_url: &Url) -> Fingerprint {
    first_eight_bytes(&format!(
        "{}://{}:{}{}",
        base_url.scheme(),
        base_url.host_str().unwrap_or_default(),
        base_url.port_or_known_default().unwrap_or_default(),
        base_url.path().trim_end_matches('/'),
    ))
}

fn first_eight_bytes(text: &str) -> Fingerprint {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(text.as_bytes()));
    Fingerprint::new(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(base_url: &str) -> Option<String> {
        Url::parse(base_url)
            .ok()
            .map(|url| origin_of(&url).to_string())
    }

    #[test]
    fn the_digest_is_a_sha_256() {
        assert_eq!(
            digest_of("abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_secrets_fingerprint_depends_on_the_app_and_on_the_secret() {
        let of = |app, secret| {
            AppId::parse(app).map(|app| secret_fingerprint(&app, &Secret::new(secret)).to_string())
        };
        // printf 'wx1\0s' | sha256sum | cut -c1-16
        assert_eq!(of("wx1", "s").as_deref(), Ok("4b90288666c28d5d"));
        assert_ne!(of("wx1", "s"), of("wx2", "s"));
        assert_ne!(of("wx1", "s"), of("wx1", "t"));
        assert_ne!(of("wx1", "2s"), of("wx12", "s"));
    }

    #[test]
    fn spellings_of_one_base_url_have_one_origin() {
        // printf 'https://api.weixin.qq.com:443' | sha256sum | cut -c1-16
        let expected = Some("562dc91521a3d34c".to_owned());
        for same in [
            "https://api.weixin.qq.com",
            "https://api.weixin.qq.com/",
            "HTTPS://API.weixin.QQ.com:443//",
        ] {
            assert_eq!(origin(same), expected, "{same}");
        }
        for other in [
            "http://api.weixin.qq.com",
            "https://api2.weixin.qq.com",
            "https://api.weixin.qq.com:8443",
            "https://api.weixin.qq.com/staging",
        ] {
            assert_ne!(origin(other), expected, "{other}");
        }
    }
}
