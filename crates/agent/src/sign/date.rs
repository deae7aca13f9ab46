//! The time of a signature, `YYYYMMDDTHHMMSSZ` (ISO 8601 basic format, UTC), as Signature Version 4 writes it in X-Amz-Date.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// A moment to the second, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(PrimitiveDateTime);

/// The text is not a moment of the form `YYYYMMDDTHHMMSSZ`, or the number of seconds is outside the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form YYYYMMDDTHHMMSSZ")]
pub struct BadTimestamp;

impl Timestamp {
    /// The moment this many seconds after 1970-01-01T00:00:00Z; the clock is the caller's.
    ///
    /// # Errors
    /// [`BadTimestamp`] outside the years that four digits can write.
    pub fn from_unix(seconds: i64) -> Result<Self, BadTimestamp> {
        let moment = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| BadTimestamp)?;
        if (0..=9999).contains(&moment.year()) { Ok(Self(PrimitiveDateTime::new(moment.date(), moment.time()))) } else { Err(BadTimestamp) }
    }

    /// Seconds since 1970-01-01T00:00:00Z, for a comparison with one's own clock.
    pub fn unix(&self) -> i64 {
        self.0.assume_utc().unix_timestamp()
    }

    /// `YYYYMMDD`, the date of a credential scope.
    pub fn date(&self) -> String {
        let (year, month, day) = self.0.to_calendar_date();
        format!("{year:04}{:02}{day:02}", u8::from(month))
    }
}

/// `YYYYMMDDTHHMMSSZ`.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (hour, minute, second) = self.0.as_hms();
        write!(f, "{}T{hour:02}{minute:02}{second:02}Z", self.date())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(text: &str) -> Result<Self, BadTimestamp> {
        let digits = text.strip_suffix('Z').filter(|t| t.len() == 15 && t.is_ascii() && &t[8..9] == "T").ok_or(BadTimestamp)?;
        let number = |range: std::ops::Range<usize>| {
            let part = &digits[range];
            if part.bytes().all(|b| b.is_ascii_digit()) { part.parse::<u16>().map_err(|_| BadTimestamp) } else { Err(BadTimestamp) }
        };
        let two = |at: usize| number(at..at + 2).map(|n| n as u8); // two digits fit
        let month = Month::try_from(two(4)?).map_err(|_| BadTimestamp)?;
        let date = Date::from_calendar_date(i32::from(number(0..4)?), month, two(6)?).map_err(|_| BadTimestamp)?;
        let time = Time::from_hms(two(9)?, two(11)?, two(13)?).map_err(|_| BadTimestamp)?;
        Ok(Self(PrimitiveDateTime::new(date, time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_seconds_agree() {
        for (text, seconds) in [("19700101T000000Z", 0), ("20150830T123600Z", 1_440_938_160), ("20240229T235959Z", 1_709_251_199)] {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!((moment.unix(), moment.to_string().as_str(), moment.date().as_str()), (seconds, text, &text[..8]));
            assert_eq!(Timestamp::from_unix(seconds), Ok(moment));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "20150830",
            "20150830T123600",
            "20150830t123600Z",
            "20150830T123600z",
            "2015-08-30T12:36:00Z",
            "20150230T000000Z",
            "20151301T000000Z",
            "20150830T240000Z",
            "20150830T126000Z",
            "20150830T123660Z",
            "2015083+T123600Z",
            "20150830T12360\u{e9}Z",
            "20150830T123600Z\n",
            "+0150830T123600Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(BadTimestamp), "{text:?}");
        }
        assert_eq!(Timestamp::from_unix(i64::MAX), Err(BadTimestamp));
        assert_eq!(Timestamp::from_unix(253_402_300_800), Err(BadTimestamp));
    }
}
