//! The exhaustive model check of the refresh protocol: every history of two replicas, a store and
//! upstream, with a bounded number of faults. `docs/reliability.md` says what is modelled and what was found.
//!
//! The domain's own functions run in here: [`Record`](token_broker::domain::protocol::Record) is the
//! store, [`Replica`](token_broker::domain::replica::Replica) decides for each replica. The model adds
//! what lies between them.

mod ablation;
mod action;
mod actor;
mod alone;
mod answers;
mod call;
mod demand;
mod errand;
mod explore;
mod fetch;
mod offer;
mod order;
mod pausing;
mod promise;
mod sabotage;
mod scale;
mod search;
mod setting;
mod settle;
mod shared;
mod shown;
mod spaces;
mod step;
mod store;
mod trail;
mod upstream;
mod walk;
mod watch;
mod world;
