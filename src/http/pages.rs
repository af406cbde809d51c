//! Whose pages are signed: a signature lets a page act in the app's name, so that no stranger's may have one.

use std::collections::HashMap;

use url::Url;

use crate::config::AppConfig;
use crate::domain::app_id::AppId;
use crate::domain::page_host::PageHost;

/// The hosts of the apps that say which; the pages of any other app may be anywhere.
#[derive(Clone, Debug, Default)]
pub struct Pages(HashMap<AppId, Vec<PageHost>>);

/// Why a page is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSigned {
    /// Its address is not an absolute `http` or `https` URL.
    NotAPage,
    /// It is on none of the app's hosts.
    Elsewhere,
}

impl Pages {
    /// Those of the configuration.
    #[must_use]
    pub fn of(apps: &[AppConfig]) -> Self {
        let with_hosts = apps.iter().filter(|app| !app.jssdk_hosts.is_empty());
        let entries = with_hosts.map(|app| (app.appid.clone(), app.jssdk_hosts.clone()));
        Self(entries.collect())
    }

    /// Whether the page at `url` may be signed for `app`. The address is taken apart as browsers do it, so that
    /// what is judged is the host that a browser would be at.
    pub(super) fn judge(&self, app: &AppId, url: &str) -> Result<(), NotSigned> {
        let page = Url::parse(url).map_err(|_| NotSigned::NotAPage)?;
        let host = page.host_str().filter(|host| !host.is_empty());
        let Some(host) = host.filter(|_| matches!(page.scheme(), "http" | "https")) else {
            return Err(NotSigned::NotAPage);
        };
        let ours = |hosts: &Vec<PageHost>| hosts.iter().any(|known| known.covers(host));
        match self.0.get(app) {
            Some(hosts) if !ours(hosts) => Err(NotSigned::Elsewhere),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(text: &str) -> AppId {
        AppId::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn pages() -> Pages {
        let hosts = ["shop.example.com", "*.example.net"].map(PageHost::parse);
        let hosts = hosts.into_iter().filter_map(Result::ok).collect();
        Pages(HashMap::from([(app("wx1"), hosts)]))
    }

    #[test]
    fn a_page_of_ours_is_signed_however_its_address_is_written() {
        for url in [
            "https://shop.example.com/a?b=c",
            "HTTPS://Shop.Example.COM:8443/",
            "http://shop.example.com",
            "https://a.b.example.net/%E5%BE%AE?x=/../y",
            "https://someone@shop.example.com/",
        ] {
            assert_eq!(pages().judge(&app("wx1"), url), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_strangers_page_is_not_however_it_disguises_itself() {
        for url in [
            "https://evil.example.org/",
            "https://shop.example.com.evil.org/",
            "https://shop.example.com@evil.org/",
            "https://evil.org\\@shop.example.com/",
            "https://evil.org/https://shop.example.com/",
            "https://evil.org?shop.example.com",
            "https:evil.org#@shop.example.com",
            "https://example.net/",
            "https://shop.example.com./",
        ] {
            let judged = pages().judge(&app("wx1"), url);
            assert_eq!(judged, Err(NotSigned::Elsewhere), "{url}");
        }
    }

    #[test]
    fn what_is_no_page_is_signed_for_nobody() {
        for url in [
            "",
            "/a",
            "shop.example.com/",
            "https://",
            "ftp://shop.example.com/",
            "javascript:1",
            "data:,x",
        ] {
            for appid in ["wx1", "wx2"] {
                let judged = pages().judge(&app(appid), url);
                assert_eq!(judged, Err(NotSigned::NotAPage), "{url}");
            }
        }
    }

    #[test]
    fn an_app_without_hosts_signs_any_page() {
        assert_eq!(
            pages().judge(&app("wx2"), "https://evil.example.org/"),
            Ok(())
        );
    }
}
