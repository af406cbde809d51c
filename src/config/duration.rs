//! Durations as text: one whole number and one unit, `"90s"`.

use std::time::Duration;

/// How a duration is to be written, for errors.
pub(super) const FORM: &str = r#"a whole number with one unit (ms, s, m, h or d) of at most a year, such as "90s" or "1500ms""#;

/// Longer ones are taken for mistakes; it also keeps sums of a few from overflowing.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a duration.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(unit_at);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let count: u64 = count.parse().ok()?;
    count
        .checked_mul(millis)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
}

/// Writes a duration so that [`parse`] reads it: whole hours as such, else seconds, else milliseconds.
pub(super) fn show(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.as_millis());
    if duration.subsec_nanos() != 0 {
        format!("{millis}ms")
    } else if seconds > 0 && seconds.is_multiple_of(3600) {
        format!("{}h", seconds / 3600)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, millis) in [
            ("1500ms", 1500),
            ("90s", 90_000),
            ("2m", 120_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "90",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1 s",
            " 1s",
            "1s ",
            "1S",
            "1h30m",
            "1w",
            "366d",
            "99999999999999999999s",
            "9999999999999999999d",
            "１s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["0s", "1500ms", "90s", "300s", "24h"] {
            assert_eq!(parse(text).map(show).as_deref(), Some(text));
        }
    }
}
