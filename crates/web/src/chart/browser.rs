//! The browser draws the same axes, so that nothing jumps when it takes over: `ui/src/scale.ts` against
//! [`super::scale`], `ui/src/calendar.ts` against [`super::calendar`].

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base::Timestamp;
use serde_json::{Value, json};
use stats::Kind;
use stats::timeframe::Window;

use super::{calendar, scale::Scale};

fn scales() -> Vec<Value> {
    let figures: [&[f64]; 16] = [
        &[],
        &[0.0],
        &[1.0],
        &[7.0],
        &[3.0, 93.0],
        &[0.5, 2.0],
        &[-30.0, 60.0],
        &[20.1, 20.4],
        &[12_400.0],
        &[7_300.0],
        &[2_500_000.0],
        &[1_000_000.0, 1_000_001.0],
        &[35.0, 210.0],
        &[0.000_02, 0.000_05],
        &[-3.0, -1.0],
        &[4.2e18, 1e19],
    ];
    let mut cases = Vec::new();
    for figures in figures {
        for (kind, counter) in [(Kind::Counter, true), (Kind::Value, false)] {
            for lines in 2..=4 {
                let Scale { low, high, ticks, labels } = Scale::new(kind, figures.iter().copied(), lines);
                let whole =
                    |f: f64| if f.fract() == 0.0 && f.abs() < 1e15 { json!(f as i64) } else { json!(f) };
                let ticks: Vec<Value> = ticks.into_iter().map(whole).collect();
                let scale = json!([whole(low), whole(high), ticks, labels]);
                cases.push(json!({ "counter": counter, "figures": figures, "lines": lines, "scale": scale }));
            }
        }
    }
    cases
}

fn times() -> Vec<Value> {
    let mut cases = Vec::new();
    for (step_seconds, count) in [
        (60, 60),
        (60, 180),
        (300, 288),
        (600, 72),
        (900, 96),
        (3_600, 72),
        (10_800, 56),
        (21_600, 120),
        (86_400, 30),
        (86_400, 90),
        (86_400, 365),
        (604_800, 104),
        (2_592_000, 120),
    ] {
        for (width, start) in [(300.0, 1_795_222_800), (640.0, 1_795_262_460), (980.0, 1_709_164_800)] {
            let window = Window { start: Timestamp::from_seconds(start), step_seconds, count };
            let length = step_seconds * count as i64;
            let labels: Vec<Value> = calendar::ticks(&window, width)
                .into_iter()
                .map(|tick| json!([start + (tick.share * length as f64).round() as i64, tick.text]))
                .collect();
            cases.push(json!({ "start": start, "end": start + length, "width": width, "labels": labels }));
        }
    }
    cases
}

#[test]
fn the_browser_draws_the_same_axes() {
    let ui = Path::new(env!("OUT_DIR")).join("ui");
    if !ui.join("node_modules").is_dir() {
        eprintln!("skipped: the interface came prebuilt (EYRIE_WEB_DIST)");
        return;
    }
    let mut node = Command::new("node");
    node.arg("axes.mjs").current_dir(ui).env("TZ", "UTC");
    node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = node.spawn().expect("node made the interface, so it is there");
    let cases = json!({ "scales": scales(), "times": times() }).to_string();
    let mut input = running.stdin.take().expect("a pipe");
    input.write_all(cases.as_bytes()).expect("node reads");
    drop(input);
    let output = running.wait_with_output().expect("node ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "135 axes");
}
