//! The binary: what it prints, and with what it exits.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::*;

fn simulator(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wechat-simulator"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn exit_code(child: &mut Child) -> Option<i32> {
    let status = tokio::time::timeout(BOUND, child.wait()).await.unwrap();
    status.unwrap().code()
}

#[tokio::test]
async fn it_prints_its_url_serves_and_exits_0_when_told_to_go() {
    for signal in ["TERM", "INT"] {
        let app = format!("{APP}={SECRET}");
        let mut child = simulator(&["--listen", "127.0.0.1:0", "--app", &app, "--scale", "100"]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = tokio::time::timeout(BOUND, lines.next_line()).await;
        let url = url.unwrap().unwrap().unwrap();
        let reply = client().get(format!("{url}{}", token_target(APP)));
        let reply: serde_json::Value = reply.send().await.unwrap().json().await.unwrap();
        assert_eq!(reply["expires_in"], 72);
        let pid = child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.await.unwrap().success());
        assert_eq!(exit_code(&mut child).await, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn bad_usage_exits_64_and_help_0() {
    for arguments in [
        &["--app", "wx1"][..],
        &[],
        &["--app", "wx1=s", "--overlap", "5"],
    ] {
        let code = exit_code(&mut simulator(arguments)).await;
        assert_eq!(code, Some(64), "{arguments:?}");
    }
    assert_eq!(exit_code(&mut simulator(&["--help"])).await, Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_exits_1() {
    let taken = wechat().await;
    let address = taken.address().to_string();
    let mut child = simulator(&["--listen", &address, "--app", "wx1=s"]);
    assert_eq!(exit_code(&mut child).await, Some(1));
}
