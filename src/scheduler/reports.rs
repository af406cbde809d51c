//! The reports of one credential that wait for a verdict.
//!
//! One is looked into at a time, and what comes of it answers all that it can answer: those of the same token, and
//! of these, where upstream accepts it, only such as were not seen refused since. A refusal that this replica saw
//! itself may have a check made of its own, a few times only: a path of WeChat's that says 40001 whatever the
//! token must not have one made by every call.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::secret::Digest;
use crate::domain::time::Moment;
use crate::refresher::{Report, ReportVerdict};

/// So many refusals that this replica saw may each have a check made; after that, one for each `close_watch`.
const LOOKS: u32 = 4;

/// Who waits, and what is looked into.
#[derive(Default)]
pub(super) struct Reports {
    waiting: Vec<(Report, oneshot::Sender<ReportVerdict>)>,
    under_way: Option<UnderWay>,
    /// When every look is there again, by the boot clock: the one number of a GCRA.
    replenished: Duration,
}

struct UnderWay {
    token: Digest,
    since: Moment,
}

impl Reports {
    /// Whether nobody is looking into anything.
    pub(super) const fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// One more waits.
    pub(super) fn wait(&mut self, report: Report, reply: oneshot::Sender<ReportVerdict>) {
        self.waiting.push((report, reply));
    }

    /// What to look into now; nothing while something is looked into.
    pub(super) fn begin(&mut self, now: Moment, close_watch: Duration) -> Option<Report> {
        if !self.is_idle() {
            return None;
        }
        let token = self.waiting.first()?.0.token;
        let alike = self.waiting.iter().filter(|(it, _)| it.token == token);
        let seen = alike
            .filter_map(|(it, _)| it.seen)
            .max_by_key(|seen| seen.boot);
        self.under_way = Some(UnderWay { token, since: now });
        Some(Report {
            token,
            seen: seen.filter(|_| self.look(now, close_watch)),
        })
    }

    /// Takes a look, if one is left.
    fn look(&mut self, now: Moment, close_watch: Duration) -> bool {
        let replenished = self.replenished.max(now.boot) + close_watch;
        let left = replenished <= now.boot + close_watch * LOOKS;
        if left {
            self.replenished = replenished;
        }
        left
    }

    /// Answers all that this verdict answers. The others are to be looked into next.
    pub(super) fn settle(&mut self, verdict: ReportVerdict) {
        let Some(UnderWay { token, since }) = self.under_way.take() else {
            return;
        };
        let is_answered = |report: &Report| {
            let seen_since = report.seen.is_some_and(|seen| seen.boot > since.boot);
            report.token == token && !(seen_since && verdict == ReportVerdict::StillValid)
        };
        for (_, reply) in self.waiting.extract_if(.., |(it, _)| is_answered(it)) {
            let _ = reply.send(verdict);
        }
    }

    /// Nobody will answer those that wait.
    pub(super) fn abandon(&mut self) {
        self.under_way = None;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE_WATCH: Duration = Duration::from_secs(15);

    fn at(seconds: u64) -> Moment {
        let boot = Duration::from_secs(seconds);
        Moment { boot, wall: boot }
    }

    fn token(byte: u8) -> Digest {
        Digest::new([byte; 32])
    }

    fn told(byte: u8) -> Report {
        Report {
            token: token(byte),
            seen: None,
        }
    }

    fn seen(byte: u8, second: u64) -> Report {
        Report {
            token: token(byte),
            seen: Some(at(second)),
        }
    }

    fn leave(reports: &mut Reports, report: Report) -> oneshot::Receiver<ReportVerdict> {
        let (reply, verdict) = oneshot::channel();
        reports.wait(report, reply);
        verdict
    }

    #[test]
    fn one_verdict_answers_all_reports_of_a_token_and_no_other_ones() {
        let mut reports = Reports::default();
        let mut alike = [
            leave(&mut reports, told(1)),
            leave(&mut reports, seen(1, 7)),
        ];
        let mut other = leave(&mut reports, told(2));
        assert_eq!(reports.begin(at(9), CLOSE_WATCH), Some(seen(1, 7)));
        assert_eq!(reports.begin(at(9), CLOSE_WATCH), None, "one at a time");

        reports.settle(ReportVerdict::StillValid);

        for verdict in &mut alike {
            assert_eq!(verdict.try_recv(), Ok(ReportVerdict::StillValid));
        }
        assert!(other.try_recv().is_err());
        assert_eq!(reports.begin(at(10), CLOSE_WATCH), Some(told(2)));
    }

    #[test]
    fn an_accepted_check_does_not_answer_what_was_refused_since() {
        let mut reports = Reports::default();
        let mut before = leave(&mut reports, seen(1, 9));
        reports.begin(at(10), CLOSE_WATCH);
        let mut since = leave(&mut reports, seen(1, 11));
        let mut told = leave(&mut reports, told(1));

        reports.settle(ReportVerdict::StillValid);

        assert_eq!(before.try_recv(), Ok(ReportVerdict::StillValid));
        assert_eq!(told.try_recv(), Ok(ReportVerdict::StillValid));
        assert!(since.try_recv().is_err());
        assert_eq!(reports.begin(at(12), CLOSE_WATCH), Some(seen(1, 11)));
        reports.settle(ReportVerdict::Refused);
        assert_eq!(since.try_recv(), Ok(ReportVerdict::Refused));
    }

    #[test]
    fn a_refused_check_answers_everybody() {
        let mut reports = Reports::default();
        let _before = leave(&mut reports, told(1));
        reports.begin(at(10), CLOSE_WATCH);
        let mut since = leave(&mut reports, seen(1, 11));
        reports.settle(ReportVerdict::Refused);
        assert_eq!(since.try_recv(), Ok(ReportVerdict::Refused));
    }

    #[test]
    fn a_path_that_always_lies_has_four_looks_and_one_more_for_each_close_watch() {
        let mut reports = Reports::default();
        let mut looks = Vec::new();
        for second in 100..160 {
            let _verdict = leave(&mut reports, seen(1, second));
            let begun = reports.begin(at(second), CLOSE_WATCH);
            looks.extend(begun.filter(|it| it.seen.is_some()).map(|_| second));
            reports.settle(ReportVerdict::StillValid);
        }
        assert_eq!(looks, [100, 101, 102, 103, 115, 130, 145]);
    }

    #[test]
    fn those_whom_nobody_will_answer_learn_it() {
        let mut reports = Reports::default();
        let mut verdict = leave(&mut reports, told(1));
        reports.begin(at(1), CLOSE_WATCH);
        reports.abandon();
        assert_eq!(
            verdict.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        assert!(reports.is_idle());
    }
}
