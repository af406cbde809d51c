//! Large files pass through a real process in constant memory.

use std::time::Duration;

use futures_util::StreamExt as _;
use tempfile::TempDir;

use super::super::rig::{APP, wechat};
use super::passing::form;
use super::rig::Gateway;
use crate::support::process::Process;
use crate::support::settings::KEY;
use crate::support::timed::timed_in_a_crowd;

/// How large a file is, in MiB, where `STREAM_MIB` says nothing else: a build for tests is slow.
const MIB: usize = 32;

/// What the process may grow by meanwhile: a few chunks and what its allocator keeps, and no part of a file.
const GROWTH: u64 = 12 << 20;

#[expect(clippy::print_stdout, reason = "the figure is what is asked for")]
#[test]
fn a_large_file_goes_up_and_down_in_constant_memory() {
    timed_in_a_crowd(async || {
        let wechat = wechat(Vec::new()).await;
        let directory = TempDir::new().expect("a directory");
        let settings = Gateway::settings(&wechat, &directory, "");
        let broker = Process::listening(&settings).await;
        let caller = broker.caller().await;
        caller.token_within(APP, Duration::from_secs(20)).await;
        let address = broker.address("listen").await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let url = |path: &str| format!("http://{address}/gateway/{APP}/cgi-bin/media/{path}");

        let mib = std::env::var("STREAM_MIB").ok();
        let mib = mib.map_or(MIB, |mib| mib.parse().expect("a number"));
        let file = (0..=u8::MAX).collect::<Vec<_>>().repeat(mib << 12);
        let upload = |bytes: &[u8]| {
            client
                .post(url("upload?type=video"))
                .bearer_auth(KEY)
                .header("content-type", "multipart/form-data; boundary=x-y")
                .body(form(bytes))
        };
        // A first small one, so that what is set up once is set up.
        upload(&file[..1 << 20]).send().await.expect("an answer");
        let before = broker.peak_memory();

        let uploaded = upload(&file).send().await.expect("an answer");
        let uploaded: serde_json::Value =
            serde_json::from_slice(&uploaded.bytes().await.expect("whole")).expect("JSON");
        let id = uploaded["media_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{uploaded}"));
        let download = client
            .get(url(&format!("get?media_id={id}")))
            .bearer_auth(KEY);
        let mut chunks = download.send().await.expect("a head").bytes_stream();
        let mut rest = file.as_slice();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.expect("whole");
            let same = rest.strip_prefix(&chunk[..]);
            rest = same.expect("the file as it was");
        }
        assert!(rest.is_empty(), "{} bytes are missing", rest.len());

        let grown = broker.peak_memory() - before;
        println!(
            "{mib} MiB up and down: the process grew by {} KiB",
            grown >> 10
        );
        assert!(grown < GROWTH, "the process grew by {} KiB", grown >> 10);
        assert_eq!(wechat.violations(), []);
    });
}
