//! One replica's way to the store: calls that arrive or not, are answered or not, and stop with its process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use token_broker::domain::epoch::Epoch;
use token_broker::domain::protocol::{
    Attempt, Begin, Begun, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use token_broker::domain::state::Lease;
use token_broker::domain::time::Timestamp;
use token_broker::ports::{BegunIn, Signal, Stamped, Store, StoreError, Subject};
use tokio::sync::oneshot;

use super::machine::Gate;
use super::store::{Mischief, SharedStore};
use super::world::{Stage, pass};

/// How long a replica waits for an answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// One replica's way to the store.
pub(crate) struct StoreLink {
    pub(crate) replica: usize,
    pub(crate) store: Arc<SharedStore>,
    pub(crate) gate: Arc<Gate>,
}

impl StoreLink {
    async fn call<T: Send + std::fmt::Debug + 'static>(
        &self,
        what: &'static str,
        stage: Option<Stage>,
        act: impl FnOnce(&SharedStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.gate.passed().await;
        let away = |why: &str| StoreError::Away(String::from(why));
        let replica = self.replica;
        let store = Arc::clone(&self.store);
        let answer = match self.store.fate(replica, stage.is_none()) {
            None => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Err(away("refused"))
            }
            Some(fate) => {
                let is_smooth = fate.is_smooth;
                let made = async move {
                    pass(fate.there).await;
                    if !fate.arrives {
                        return None;
                    }
                    let world = store.world();
                    let answer = act(&store);
                    if let Some(stage) = stage {
                        world.reach(stage, replica).await;
                    }
                    if what != "read" || world.is_verbose() {
                        world.log(format_args!("r{replica} {what} {answer:?}"));
                    }
                    pass(fate.back).await;
                    fate.answered.then_some(answer)
                };
                let heard = if is_smooth {
                    // Whoever dies or stands still in the few milliseconds of such a call has done so before it
                    // or after it.
                    made.await
                } else {
                    sent_apart(made).await
                };
                heard.unwrap_or_else(|| Err(away("no answer")))
            }
        };
        self.gate.passed().await;
        answer
    }

    async fn change<T: Send + std::fmt::Debug + 'static>(
        &self,
        what: &'static str,
        subject: &Subject,
        change: impl FnOnce(&mut Record, Timestamp, Option<Mischief>) -> (T, bool) + Send + 'static,
    ) -> Result<Stamped<T>, StoreError> {
        let subject = subject.clone();
        let stage = (what == "commit").then_some(Stage::Stored);
        self.call(what, stage, move |store| store.apply(&subject, change))
            .await
    }
}

/// Lets a call be made apart from its sender: what was sent arrives, whatever becomes of whoever sent it. `None`
/// = no answer in time.
async fn sent_apart<T: Send + 'static>(
    made: impl Future<Output = Option<T>> + Send + 'static,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    tokio::spawn(async move { reply.send(made.await) });
    let heard = async {
        match answer.await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    };
    tokio::time::timeout(REPLY_TIMEOUT, heard).await.ok()
}

#[async_trait]
impl Store for StoreLink {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let (input, subject) = (*input, of.clone());
        self.store.world().reach(Stage::Asks, self.replica).await;
        let answer = self.call("begin", Some(Stage::Leased), move |store| {
            let rules = subject.rules.clone();
            let begun = store.apply(&subject, |record, now, mischief| {
                let before = record.state.budget;
                if mischief == Some(Mischief::NoSecondLook) {
                    record.state.suspect = Some(record.state.epoch);
                }
                let mut begun = record.begin(&input, &rules, now);
                if mischief == Some(Mischief::RepeatsEpochs)
                    && let Begun::Granted(permit) = &mut begun
                {
                    let again = Epoch(u64::MAX / 2);
                    permit.epoch = again;
                    record.state.lease = record.state.lease.map(|lease| Lease {
                        epoch: again,
                        ..lease
                    });
                }
                if mischief == Some(Mischief::ForgetsBudget) {
                    record.state.budget = before;
                }
                if mischief == Some(Mischief::ForgetsIntents) {
                    record.state.intent = None;
                }
                (begun, false)
            })?;
            if let Begun::Granted(permit) = &begun.answer {
                store.note_lease(permit.epoch, input.nonce);
            }
            let confirmed = store.is_confirmed();
            Ok(Stamped {
                at: begun.at,
                answer: BegunIn {
                    begun: begun.answer,
                    confirmed,
                },
            })
        });
        let answer = answer.await;
        if let Ok(Stamped { answer: begun, .. }) = &answer
            && let Begun::Fresh(grant) = &begun.begun
        {
            self.store.gave(self.replica, grant.version);
        }
        answer
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        let (input, rules) = (input.clone(), of.rules.clone());
        let answer = self.change("commit", of, move |record, now, mischief| {
            if mischief == Some(Mischief::LateCommits) {
                record.state.lease = Some(Lease {
                    nonce: input.attempt.nonce,
                    epoch: input.attempt.epoch,
                    until: now,
                });
                record.state.version = record.state.version.min(input.grant.version);
            }
            (record.commit(&input, &rules, now), true)
        });
        let answer = answer.await;
        if let Ok(Stamped {
            answer: Committed::Stored { version, .. },
            ..
        }) = answer
        {
            self.store.gave(self.replica, version);
        }
        answer
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("fail", of, move |record, now, _| {
            (record.fail(&input, &rules, now), true)
        })
        .await
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("release", of, move |record, _, _| {
            (record.release(&input, &rules), false)
        })
        .await
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        let input = *input;
        self.change("claim", of, move |record, now, _| {
            (record.claim_check(&input, now), false)
        })
        .await
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("judge", of, move |record, now, mischief| {
            if mischief == Some(Mischief::IgnoresDeaths) {
                return (Judged::Ignored, false);
            }
            let judged = record.judge(&input, &rules, now);
            (judged, matches!(judged, Judged::Dead { .. }))
        })
        .await
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        let (input, rules) = (input.clone(), of.rules.clone());
        self.change("put_back", of, move |record, now, _| {
            (record.put_back(&input, &rules, now), true)
        })
        .await
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("suspect", of, move |record, now, _| {
            (record.suspect(&input, &rules, now), true)
        })
        .await
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        let input = *input;
        self.change("set_pause", of, move |record, now, _| {
            (record.set_pause(&input, now), true)
        })
        .await
    }

    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let subjects: Vec<Subject> = of.iter().map(|subject| (*subject).clone()).collect();
        let answer = self.call("read", None, move |store| {
            let copy = |record: &mut Record, _, mischief| {
                let mut copy = record.clone();
                copy.grant
                    .take_if(|_| mischief == Some(Mischief::HidesGrants));
                (copy, false)
            };
            let read = |subject: &Subject| store.apply(subject, copy);
            Ok(subjects.iter().map(read).collect::<Vec<_>>())
        });
        let answer = answer.await;
        for record in answer.iter().flatten().flatten() {
            if let Some(grant) = record.answer.servable() {
                self.store.gave(self.replica, grant.version);
            }
        }
        answer
    }

    async fn ask(&self, of: &Subject) -> Result<(), StoreError> {
        let signal = Signal::Asked(of.credential.clone());
        self.call("ask", None, move |store| {
            store.ask(&signal);
            Ok(())
        })
        .await
    }

    fn is_shared(&self) -> bool {
        true
    }
}
