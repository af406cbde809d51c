//! Which of WeChat's paths a caller may ask for: `"/cgi-bin/message/**"`.

use std::fmt;

use super::api_path::is_part;

/// The longest pattern, in bytes.
const MAX_LEN: usize = 256;

/// A path with `*` for one part, and `**` at its end for one or more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPattern {
    parts: Vec<Part>,
    /// Whether it goes on below.
    deep: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Any,
    Named(Box<str>),
}

/// A text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern is a path of WeChat's, such as /cgi-bin/user/info, with * for one part or ** at its end for all below"
)]
pub struct PathPatternError;

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        let rest = text.strip_prefix('/').ok_or(PathPatternError)?;
        let (rest, deep) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(front) => {
                let above = front.strip_suffix('/').filter(|above| !above.is_empty());
                (above.ok_or(PathPatternError)?, true)
            }
            None => (rest, false),
        };
        let part = |text: &str| match text {
            "*" => Some(Part::Any),
            named => is_part(named).then(|| Part::Named(named.into())),
        };
        let parts = if rest.is_empty() && deep {
            Some(Vec::new())
        } else {
            rest.split('/').map(part).collect()
        };
        let parts = parts.filter(|_| text.len() <= MAX_LEN);
        Ok(Self {
            parts: parts.ok_or(PathPatternError)?,
            deep,
        })
    }

    /// Whether it stands for this path. Case counts.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut asked = path.split('/').skip(1);
        let all = self.parts.iter().all(|part| {
            asked.next().is_some_and(|asked| match part {
                Part::Any => true,
                Part::Named(name) => **name == *asked,
            })
        });
        all && asked.next().is_some() == self.deep
    }
}

/// As it is written in the configuration.
impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Any => f.write_str("/*")?,
                Part::Named(name) => write!(f, "/{name}")?,
            }
        }
        if self.deep {
            f.write_str("/**")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let pattern = PathPattern::parse(pattern);
        pattern
            .unwrap_or_else(|error| panic!("{error}"))
            .matches(path)
    }

    #[test]
    fn a_path_stands_for_itself() {
        assert!(matches("/cgi-bin/user/info", "/cgi-bin/user/info"));
        for other in [
            "/cgi-bin/user",
            "/cgi-bin/user/info/batchget",
            "/cgi-bin/user/Info",
        ] {
            assert!(!matches("/cgi-bin/user/info", other), "{other}");
        }
    }

    #[test]
    fn two_stars_stand_for_all_below_and_not_for_the_path_itself() {
        for path in [
            "/cgi-bin/message/send",
            "/cgi-bin/message/custom/business/x",
        ] {
            assert!(matches("/cgi-bin/message/**", path), "{path}");
        }
        for path in [
            "/cgi-bin/message",
            "/cgi-bin/messages/x",
            "/wxa/message/send",
        ] {
            assert!(!matches("/cgi-bin/message/**", path), "{path}");
        }
        assert!(matches("/**", "/wxa/x"));
    }

    #[test]
    fn one_star_stands_for_one_part() {
        assert!(matches("/cgi-bin/*/get", "/cgi-bin/user/get"));
        assert!(!matches("/cgi-bin/*/get", "/cgi-bin/get"));
        assert!(!matches("/cgi-bin/*/get", "/cgi-bin/a/b/get"));
    }

    #[test]
    fn a_pattern_is_written_as_the_configuration_has_it() {
        let longest = format!("/{}", "a".repeat(255));
        for text in ["/**", "/wxa/x", "/cgi-bin/*/get", "/*/*/**", &longest] {
            let written = PathPattern::parse(text).map(|pattern| format!("{pattern:?}"));
            assert_eq!(written, Ok(text.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_no_pattern() {
        for text in [
            &format!("/{}", "a".repeat(256)),
            "",
            "/",
            "cgi-bin/user",
            "/cgi-bin/",
            "/cgi-bin/us*",
            "//**",
            "/**/info",
            "/cgi-bin**",
            "/cgi-bin//x",
            "/../x",
            "https://api.weixin.qq.com/cgi-bin/user",
            "*",
        ] {
            assert!(PathPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
