//! The whole write and read flow of several replicas, simulated: one thread, paused time, a store and a
//! WeChat that fail on demand, and an oracle that knows which token lives. From one seed, everything is
//! determined.

mod baseline;
mod clock;
mod comparison;
mod fault;
mod histories;
mod history;
mod machine;
mod oracle;
mod oracle_tests;
mod outages;
mod plan;
mod replica;
mod safeguards;
mod scenarios;
mod stable;
mod store;
mod store_link;
mod upstream;
mod world;
mod years;
