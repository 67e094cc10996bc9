//! Looks at a page with a real browser, Chromium: in a frame as wide as asked for,
//! because its own windows cannot be narrower than 500 pixels.

use serde::Deserialize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// What was measured; see `harness.html`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Of the frame, in pixels.
    pub width: u32,
    /// Of what is in it.
    pub content_width: u32,
    /// Likewise.
    pub content_height: u32,
    /// Whether the page is asked to be dark.
    pub dark: bool,
    /// Colour of the page, as `rgb(1, 2, 3)`...
    pub paper: String,
    /// ...and of the first words in a plot.
    pub ink: String,
    /// Plots that are shown, and shapes in them.
    pub plots: u32,
    pub shapes: u32,
    /// Size of the smallest letters in plots, in pixels.
    pub smallest: f64,
    /// Words that reach out of the plot or the page, or over each other.
    pub clipped: Vec<String>,
    pub overlapping: Vec<String>,
}

/// Measures `page` in a frame of `width` pixels, and takes a picture of it into `picture`.
pub fn look(page: &str, width: u32, dark: bool, picture: &Path) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let harness = folder.path().join("harness.html");
    let found = |height: u32| {
        let script = serde_json::to_string(page).unwrap().replace("</", "<\\/");
        let html = include_str!("harness.html")
            .replace("WIDTH", &width.to_string())
            .replace("HEIGHT", &height.to_string())
            .replace("PAGE", &script);
        std::fs::write(&harness, html).unwrap();
        let out = run(folder.path(), &harness, (width, height), dark, "--dump-dom");
        let from = out.find("id=\"found\">").expect(&out) + "id=\"found\">".len();
        let json = &out[from..from + out[from..].find("</pre>").unwrap()];
        let json = json
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
        serde_json::from_str::<Found>(&json).unwrap()
    };
    // Measured first; then the frame is made as high as its content, so that no scroll bar shows.
    let height = found(2000).content_height;
    let measured = found(height);
    let shot = format!("--screenshot={}", picture.display());
    run(folder.path(), &harness, (width, height), dark, &shot);
    measured
}

fn run(folder: &Path, page: &Path, size: (u32, u32), dark: bool, what: &str) -> String {
    let out = folder.join("out");
    let mut child = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("--window-size={},{}", size.0, size.1))
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            u8::from(!dark)
        ))
        .arg(what)
        .arg(format!("file://{}", page.display()))
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("chromium did not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::read_to_string(out).unwrap()
}
