//! The page's style and script, and the policy that admits them by their hashes and nothing else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The style sheet.
pub(super) const STYLE: &str = include_str!("page.css");

/// Takes over what the stream brings, part by part. The page works without it.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// The `Content-Security-Policy`: nothing from anywhere but this style, this script, this listener's
/// stream, and an icon that is part of the page. No inline handlers, no frames, no other base.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT),
    )
});
