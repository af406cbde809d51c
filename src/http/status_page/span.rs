//! Times for people: how long, and when.

use std::time::Duration;

use jiff::Timestamp;

use super::language::Language;
use super::words;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Below this, seconds are told: minutes are too coarse for what is about to happen.
const SECONDS_BELOW: u64 = 5 * MINUTE;

/// How long, in at most two units.
pub(super) fn span(language: Language, length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours) = (seconds / DAY, seconds % DAY / HOUR);
    let (minutes, rest) = (seconds % HOUR / MINUTE, seconds % MINUTE);
    match language {
        Language::English => match seconds {
            DAY.. => format!("{days} d {hours} h"),
            HOUR.. => format!("{hours} h {minutes:02} min"),
            SECONDS_BELOW.. => format!("{minutes} min"),
            MINUTE.. => format!("{minutes} min {rest:02} s"),
            _ => format!("{rest} s"),
        },
        Language::Chinese => match seconds {
            DAY.. => format!("{days} 天 {hours} 小时"),
            HOUR.. => format!("{hours} 小时 {minutes:02} 分"),
            SECONDS_BELOW.. => format!("{minutes} 分钟"),
            MINUTE.. => format!("{minutes} 分 {rest:02} 秒"),
            _ => format!("{rest} 秒"),
        },
    }
}

/// How long ago.
pub(super) fn ago(language: Language, now: Duration, then: Duration) -> String {
    let length = span(language, now.saturating_sub(then));
    words::AGO.with(language, &[("left", &length)])
}

/// When, as machines read it; times are since 1970 UTC.
pub(super) fn instant(at: Duration) -> String {
    seconds(at).to_string()
}

/// When, as people read it on the day itself.
pub(super) fn clock(at: Duration) -> String {
    seconds(at).strftime("%H:%M:%S").to_string()
}

/// When, as people read it on another day.
pub(super) fn date_and_clock(at: Duration) -> String {
    seconds(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn seconds(at: Duration) -> Timestamp {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_units_that_matter() {
        for (seconds, english, chinese) in [
            (0, "0 s", "0 秒"),
            (59, "59 s", "59 秒"),
            (61, "1 min 01 s", "1 分 01 秒"),
            (300, "5 min", "5 分钟"),
            (3599, "59 min", "59 分钟"),
            (3720, "1 h 02 min", "1 小时 02 分"),
            (90_000, "1 d 1 h", "1 天 1 小时"),
        ] {
            let length = Duration::from_secs(seconds);
            assert_eq!(span(Language::English, length), english);
            assert_eq!(span(Language::Chinese, length), chinese);
        }
    }

    #[test]
    fn an_instant_beyond_the_calendar_is_no_panic() {
        assert_eq!(
            instant(Duration::from_secs(1_790_000_000)),
            "2026-09-21T14:13:20Z"
        );
        assert!(!instant(Duration::MAX).is_empty());
    }
}
