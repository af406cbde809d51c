//! What each safeguard is there for: with it taken out, a promise is broken.

use super::action::{Action, Fault};
use super::call::Call;
use super::demand::Demand;
use super::explore::{Space, run_calmly};
use super::promise::Broken;
use super::sabotage::Sabotage;
use super::scale::Tick;
use super::setting::Setting;
use super::spaces::{number, warm, warm_from};
use super::world::World;

/// A safeguard, and the histories in which it is missed.
struct Ablation {
    without: Sabotage,
    setting: Setting,
    /// As many faults as are named, of these kinds.
    faults: &'static [Fault],
    demands: &'static [Demand],
    /// For how long a dead token may be served there, where that is less than is promised.
    dead_at_most: Option<Tick>,
    /// What breaks, and the number of a history in which it does.
    breaks: Broken,
    history: u64,
}

impl Ablation {
    const fn of(without: Sabotage, faults: &'static [Fault], breaks: Broken, history: u64) -> Self {
        Self {
            without,
            setting: Setting::TOKEN,
            faults,
            demands: &[],
            dead_at_most: None,
            breaks,
            history,
        }
    }

    fn space(&self, sabotage: Sabotage) -> Space {
        self.space_of(sabotage, self.faults)
    }

    fn space_of(&self, sabotage: Sabotage, faults: &[Fault]) -> Space {
        let budget = u8::try_from(faults.len()).unwrap_or(u8::MAX);
        let demands = u8::try_from(self.demands.len()).unwrap_or(u8::MAX);
        let setting = Setting {
            sabotage,
            ..self.setting
        };
        let mut space = Space::warm(setting, budget, faults).wanting(demands, self.demands);
        for start in &mut space.starts {
            start.dead_at_most = self.dead_at_most;
        }
        space
    }
}

const ABLATIONS: &[Ablation] = &[
    Ablation::of(
        Sabotage::Epoch,
        &[Fault::Stall],
        Broken::StoredBackwards,
        19,
    ),
    Ablation::of(
        Sabotage::EpochFromTime,
        &[Fault::Lag],
        Broken::VersionTwice,
        70,
    ),
    Ablation {
        dead_at_most: Some(0),
        ..Ablation::of(Sabotage::Intent, &[Fault::Crash], Broken::DeadServed, 31)
    },
    Ablation::of(Sabotage::Lease, &[], Broken::NeedlessFetch, 0),
    Ablation::of(Sabotage::LookAndSpacing, &[], Broken::NeedlessFetch, 1),
    Ablation {
        demands: &[Demand::Force, Demand::Force],
        ..Ablation::of(Sabotage::Spacing, &[], Broken::CacheDied, 12)
    },
    Ablation::of(Sabotage::Floor, &[Fault::Lag], Broken::Backwards, 11),
    Ablation {
        dead_at_most: Some(0),
        ..Ablation::of(
            Sabotage::Suspect,
            &[Fault::LostAnswer],
            Broken::DeadServed,
            0,
        )
    },
    Ablation::of(
        Sabotage::CloseWatch,
        &[Fault::LateQuestion],
        Broken::DeadServed,
        49,
    ),
    Ablation::of(
        Sabotage::PutBackCheck,
        &[Fault::Lag],
        Broken::DeadServed,
        21,
    ),
    Ablation {
        demands: &[Demand::Pause],
        ..Ablation::of(Sabotage::Memory, &[Fault::DataLoss], Broken::Spins, 4)
    },
];

/// Safeguards that no history of these faults was found to miss so far: others stand behind them, or the
/// simulation has what it takes. They are looked for with the rest.
const NOT_MISSED: &[Ablation] = &[
    Ablation::of(
        Sabotage::ClearedEarly,
        &[Fault::Stall, Fault::Crash],
        Broken::DeadServed,
        0,
    ),
    Ablation::of(
        Sabotage::Validity,
        &[Fault::Stall, Fault::Crash],
        Broken::DeadServed,
        0,
    ),
    Ablation::of(
        Sabotage::Pending,
        &[Fault::CutOff, Fault::UpstreamDown],
        Broken::DeadServed,
        0,
    ),
    Ablation::of(
        Sabotage::CutOffCheck,
        &[Fault::CutOff, Fault::ForeignFetch],
        Broken::DeadServed,
        0,
    ),
    Ablation::of(
        Sabotage::Vouching,
        &[Fault::Stall, Fault::ForeignFetch],
        Broken::DeadServed,
        0,
    ),
    Ablation::of(
        Sabotage::Probe,
        &[Fault::LostAnswer, Fault::UpstreamDown],
        Broken::DeadServed,
        0,
    ),
];

/// Looks for such histories: `MODEL_ABLATION` numbers are tried for each safeguard, or for `MODEL_WITHOUT`,
/// with the faults that the table names, and with each kind of fault alone.
#[test]
#[expect(clippy::print_stdout, reason = "what was found is the result")]
fn what_breaks_without_each_safeguard() {
    let Some(histories) = number::<u64>("MODEL_ABLATION") else {
        return;
    };
    let only: Option<String> = number("MODEL_WITHOUT");
    let wanted = |ablation: &&Ablation| {
        let name = format!("{:?}", ablation.without);
        only.as_ref().is_none_or(|only| *only == name)
    };
    for ablation in ABLATIONS.iter().chain(NOT_MISSED).filter(wanted) {
        let alone = Fault::ALL.iter().map(std::slice::from_ref);
        for faults in std::iter::once(ablation.faults).chain(alone) {
            let without = ablation.space_of(ablation.without, faults);
            let whole = ablation.space_of(Sabotage::None, faults);
            let breaks = |history: &u64| without.walk(*history).broken;
            let first = (0..histories)
                .find(|history| breaks(history).is_some() && whole.walk(*history).broken.is_none());
            if let Some(history) = first {
                let breaks = breaks(&history);
                println!("{:?} {faults:?}: {breaks:?} by {history}", ablation.without);
            }
        }
    }
}

/// The second look alone is missed by no promise: the spacing stands behind it, and takes longer to say so.
#[test]
fn the_spacing_stands_behind_the_second_look() {
    let space = Ablation::of(Sabotage::SecondLook, &[], Broken::NeedlessFetch, 0);
    let space = space.space(Sabotage::SecondLook);
    for history in 0..100 {
        assert_eq!(space.walk(history).broken, None, "history {history}");
    }
}

#[test]
fn without_any_one_safeguard_a_promise_is_broken() {
    for ablation in ABLATIONS {
        let broken = |sabotage| ablation.space(sabotage).walk(ablation.history).broken;
        let what = format!("{:?}, history {}", ablation.without, ablation.history);
        assert_eq!(broken(ablation.without), Some(ablation.breaks), "{what}");
        assert_eq!(broken(Sabotage::None), None, "{what}, with it");
    }
}

/// Takes what one replica does next, until it is about to fetch.
fn until_it_fetches(world: &mut World, index: usize) -> Result<(), Broken> {
    let fetches = |world: &World| {
        let flight = world.sides[index].actor.flight.as_ref();
        flight.is_some_and(|flight| matches!(flight.call, Call::Fetch { .. }))
    };
    while !fetches(world) {
        let of_it = |action: &Action| matches!(action, Action::Follow(it) | Action::Start(it) | Action::Apply(it) | Action::Deliver(it) if *it == index);
        let next = world.moves().into_iter().find(of_it);
        world.take(next.unwrap_or(Action::Tick))?;
    }
    Ok(())
}

/// A failover to a clock that is behind hands one epoch out twice. The first holder, which stood still
/// meanwhile, commits while the second fetches.
fn two_holders_of_one_epoch(sabotage: Sabotage) -> Result<(), Broken> {
    let setting = Setting {
        sabotage,
        ..Setting::TOKEN
    };
    // The second does not read the store while the first holds the lease, and so remembers nothing of it.
    let mut world = warm(2, setting).remove(2);
    run_calmly(&mut world, warm_from(setting) + 1)?;
    world.take(Action::Fault(Fault::Lag, 0))?;
    until_it_fetches(&mut world, 0)?;
    let epoch = world.store.epoch();
    world.take(Action::Fault(Fault::Stall, 0))?;
    let begun = world.now;
    run_calmly(&mut world, begun + 1)?;
    world.take(Action::FailOver(-3))?;
    until_it_fetches(&mut world, 1)?;
    assert_eq!(
        world.store.epoch(),
        epoch,
        "the epoch is not handed out twice"
    );
    world.take(Action::GoOn(0))?;
    for action in [Action::Apply(0), Action::Deliver(0), Action::Apply(0)] {
        world.take(action)?;
    }
    Ok(())
}

#[test]
fn the_nonce_tells_two_holders_of_one_epoch_apart() {
    assert_eq!(
        two_holders_of_one_epoch(Sabotage::Nonce),
        Err(Broken::LateStored)
    );
    assert_eq!(two_holders_of_one_epoch(Sabotage::None), Ok(()));
}
