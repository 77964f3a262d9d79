//! StatHat's library for browsers, run by node over a page that is not there.

use std::process::Command;

use super::house::House;

/// A page: `window` with or without `fetch`, the script where `ADDRESS` serves it.
const PAGE: &str = r"
const address = process.env.ADDRESS
const [fetch, sent] = [globalThis.fetch, []]
const get = url => sent.push(fetch(url))
class Image { set src(url) { get(url) } }
const run = async (window, own) => {
  const answer = await fetch(address + '/javascripts/api.js')
  const script = { src: address + '/javascripts/api.js?1' }
  const others = [{}, { src: 'http://elsewhere.example/a.js' }, script]
  const document = { currentScript: own ? script : null, getElementsByTagName: () => others }
  const text = await answer.text()
  new Function('window', 'document', text)(window, document)
  new Function('window', 'document', text)(window, document)
}
const modern = { _StatHat: [['_trackCount', 'stat~', 2], ['_setUser', 'user~'], ['_trackCount', 'stat~']] }
modern.fetch = (url, options) => { const p = fetch(url, options); sent.push(p); return p }
const old = { Image }
;(async () => {
  await run(modern, true)
  modern._StatHat.push(['_trackValue', 'gauge~', 0.5], ['_trackCount', 'stat~', 4], ['_trackValue', 'gauge~'])
  modern._StatHat.push('nonsense', null, [], ['_trackCount'], ['_unknown', 1])
  await run(old, false)
  old._StatHat.push(['_setUser', 'user~'])
  old._StatHat.push(['_trackCount', 'stat~', 8])
  old._StatHat.push(['_trackCount', 'stat~', 8])
  await Promise.all(sent)
})()
";

#[tokio::test]
async fn the_script_is_cached_long_and_open_to_every_page() {
    let house = House::new();
    let answer = house.send("GET /javascripts/api.js?x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in
        ["content-type: text/javascript; charset=utf-8", "max-age=86400", "access-control-allow-origin: *"]
    {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert!(body.contains("_StatHat") && body.len() < 4 << 10, "{} bytes", body.len());
    let refused = house.send("POST /javascripts/api.js HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD\r\n"), "{refused}");
}

#[tokio::test]
async fn pages_count_with_it() {
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("SKIPPED: node is not installed");
        return;
    }
    let house = House::new();
    let address = format!("http://{}", house.address);
    let page = tokio::task::spawn_blocking(move || {
        Command::new("node").args(["-e", PAGE]).env("ADDRESS", address).output()
    });
    let page = page.await.expect("no panic").expect("node runs");
    assert!(page.status.success(), "{}", String::from_utf8_lossy(&page.stderr));
    let mut taken = house.taken();
    taken.sort();
    assert_eq!(taken, ["gauge v 0.5", "stat c 1.0", "stat c 2.0", "stat c 4.0", "stat c 8.0", "stat c 8.0"]);
}
