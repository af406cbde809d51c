//! `serve`: the one place where the command line meets the running broker.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

use super::environment::Environment;
use super::failure::Failure;
use crate::app::Application;
use crate::reload::Source;
use crate::service_manager::ServiceManager;
use crate::telemetry;
use crate::traces::Traces;

pub(super) fn serve(path: &Path, environment: &Environment) -> Result<(), Failure> {
    let (source, config) = Source::read(path.to_owned(), environment.iter().collect())?;
    // The write flow waits for others nearly all of the time: on one thread its tasks neither wake nor wait for another,
    // which is a fifth less work for ten thousand apps. Requests are served by threads of their own, and what would block
    // runs on threads for that.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let traces = Traces::start(&config.traces, runtime.handle())?;
    let spans = traces.as_ref().map(Traces::layer);
    telemetry::init(config.log.level.as_str(), config.log.format, spans)?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        reload_on_hangup(source.clone())?;
        let manager = ServiceManager::of(|name| environment.get(name));
        let application = Application::build(config)?
            .reloading(source)
            .telling(manager);
        if let Some(traces) = &traces {
            traces.counted_by(application.metrics().traces());
        }
        let ended = application.run(stop).await;
        if let Some(traces) = traces {
            traces.finish().await;
        }
        Ok(ended?)
    })
}

/// SIGHUP has the configuration read again.
fn reload_on_hangup(source: Source) -> Result<(), Failure> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            source.ask();
        }
    });
    Ok(())
}

/// Resolves at the first SIGTERM or SIGINT. The second ends the process at once: whoever asks twice means
/// it.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        next().await;
        tokio::spawn(async move {
            next().await;
            warn!("asked twice to stop; stopping at once");
            std::process::exit(1);
        });
    })
}
