//! The faults that random histories are made of.

use std::time::Duration;

use super::history::{HOUR, History, MINUTE};
use super::store::Link;
use super::upstream::Weather;
use super::world::{Dice, SHOWS_FOR, Stage};

const SECOND: Duration = Duration::from_secs(1);

/// One thing that goes wrong, for a while or at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Crash(usize),
    /// A crash in the middle of a refresh, should one come up.
    CrashAt(Stage),
    /// The process is stopped: scheduling, a debugger, a full disk.
    Stop(usize, Duration),
    /// The same in the middle of a refresh.
    StopAt(Stage, Duration),
    Link(usize, Link, Duration),
    AllLinks(Link, Duration),
    Weather(Weather, Duration),
    SignalsLost(f64, Duration),
    Unconfirmed(Duration),
    Flush,
    Evict,
    FailOver(usize, i64),
    Foreign,
    /// Callers report good tokens and force refreshes.
    Nuisance(Duration),
    WallStep(usize, i64),
}

impl Fault {
    /// A fault of a healthy company: a deployment, a short stop, a network that loses a little.
    pub(crate) fn benign(dice: &mut Dice, replicas: usize) -> Self {
        let replica =
            usize::try_from(dice.below(u64::try_from(replicas).unwrap_or(1))).unwrap_or(0);
        let lasts = dice.between(SECOND, 5 * MINUTE);
        match dice.below(9) {
            0..=2 => Self::Crash(replica),
            3 => Self::Stop(replica, lasts.min(MINUTE)),
            4 => Self::Link(replica, Link::Away, lasts),
            5 => Self::AllLinks(Link::LosesReplies(0.1), lasts),
            6 => Self::Weather(Weather::Down, lasts),
            7 => Self::Weather(Weather::Errs(-1), lasts),
            _ => Self::SignalsLost(0.3, lasts),
        }
    }

    /// Any fault. Outages last up to `longest`.
    pub(crate) fn any(dice: &mut Dice, replicas: usize, longest: Duration) -> Self {
        let replica =
            usize::try_from(dice.below(u64::try_from(replicas).unwrap_or(1))).unwrap_or(0);
        let lasts = dice.between(SECOND, longest);
        let short = dice.between(SECOND, 2 * MINUTE);
        let stage = Stage::ALL[usize::try_from(dice.below(6)).unwrap_or(0)];
        match dice.below(19) {
            0 => Self::Crash(replica),
            1 | 2 => Self::CrashAt(stage),
            3 => Self::Stop(replica, lasts.min(HOUR)),
            4 | 5 => Self::StopAt(stage, short),
            6 => Self::Link(replica, Self::any_link(dice), lasts),
            7 | 8 => Self::AllLinks(Self::any_link(dice), lasts),
            9 | 10 => Self::Weather(Self::any_weather(dice), lasts),
            11 => Self::SignalsLost(0.7, lasts),
            12 => Self::Unconfirmed(lasts),
            13 => Self::Flush,
            14 => Self::Evict,
            15 => {
                let lost = usize::try_from(dice.below(12)).unwrap_or(0);
                let shift = i64::try_from(dice.below(40_000)).unwrap_or(0);
                Self::FailOver(lost, shift - 20_000)
            }
            16 => Self::Foreign,
            17 => {
                let millis = i64::try_from(dice.below(7_200_000)).unwrap_or(0);
                Self::WallStep(replica, millis - 3_600_000)
            }
            _ => Self::Nuisance(lasts),
        }
    }

    fn any_link(dice: &mut Dice) -> Link {
        match dice.below(5) {
            0 => Link::LosesRequests(0.5),
            1 => Link::LosesReplies(0.5),
            2 => Link::LosesReplies(1.0),
            3 => Link::Slow(3 * SECOND),
            _ => Link::Away,
        }
    }

    fn any_weather(dice: &mut Dice) -> Weather {
        match dice.below(8) {
            0 => Weather::Down,
            1 => Weather::Hangs,
            2 => Weather::LosesReplies,
            3 => Weather::Late,
            4 => Weather::Lingers(15 * SECOND),
            5 => Weather::Errs(-1),
            6 => Weather::Errs(45011),
            _ => Weather::Garbles,
        }
    }

    /// How long it lasts, as far as that is known beforehand.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::Stop(_, lasts)
            | Self::StopAt(_, lasts)
            | Self::Link(_, _, lasts)
            | Self::AllLinks(_, lasts)
            | Self::Weather(_, lasts)
            | Self::SignalsLost(_, lasts)
            | Self::Unconfirmed(lasts)
            | Self::Nuisance(lasts) => lasts,
            Self::Crash(_) | Self::CrashAt(_) => 10 * SECOND,
            Self::Flush | Self::Evict | Self::FailOver(..) | Self::Foreign | Self::WallStep(..) => {
                Duration::ZERO
            }
        }
    }

    /// Whether it keeps a death from being found while it lasts.
    fn is_blinding(self) -> bool {
        match self {
            Self::Weather(weather, _) => matches!(
                weather,
                Weather::Down | Weather::Hangs | Weather::Lingers(_) | Weather::Errs(_)
            ),
            Self::Link(_, link, _) | Self::AllLinks(link, _) => link != Link::Away,
            _ => false,
        }
    }

    /// Suffers it from beginning to end.
    pub(crate) async fn strike(self, history: &History) {
        history.world.log(format_args!("FAULT {self:?}"));
        history.world.stir(self.lasts() + SHOWS_FOR);
        if self.is_blinding() {
            history.blind();
        }
        self.last(history).await;
        if self.is_blinding() {
            history.sighted();
        }
        history.world.log(format_args!("END OF {self:?}"));
        history.world.stir(SHOWS_FOR);
    }

    async fn last(self, history: &History) {
        let sleep = tokio::time::sleep;
        match self {
            Self::Crash(replica) => {
                history.nodes[replica].crash();
                sleep(10 * SECOND).await;
                history.nodes[replica].start();
            }
            Self::CrashAt(stage) => {
                if let Some(replica) = reached(history, stage).await {
                    history.nodes[replica].crash();
                    sleep(10 * SECOND).await;
                    history.nodes[replica].start();
                }
            }
            Self::Stop(replica, time) => stop(history, replica, time).await,
            Self::StopAt(stage, time) => {
                if let Some(replica) = reached(history, stage).await {
                    stop(history, replica, time).await;
                }
            }
            Self::Link(replica, link, time) => {
                history.store.set_link(replica, link);
                sleep(time).await;
                history.store.set_link(replica, Link::Up);
            }
            Self::AllLinks(link, time) => {
                history.store.set_all_links(link);
                sleep(time).await;
                history.store.set_all_links(Link::Up);
            }
            Self::Weather(weather, time) => {
                history.wechat.set_weather(weather);
                sleep(time).await;
                history.wechat.set_weather(Weather::Fair);
            }
            Self::SignalsLost(part, time) => {
                history.store.lose_signals(part);
                sleep(time).await;
                history.store.lose_signals(0.0);
            }
            Self::Unconfirmed(time) => {
                history.store.set_unconfirmed(true);
                sleep(time).await;
                history.store.set_unconfirmed(false);
            }
            Self::Flush => history.store.flush(),
            Self::Evict => history.store.evict_grant(),
            Self::FailOver(lost, shift) => history.store.fail_over(lost, shift),
            Self::Foreign => history.wechat.foreign_fetch(),
            Self::Nuisance(time) => {
                history.oracle.callers(|callers| callers.nuisance = 0.2);
                sleep(time).await;
                history.oracle.callers(|callers| callers.nuisance = 0.0);
            }
            Self::WallStep(replica, millis) => history.nodes[replica].clock.step_wall(millis),
        }
    }
}

/// Which replica reaches the stage within an hour and a half.
async fn reached(history: &History, stage: Stage) -> Option<usize> {
    tokio::time::timeout(90 * MINUTE, history.world.reached(stage))
        .await
        .ok()
}

async fn stop(history: &History, replica: usize, time: Duration) {
    history.nodes[replica].stop();
    // Nobody is left who could find a death.
    let all_stand_still = history.nodes.iter().all(|node| node.broker().is_none());
    if all_stand_still {
        history.blind();
    }
    tokio::time::sleep(time).await;
    history.nodes[replica].go_on();
    if all_stand_still {
        history.sighted();
    }
}
