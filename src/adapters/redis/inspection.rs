//! A look at a server whenever a connection to it is made: is it new enough, will it keep what it is given,
//! who else has it?

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tracing::{error, info};

use super::fault::Fault;
use crate::ports::StoreError;
use crate::redis_url::Address;

/// Older ones lack what the scripts and the ACL rely on.
const OLDEST: (u32, u32) = (6, 2);

/// What `INFO` says. What a server leaves out is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    product: String,
    version: Option<String>,
    role: Option<String>,
    replicas: Option<u32>,
    /// Whether it refuses changes while too few replicas follow.
    needs_replicas: bool,
    /// `maxmemory` in bytes; 0 = no limit.
    limit: Option<u64>,
    policy: Option<String>,
}

impl Facts {
    /// Reads the answer to `INFO`.
    pub(super) fn read(info: &str) -> Self {
        let told: HashMap<_, _> = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .collect();
        let text = |key: &str| told.get(key).map(|value| (*value).to_owned());
        let (product, version) = match text("valkey_version") {
            Some(version) => ("Valkey", Some(version)),
            None => ("Redis", text("redis_version")),
        };
        Self {
            product: product.to_owned(),
            version,
            role: text("role"),
            replicas: text("connected_slaves").and_then(|count| count.parse().ok()),
            needs_replicas: told.contains_key("min_slaves_good_slaves"),
            limit: text("maxmemory").and_then(|bytes| bytes.parse().ok()),
            policy: text("maxmemory_policy"),
        }
    }

    /// Whether records may be thrown away when the memory is full.
    pub(super) fn evicts(&self) -> bool {
        self.limit != Some(0) && self.policy.as_deref().is_some_and(|it| it != "noeviction")
    }

    /// Whether it takes changes; one that does not say is believed to.
    pub(super) fn is_master(&self) -> bool {
        self.role.as_deref().is_none_or(|role| role == "master")
    }

    /// # Errors
    /// A server that this broker cannot work with.
    pub(super) fn check_version(&self) -> Result<(), Fault> {
        let Some(version) = &self.version else {
            return Ok(());
        };
        let mut numbers = version.split('.').map_while(|part| part.parse().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) if (major, minor) < OLDEST => Err(Fault {
                error: StoreError::Refused(format!(
                    "it is {} {version}, and 6.2 or newer is needed",
                    self.product
                )),
                advice: "store.url: name a server of Redis 6.2 or newer, or Valkey",
            }),
            _ => Ok(()),
        }
    }
}

/// What was last seen of each server, so that only news is told.
#[derive(Debug, Default)]
pub(super) struct Inspection(Mutex<HashMap<Address, Facts>>);

impl Inspection {
    /// Takes note of what a server says, and tells people what is new.
    pub(super) fn saw(&self, server: &Address, facts: &Facts) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.insert(server.clone(), facts.clone());
        drop(seen);
        if before.as_ref() == Some(facts) {
            return;
        }
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
        info!(
            %server, product = facts.product, version = or_unknown(&facts.version),
            role = or_unknown(&facts.role), replicas = facts.replicas,
            min_replicas_to_write = facts.needs_replicas,
            maxmemory_policy = or_unknown(&facts.policy), "found a Redis"
        );
        if facts.evicts() && !before.is_some_and(|before| before.evicts()) {
            error!(
                %server, maxmemory_policy = or_unknown(&facts.policy),
                "this Redis throws records away when its memory is full, tokens and counted fetches among \
                 them: set maxmemory-policy noeviction, or use a server of its own"
            );
        }
    }

    /// Whether any server that was seen may throw records away.
    pub(super) fn evicts(&self) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.values().any(Facts::evicts)
    }

    /// Forgets servers that are none of ours any more.
    pub(super) fn keep(&self, ours: impl Fn(&Address) -> bool) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|server, _| ours(server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(lines: &[&str]) -> Facts {
        Facts::read(&lines.join("\r\n"))
    }

    #[test]
    fn a_server_evicts_where_it_has_a_limit_and_a_policy_other_than_none() {
        let limited = "maxmemory:1048576";
        for policy in ["allkeys-lru", "volatile-ttl", "volatile-lru"] {
            let policy = format!("maxmemory_policy:{policy}");
            assert!(facts(&[limited, &policy]).evicts());
            assert!(facts(&[&policy]).evicts());
            assert!(!facts(&["maxmemory:0", &policy]).evicts());
        }
        assert!(!facts(&[limited, "maxmemory_policy:noeviction"]).evicts());
        assert!(!facts(&[limited]).evicts() && !facts(&[]).evicts());
    }

    #[test]
    fn only_a_version_that_is_known_and_too_old_is_refused() {
        for old in ["2.8.4", "5.0.14", "6.0.16"] {
            let fault = facts(&[&format!("redis_version:{old}")]).check_version();
            let told = fault.err().map(|fault| fault.to_string());
            let expected =
                format!("the store refuses: it is Redis {old}, and 6.2 or newer is needed");
            assert_eq!(told, Some(expected));
        }
        for good in ["6.2.0", "7.0.15", "10.0.0", "255.255.255", "unstable"] {
            assert!(
                facts(&[&format!("redis_version:{good}")])
                    .check_version()
                    .is_ok()
            );
        }
        let valkey = ["redis_version:7.2.4", "valkey_version:9.0.0"];
        assert_eq!(facts(&valkey).product, "Valkey");
        assert!(facts(&valkey).check_version().is_ok() && facts(&[]).check_version().is_ok());
    }

    #[test]
    fn a_replica_is_no_master() {
        assert!(facts(&["# Replication", "role:master"]).is_master() && facts(&[]).is_master());
        assert!(!facts(&["role:slave"]).is_master());
        assert!(facts(&["min_slaves_good_slaves:1"]).needs_replicas);
    }
}
