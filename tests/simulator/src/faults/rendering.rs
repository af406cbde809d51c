//! Garbage as bytes on the wire. A proper HTTP library refuses to send most of it, so every reply is written
//! out by hand.

use serde_json::{Value, json};

use super::Garbage;
use crate::endpoints::File;

/// A reply that is written as it stands, whatever HTTP says; then the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawReply {
    pub(crate) bytes: Vec<u8>,
    /// What comes behind them.
    pub(crate) then: Then,
}

/// What a connection does once the bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is closed.
    Close,
    /// Chunks follow for as long as the caller listens.
    Endless,
    /// It stays open, and nothing comes.
    Silence,
}

/// What a correct reply would have been.
#[derive(Debug, Clone)]
pub(crate) struct Original {
    pub(crate) body: Value,
    /// The member that holds the credential.
    pub(crate) credential: &'static str,
    /// Where a redirect leads.
    pub(crate) trap: String,
}

const JSON: &str = "Content-Type: application/json; encoding=utf-8\r\n";
const HTML: &str = "Content-Type: text/html\r\n";
const PAGE: &str =
    "<html><head><title>Sorry</title></head><body><h1>Try again later</h1></body></html>";

impl Original {
    /// The body with one member changed; `null` as a Rust `None` leaves it out.
    fn with(&self, member: &str, value: Option<Value>) -> Vec<u8> {
        let mut body = self.body.clone();
        if let Some(object) = body.as_object_mut() {
            match value {
                Some(value) => object.insert(member.to_owned(), value),
                None => object.remove(member),
            };
        }
        body.to_string().into_bytes()
    }

    fn with_credential(&self, value: Value) -> Vec<u8> {
        self.with(self.credential, Some(value))
    }

    fn with_expiry(&self, value: Value) -> Vec<u8> {
        self.with("expires_in", Some(value))
    }

    /// The body with `expires_in` written as no JSON library would write it.
    fn with_expiry_literal(&self, literal: &str) -> Vec<u8> {
        let marked = self.with("expires_in", Some(json!("EXPIRY")));
        String::from_utf8_lossy(&marked)
            .replace("\"EXPIRY\"", literal)
            .into_bytes()
    }

    /// The credential's text, where it is one.
    fn text(&self) -> &str {
        self.body[self.credential].as_str().unwrap_or("SIMULATED")
    }

    fn halves(&self) -> (&str, &str) {
        self.text().split_at(self.text().len() / 2)
    }

    /// The reply in this kind of disorder.
    pub(crate) fn render(&self, kind: Garbage) -> RawReply {
        let good = self.body.to_string().into_bytes();
        let (head, tail) = self.halves();
        let token = |text: String| ok(JSON, &self.with_credential(json!(text)));
        let bytes = match kind {
            Garbage::EmptyBody => ok(JSON, b""),
            Garbage::Html => ok(HTML, PAGE.as_bytes()),
            Garbage::TruncatedJson => ok(JSON, &good[..good.len() / 2]),
            Garbage::JsonNull => ok(JSON, b"null"),
            Garbage::JsonArray => ok(JSON, json!([self.body]).to_string().as_bytes()),
            Garbage::JsonNumber => ok(JSON, b"7200"),
            Garbage::JsonString => ok(JSON, json!(self.body.to_string()).to_string().as_bytes()),
            Garbage::EmptyObject => ok(JSON, b"{}"),
            Garbage::TwoDocuments => ok(JSON, &[&good[..], &good[..]].concat()),
            Garbage::HugeBody => ok(
                JSON,
                &self.with("padding", Some(json!("x".repeat(2 << 20)))),
            ),
            Garbage::EndlessBody => {
                let fields = format!("{JSON}Transfer-Encoding: chunked\r\n");
                with_head("200 OK", &fields, &chunk(b"{\"padding\":\""))
            }
            Garbage::HugeHeader => ok(
                &format!("{JSON}X-Padding: {}\r\n", "x".repeat(1 << 20)),
                &good,
            ),
            Garbage::DeepNesting => ok(JSON, &b"[".repeat(100_000)),
            Garbage::InvalidUtf8 => {
                let marked = self.with_credential(json!(format!("{head}?{tail}")));
                ok(JSON, &replace(&marked, b'?', 0xFF))
            }
            Garbage::ByteOrderMark => ok(JSON, &[b"\xEF\xBB\xBF", &good[..]].concat()),
            Garbage::NulBytes => ok(JSON, &[&good[..], &[0; 16]].concat()),
            Garbage::GzipUnannounced => ok(JSON, &gzip(&good)),
            Garbage::GzipAnnounced => {
                ok(&format!("{JSON}Content-Encoding: gzip\r\n"), &gzip(&good))
            }
            Garbage::WrongContentType => ok(HTML, &good),
            Garbage::NoContentType => ok("", &good),
            Garbage::Padded => ok(JSON, &[b"\r\n \t", &good[..], b"\n\n"].concat()),
            Garbage::UnicodeEscapes => {
                let escaped: String = self
                    .text()
                    .encode_utf16()
                    .map(|unit| format!("\\u{unit:04x}"))
                    .collect();
                let marked = String::from_utf8_lossy(&good).replace(self.text(), &escaped);
                ok(JSON, marked.as_bytes())
            }
            Garbage::ExtraMembers => ok(
                JSON,
                &self.with("future", Some(json!({"access_token": [1, null]}))),
            ),
            Garbage::MissingToken => ok(JSON, &self.with(self.credential, None)),
            Garbage::NullToken => ok(JSON, &self.with_credential(Value::Null)),
            Garbage::NumericToken => ok(JSON, &self.with_credential(json!(7_200_720_072_u64))),
            Garbage::ArrayToken => ok(JSON, &self.with_credential(json!([self.text()]))),
            Garbage::EmptyToken => token(String::new()),
            Garbage::TokenWithSpaces => token(format!(" {head} {tail} ")),
            Garbage::TokenWithNewline => token(format!("{head}\r\nX-Injected: 1\r\n{tail}")),
            Garbage::NonAsciiToken => token(format!("{head}\u{e9}\u{4ee4}\u{724c}{tail}")),
            Garbage::EmojiToken => token(format!("{head}\u{1f511}{tail}")),
            Garbage::ControlCharactersInToken => token(format!("{head}\u{1}\u{7f}\u{0}{tail}")),
            Garbage::OversizedToken => token("x".repeat(4096)),
            Garbage::MissingExpiresIn => ok(JSON, &self.with("expires_in", None)),
            Garbage::NullExpiresIn => ok(JSON, &self.with_expiry(Value::Null)),
            Garbage::StringExpiresIn => ok(JSON, &self.with_expiry(json!("7200"))),
            Garbage::NegativeExpiresIn => ok(JSON, &self.with_expiry(json!(-7200))),
            Garbage::ZeroExpiresIn => ok(JSON, &self.with_expiry(json!(0))),
            Garbage::FractionalExpiresIn => ok(JSON, &self.with_expiry(json!(7199.5))),
            Garbage::AstronomicExpiresIn => ok(JSON, &self.with_expiry_literal("1e308")),
            Garbage::OverlongExpiresIn => ok(JSON, &self.with_expiry(json!(2_592_001))),
            Garbage::HugeIntegerExpiresIn => {
                ok(JSON, &self.with_expiry_literal("99999999999999999999999"))
            }
            Garbage::ErrcodeBesideToken => ok(JSON, &self.with("errcode", Some(json!(-1)))),
            Garbage::ErrcodeZeroBesideToken => ok(JSON, &self.with("errcode", Some(json!(0)))),
            Garbage::StringErrcode => ok(
                JSON,
                br#"{"errcode":"40001","errmsg":"invalid credential"}"#,
            ),
            Garbage::ErrcodeWithoutErrmsg => ok(JSON, br#"{"errcode":-1}"#),
            Garbage::UnknownErrcode => ok(
                JSON,
                br#"{"errcode":987654,"errmsg":"nobody knows this one"}"#,
            ),
            Garbage::ErrcodeZeroWithoutToken => ok(JSON, br#"{"errcode":0,"errmsg":"ok"}"#),
            Garbage::DuplicateMembers => {
                let second = json!({self.credential: "SIMULATED_token_that_was_never_issued_000"});
                let second = second.to_string();
                let both = [&good[..good.len() - 1], b",", &second.as_bytes()[1..]];
                ok(JSON, &both.concat())
            }
            Garbage::Status204 => with_head("204 No Content", "", b""),
            Garbage::RedirectElsewhere => {
                let fields = format!("Location: {}\r\n", self.trap);
                with_length("302 Found", &fields, b"")
            }
            Garbage::Status429 => with_length(
                "429 Too Many Requests",
                &format!("{HTML}Retry-After: 1\r\n"),
                PAGE.as_bytes(),
            ),
            Garbage::Status500WithToken => with_length("500 Internal Server Error", JSON, &good),
            Garbage::Status503Html => with_length("503 Service Unavailable", HTML, PAGE.as_bytes()),
            Garbage::BrokenChunk => {
                let fields = format!("{JSON}Transfer-Encoding: chunked\r\n");
                with_head(
                    "200 OK",
                    &fields,
                    &[b"zz\r\n", &good[..], b"\r\n0\r\n\r\n"].concat(),
                )
            }
            Garbage::UnfinishedChunks => {
                let fields = format!("{JSON}Transfer-Encoding: chunked\r\n");
                with_head("200 OK", &fields, &chunk(&good))
            }
            Garbage::ContentLengthTooShort => declaring(&[good.len() - 5], &good),
            Garbage::ContentLengthTooLong => declaring(&[good.len() + 5], &good),
            Garbage::ConflictingContentLengths => declaring(&[good.len(), good.len() - 5], &good),
            Garbage::ContinueFirst => {
                [b"HTTP/1.1 100 Continue\r\n\r\n", &ok(JSON, &good)[..]].concat()
            }
            Garbage::ContinueForEver => b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
            Garbage::NotHttp => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        };
        RawReply {
            bytes,
            then: if kind == Garbage::EndlessBody {
                Then::Endless
            } else {
                Then::Close
            },
        }
    }

    /// The right head and half of the body.
    pub(crate) fn half(&self, then: Then) -> RawReply {
        half_of(JSON, self.body.to_string().as_bytes(), then)
    }
}

/// The right head and half of a file.
pub(crate) fn half_of_file(file: &File, then: Then) -> RawReply {
    let fields = format!("Content-Type: {}\r\n", file.content_type);
    half_of(&fields, &file.bytes, then)
}

fn half_of(fields: &str, body: &[u8], then: Then) -> RawReply {
    let mut bytes = ok(fields, body);
    bytes.truncate(bytes.len() - body.len() / 2);
    RawReply { bytes, then }
}

/// One chunk of a chunked body.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", data.len());
    [size.as_bytes(), data, b"\r\n"].concat()
}

fn ok(fields: &str, body: &[u8]) -> Vec<u8> {
    with_length("200 OK", fields, body)
}

fn with_length(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let fields = format!("{fields}Content-Length: {}\r\n", body.len());
    with_head(status, &fields, body)
}

fn declaring(lengths: &[usize], body: &[u8]) -> Vec<u8> {
    let fields: String = lengths
        .iter()
        .map(|length| format!("Content-Length: {length}\r\n"))
        .collect();
    with_head("200 OK", &format!("{JSON}{fields}"), body)
}

fn with_head(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{fields}Connection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn replace(bytes: &[u8], from: u8, to: u8) -> Vec<u8> {
    bytes
        .iter()
        .map(|byte| if *byte == from { to } else { *byte })
        .collect()
}

/// A gzip member with one block that is stored, not compressed: enough to be gzip, without a library.
fn gzip(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let data = &data[..usize::from(length)];
    let mut bytes = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    bytes.push(1);
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(data);
    bytes.extend(crc32(data).to_le_bytes());
    bytes.extend(u32::from(length).to_le_bytes());
    bytes
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn every_kind_differs_from_the_right_reply() {
        let original = Original {
            body: json!({"access_token": "SIMULATED_token_1_abcdefghijklmnop", "expires_in": 7200}),
            credential: "access_token",
            trap: "http://localhost:1/".to_owned(),
        };
        let right = ok(JSON, original.body.to_string().as_bytes());
        for kind in Garbage::ALL {
            assert_ne!(original.render(*kind).bytes, right, "{}", kind.name());
        }
    }
}
