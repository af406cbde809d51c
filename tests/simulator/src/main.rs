//! `wechat-simulator`: the simulator as a process of its own.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use wechat_simulator::{App, Settings, Simulator, User};

/// Bad usage, as sysexits has it.
const EX_USAGE: u8 = 64;

/// Plays WeChat's token API as documented, and breaks on demand.
///
/// Point a client at the URL it prints instead of https://api.weixin.qq.com. Durations are written as 90s, 5m,
/// 2h or 1500ms. Faults and questions: see /_simulator/ in the README.
#[derive(Debug, Parser)]
#[command(name = "wechat-simulator", version)]
struct Arguments {
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9680")]
    listen: SocketAddr,
    /// An account; may be given several times
    #[arg(long = "app", value_name = "APPID=SECRET", required = true, value_parser = app)]
    apps: Vec<App>,
    /// A follower of an account; may be given several times
    #[arg(long = "user", value_name = "APPID=OPENID", value_parser = user)]
    users: Vec<User>,
    /// Divide every duration below, but the latency, by this
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    scale: u32,
    /// How long a token lives
    #[arg(long, default_value = "2h", value_parser = duration)]
    token_life: Duration,
    /// How long the previous token works on after a fetch
    #[arg(long, default_value = "5m", value_parser = duration)]
    overlap: Duration,
    /// How long a ticket lives
    #[arg(long, default_value = "2h", value_parser = duration)]
    ticket_life: Duration,
    /// A stable token asked for this close to its end is renewed
    #[arg(long, default_value = "5m", value_parser = duration)]
    stable_renew_window: Duration,
    /// The window of the daily limits
    #[arg(long, default_value = "24h", value_parser = duration)]
    day: Duration,
    /// The window of the minute limits
    #[arg(long, default_value = "60s", value_parser = duration)]
    minute: Duration,
    /// Tokens issued to an app in any day
    #[arg(long, default_value_t = 2000)]
    daily_limit: u32,
    /// Tokens issued to an app in any minute; WeChat documents none
    #[arg(long)]
    minute_limit: Option<u32>,
    /// Calls for a stable token in any day
    #[arg(long, default_value_t = 500_000)]
    stable_daily_limit: u32,
    /// Calls for a stable token in any minute
    #[arg(long, default_value_t = 10_000)]
    stable_minute_limit: u32,
    /// Forced refreshes in any day
    #[arg(long, default_value_t = 20)]
    forced_daily_limit: u32,
    /// The least time between two forced refreshes
    #[arg(long, default_value = "30s", value_parser = duration)]
    forced_spacing: Duration,
    /// Refuse fetches with 40164: the caller's address is not on the whitelist
    #[arg(long)]
    not_whitelisted: bool,
    /// The address that a 40164 names
    #[arg(long, default_value = "10.1.2.3")]
    seen_ip: IpAddr,
    /// The code for a wrong secret
    #[arg(long, default_value_t = 40125)]
    wrong_secret_errcode: i64,
    /// Added to every call
    #[arg(long, default_value = "0s", value_parser = duration)]
    latency: Duration,
    /// Decides which calls a fault with a probability hits
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Arguments {
    fn into_settings(self) -> Settings {
        let limited = |app| App {
            daily_limit: self.daily_limit,
            minute_limit: self.minute_limit,
            ..app
        };
        Settings {
            apps: self.apps.into_iter().map(limited).collect(),
            users: self.users,
            scale: self.scale,
            token_life: self.token_life,
            overlap: self.overlap,
            ticket_life: self.ticket_life,
            stable_renew_window: self.stable_renew_window,
            day: self.day,
            minute: self.minute,
            stable_daily_limit: self.stable_daily_limit,
            stable_minute_limit: self.stable_minute_limit,
            forced_daily_limit: self.forced_daily_limit,
            forced_spacing: self.forced_spacing,
            whitelisted: !self.not_whitelisted,
            seen_ip: self.seen_ip,
            wrong_secret_errcode: self.wrong_secret_errcode,
            latency: self.latency,
            seed: self.seed,
            ..Settings::default()
        }
    }
}

fn app(text: &str) -> Result<App, String> {
    match text.split_once('=') {
        Some((appid, secret)) if !appid.is_empty() && !secret.is_empty() => {
            Ok(App::new(appid, secret))
        }
        _ => Err("expected APPID=SECRET".to_owned()),
    }
}

fn user(text: &str) -> Result<User, String> {
    match text.split_once('=') {
        Some((appid, openid)) if !appid.is_empty() && !openid.is_empty() => {
            Ok(User::new(appid, openid))
        }
        _ => Err("expected APPID=OPENID".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| "expected a whole number and a unit, such as 90s".to_owned())?;
    let seconds = |each: u64| {
        let seconds = number.checked_mul(each).filter(|total| *total < 1 << 32);
        seconds.map(Duration::from_secs).ok_or("too long")
    };
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(seconds(1)?),
        "m" => Ok(seconds(60)?),
        "h" => Ok(seconds(3600)?),
        _ => Err("the unit is ms, s, m or h".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // With nowhere to print to, the exit code still tells.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EX_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "wechat-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let address = arguments.listen;
    let simulator = Simulator::start_on(address, arguments.into_settings()).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", simulator.base_url())?;
    stdout.flush()?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_default_to_the_documented_figures() {
        Arguments::command().debug_assert();
        let arguments = Arguments::try_parse_from(["wechat-simulator", "--app", "wx1=s"]);
        let Ok(arguments) = arguments else {
            panic!("refused")
        };
        let settings = arguments.into_settings();
        let documented = Settings::with_app("wx1", "s");
        assert_eq!(format!("{settings:?}"), format!("{documented:?}"));
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(duration("90").is_err());
        assert!(duration("s").is_err());
        assert!(duration("99999999999999999999s").is_err());
    }
}
