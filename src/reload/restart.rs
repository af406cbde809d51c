//! What of a changed configuration holds only after a restart: what sockets, connections and clients were
//! made from.

use crate::config::{Config, LogConfig};

/// The configuration that is in force once `new` was taken over, and what of it has to wait.
pub(super) fn without_restart(running: &Config, new: Config) -> (Config, Vec<String>) {
    let mut waiting = Vec::new();
    let mut wait_if = |changed: bool, what: &str| {
        if changed {
            waiting.push(what.to_owned());
        }
    };
    wait_if(running.server != new.server, "[server]");
    wait_if(running.store != new.store, "[store]");
    wait_if(running.upstream != new.upstream, "[upstream]");
    wait_if(running.gateway != new.gateway, "[gateway]");
    wait_if(
        running.log.format != new.log.format || running.log.access_sample != new.log.access_sample,
        "[log] format or access_sample",
    );
    wait_if(running.metrics != new.metrics, "[metrics]");
    wait_if(running.traces != new.traces, "[traces]");
    // These were judged together with time-outs that do not hold yet.
    let refresh_waits = running.refresh != new.refresh
        && (running.upstream.timeout != new.upstream.timeout || running.store != new.store);
    wait_if(refresh_waits, "[refresh]");
    let in_force = Config {
        server: running.server.clone(),
        store: running.store.clone(),
        upstream: running.upstream.clone(),
        refresh: if refresh_waits {
            running.refresh.clone()
        } else {
            new.refresh
        },
        gateway: running.gateway.clone(),
        log: LogConfig {
            level: new.log.level,
            ..running.log.clone()
        },
        metrics: running.metrics.clone(),
        traces: running.traces.clone(),
        apps: new.apps,
        callers: new.callers,
    };
    (in_force, waiting)
}
