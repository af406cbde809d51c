//! The ways in which a reply can be wrong. Each is one that a proxy, a load balancer, a bad deployment or an
//! attacker has sent to somebody.

macro_rules! garbage {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// One way in which a reply is wrong, or odd and right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Garbage {
            $($(#[$doc])* $kind,)*
        }

        impl Garbage {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name in the control API.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

garbage! {
    /// A status of 200 and no body.
    EmptyBody = "empty_body",
    /// A page of HTML.
    Html = "html",
    /// JSON that ends in the middle of the token.
    TruncatedJson = "truncated_json",
    /// The JSON value `null`.
    JsonNull = "json_null",
    /// The right members in an array.
    JsonArray = "json_array",
    /// A number for a body.
    JsonNumber = "json_number",
    /// The right JSON, once more encoded as a string.
    JsonString = "json_string",
    /// An object with nothing in it.
    EmptyObject = "empty_object",
    /// Two JSON objects, one after the other.
    TwoDocuments = "two_documents",
    /// A good token in a body of 2 MiB.
    HugeBody = "huge_body",
    /// A body that never ends.
    EndlessBody = "endless_body",
    /// A header field of 1 MiB.
    HugeHeader = "huge_header",
    /// A hundred thousand open brackets.
    DeepNesting = "deep_nesting",
    /// Bytes in the token that are no UTF-8.
    InvalidUtf8 = "invalid_utf8",
    /// A byte order mark before the JSON.
    ByteOrderMark = "byte_order_mark",
    /// NUL bytes after the JSON.
    NulBytes = "nul_bytes",
    /// A compressed body without a word about it.
    GzipUnannounced = "gzip_unannounced",
    /// A compressed body that says so, to a caller that did not ask for it.
    GzipAnnounced = "gzip_announced",
    /// The right reply as `text/html`.
    WrongContentType = "wrong_content_type",
    /// The right reply without a content type.
    NoContentType = "no_content_type",
    /// The right reply with white space around it.
    Padded = "padded",
    /// The right reply with the token's letters as `\u` escapes.
    UnicodeEscapes = "unicode_escapes",
    /// The right reply with members that nobody knows.
    ExtraMembers = "extra_members",
    /// No token.
    MissingToken = "missing_token",
    /// The token is null.
    NullToken = "null_token",
    /// The token is a number.
    NumericToken = "numeric_token",
    /// The token is in an array.
    ArrayToken = "array_token",
    /// The token is an empty string.
    EmptyToken = "empty_token",
    /// The token has spaces in it and around it.
    TokenWithSpaces = "token_with_spaces",
    /// The token has a line break and what looks like a header.
    TokenWithNewline = "token_with_newline",
    /// The token has letters outside ASCII.
    NonAsciiToken = "non_ascii_token",
    /// The token has an emoji.
    EmojiToken = "emoji_token",
    /// The token has control characters.
    ControlCharactersInToken = "control_characters_in_token",
    /// The token is 4096 bytes long.
    OversizedToken = "oversized_token",
    /// No `expires_in`.
    MissingExpiresIn = "missing_expires_in",
    /// `expires_in` is null.
    NullExpiresIn = "null_expires_in",
    /// `expires_in` is a string.
    StringExpiresIn = "string_expires_in",
    /// `expires_in` is negative.
    NegativeExpiresIn = "negative_expires_in",
    /// `expires_in` is 0.
    ZeroExpiresIn = "zero_expires_in",
    /// `expires_in` is 7199.5.
    FractionalExpiresIn = "fractional_expires_in",
    /// `expires_in` is 1e308.
    AstronomicExpiresIn = "astronomic_expires_in",
    /// `expires_in` is more than 30 days.
    OverlongExpiresIn = "overlong_expires_in",
    /// `expires_in` does not fit in 64 bits.
    HugeIntegerExpiresIn = "huge_integer_expires_in",
    /// An error and a token in one reply.
    ErrcodeBesideToken = "errcode_beside_token",
    /// `errcode` 0 beside the token, as other endpoints have it.
    ErrcodeZeroBesideToken = "errcode_zero_beside_token",
    /// The error's code is a string.
    StringErrcode = "string_errcode",
    /// An error that says nothing.
    ErrcodeWithoutErrmsg = "errcode_without_errmsg",
    /// An error that is in no table.
    UnknownErrcode = "unknown_errcode",
    /// `errcode` 0, and no token.
    ErrcodeZeroWithoutToken = "errcode_zero_without_token",
    /// Two different tokens in one object.
    DuplicateMembers = "duplicate_members",
    /// Status 204.
    Status204 = "status_204",
    /// A redirect to another host name, where whoever follows is recorded.
    RedirectElsewhere = "redirect_elsewhere",
    /// Status 429 with `Retry-After`.
    Status429 = "status_429",
    /// Status 500 and the right body.
    Status500WithToken = "status_500_with_token",
    /// Status 503 and a page of HTML.
    Status503Html = "status_503_html",
    /// A chunked body with a size that is no number.
    BrokenChunk = "broken_chunk",
    /// The whole JSON in a chunked body that stops before its end.
    UnfinishedChunks = "unfinished_chunks",
    /// A content length below the body's.
    ContentLengthTooShort = "content_length_too_short",
    /// A content length above the body's.
    ContentLengthTooLong = "content_length_too_long",
    /// Two content lengths that disagree.
    ConflictingContentLengths = "conflicting_content_lengths",
    /// `100 Continue`, unasked, and then the right reply.
    ContinueFirst = "continue_first",
    /// `100 Continue` and then nothing: the connection is closed.
    ContinueForEver = "continue_for_ever",
    /// The greeting of another protocol.
    NotHttp = "not_http",
}

impl Garbage {
    /// Whether the reply, odd as it is, still says one good token to a client that keeps to the RFCs. Whether
    /// to take it is the client's matter; of all the others nothing must ever be served.
    pub fn is_usable(self) -> bool {
        matches!(
            self,
            Self::WrongContentType
                | Self::NoContentType
                | Self::Padded
                | Self::UnicodeEscapes
                | Self::ExtraMembers
                | Self::ErrcodeZeroBesideToken
                | Self::ContinueFirst
        )
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn there_are_many_kinds_and_each_has_a_name_of_its_own() {
        let names: HashSet<_> = Garbage::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Garbage::ALL.len());
        assert!(names.len() >= 40);
        for kind in Garbage::ALL {
            assert_eq!(Garbage::named(kind.name()), Some(*kind));
        }
    }
}
