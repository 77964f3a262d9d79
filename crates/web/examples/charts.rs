//! Writes every shape of chart into a folder as SVG and PNG, to be looked at:
//! `cargo run -p eyrie-web --example charts -- FOLDER [FONT.ttf ..]`

use std::path::PathBuf;

use base::Timestamp;
use eyrie_web::chart::png::Painter;
use eyrie_web::chart::{Bins, Spec, Theme, histogram, sparkline, svg};
use stats::Kind;
use stats::timeframe::Window;

/// Sat 21 Nov 2026 01:07 UTC.
const NOW: i64 = 1_795_223_220;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "charts".to_owned()));
    std::fs::create_dir_all(&folder)?;
    let mut fonts: Vec<&'static [u8]> = Vec::new();
    for font in arguments {
        fonts.push(Vec::leak(std::fs::read(font)?));
    }
    let painter = Painter::new(&fonts);
    for theme in [Theme::Light, Theme::Dark] {
        let light = theme == Theme::Light;
        let (mut sheet, mut y) = (String::new(), 0);
        for (n, (name, spec)) in shapes().into_iter().enumerate() {
            let picture = svg(&Spec { theme, ..spec });
            std::fs::write(
                folder.join(format!("{name}-{}.svg", if light { "light" } else { "dark" })),
                &picture,
            )?;
            let (column, row) = (n % 2 * 780, n / 2 % 4 * 280);
            sheet += &picture.replacen("<svg ", &format!("<svg x=\"{column}\" y=\"{row}\" "), 1);
            if n % 8 == 7 || n == shapes().len() - 1 {
                let paper = if light { "#fbfaf7" } else { "#141416" };
                let whole = format!(
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1540\" height=\"1120\">\
                     <rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>{sheet}</svg>"
                );
                let png = painter.paint(&whole).map_err(std::io::Error::other)?;
                std::fs::write(
                    folder.join(format!("sheet-{}-{y}.png", if light { "light" } else { "dark" })),
                    png,
                )?;
                (sheet, y) = (String::new(), y + 1);
            }
        }
    }
    measure(&painter)?;
    let bins =
        Bins { low: 20.0, high: 240.0, counts: (0..22).map(|n| (n * n * (22 - n)) as u64 / 9).collect() };
    let picture = histogram(&bins, 520, 200, Theme::Light, 2, "response time");
    std::fs::write(folder.join("histogram.png"), painter.paint(&picture).map_err(std::io::Error::other)?)?;
    let spark = sparkline(&wave(24, 10.0, 4.0).collect::<Vec<_>>(), 120, 28);
    std::fs::write(folder.join("spark.png"), painter.paint(&spark).map_err(std::io::Error::other)?)
}

/// How long drawing and painting take, and what comes out.
fn measure(painter: &Painter) -> std::io::Result<()> {
    for n in [10_000, 100_000, 1_000_000] {
        let (_, mut big) = spec("big", Kind::Value, 60, wave(n, 5.0, 3.0).collect());
        (big.width, big.height) = (1_200, 400);
        let started = std::time::Instant::now();
        let bytes = svg(&big).len();
        println!("{n} points: {bytes} bytes of SVG in {:?}", started.elapsed());
    }
    let (_, week) = shapes().swap_remove(0);
    let started = std::time::Instant::now();
    let bytes = painter.paint(&svg(&week)).map_err(std::io::Error::other)?.len();
    println!("a week by three hours: {bytes} bytes of PNG in {:?}", started.elapsed());
    Ok(())
}

/// Noise that is the same on every run, over a daily rhythm of 24 points.
fn wave(n: usize, middle: f64, swing: f64) -> impl Iterator<Item = Option<f64>> {
    let mut state = 7u64;
    (0..n).map(move |i| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / f64::from(1 << 24) - 0.5;
        Some(middle + swing * ((i as f64 / 24.0 * std::f64::consts::TAU).sin() + noise))
    })
}

fn spec(name: &str, kind: Kind, step_seconds: i64, figures: Vec<Option<f64>>) -> (String, Spec) {
    let count = figures.len();
    let start = Timestamp::from_seconds(NOW - step_seconds * count as i64);
    let spec = Spec {
        width: 760,
        height: 260,
        theme: Theme::Light,
        kind,
        title: name.to_owned(),
        period: "last week by 3 hours".to_owned(),
        heading: String::new(),
        figure: String::new(),
        number: figures.iter().flatten().copied().reduce(|a, b| a + b),
        window: Window { start, step_seconds, count },
        figures,
        previous: Vec::new(),
        slot: 0,
    };
    (name.to_owned(), spec)
}

fn whole(figures: impl Iterator<Item = Option<f64>>) -> Vec<Option<f64>> {
    figures.map(|f| f.map(|f| f.max(0.0).round())).collect()
}

fn shapes() -> Vec<(String, Spec)> {
    use Kind::{Counter, Value};
    let mut all = vec![
        spec("counter-week", Counter, 10_800, whole(wave(56, 400.0, 250.0))),
        spec("counter-day-bars", Counter, 3_600, whole(wave(24, 40.0, 30.0))),
        spec("value-day", Value, 300, wave(288, 142.0, 40.0).collect()),
        spec("value-gaps", Value, 3_600, wave(72, 20.2, 1.0).enumerate().map(gap).collect()),
        spec("one-point", Value, 3_600, (0..24).map(|n| (n == 20).then_some(7.0)).collect()),
        spec("nothing", Counter, 3_600, vec![None; 24]),
        spec("ten-thousand", Counter, 60, whole(wave(10_080, 5_000.0, 3_000.0))),
        spec("negative", Counter, 3_600, wave(24, 5.0, 30.0).map(|f| f.map(f64::round)).collect()),
        spec("negative-line", Counter, 3_600, wave(96, 5.0, 30.0).collect()),
        spec("constant", Value, 3_600, vec![Some(7.0); 48]),
        spec("huge", Value, 86_400, wave(60, 1e300, 9e299).collect()),
        spec("tiny", Value, 86_400, wave(60, 3e-9, 1e-9).collect()),
        spec("millions", Counter, 86_400, whole(wave(365, 2.5e6, 1.3e6))),
        spec("years", Value, 604_800, wave(260, 1_000_000.0, 0.6).collect()),
    ];
    all[0].1.previous = whole(wave(57, 340.0, 240.0).skip(1));
    all[1].1.previous = whole(wave(25, 30.0, 24.0).skip(1));
    all[1].1.slot = 2;
    all[2].1.previous = wave(289, 120.0, 36.0).skip(1).collect();
    all[2].1.slot = 1;
    all[3].1.slot = 3;
    let mut embed = all[0].1.clone();
    embed.heading = "signups on a page with a rather long name".to_owned();
    embed.figure = "22,400".to_owned();
    (embed.width, embed.height, embed.slot) = (480, 220, 5);
    all.push(("embed".to_owned(), embed.clone()));
    (embed.width, embed.height) = (120, 40);
    (embed.heading, embed.figure) = (String::new(), String::new());
    all.push(("small".to_owned(), embed));
    all
}

fn gap((n, figure): (usize, Option<f64>)) -> Option<f64> {
    if (20..29).contains(&n) || n == 40 || n == 42 || n > 66 { None } else { figure }
}
