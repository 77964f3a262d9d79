//! `/c.svg` and `/c.png`.

use http::StatusCode;
use stats::Kind;

use crate::house::House;

#[tokio::test]
async fn only_public_stats_have_pictures() {
    let house = House::new().await;
    let id = house.send("signups <b>", Kind::Counter, &[(0, 1_200.0), (60, 4.0)]).await;
    let path = format!("/c.svg?s={id}&t=1d1h");
    for absent in [path.as_str(), "/c.svg?s=nope", "/c.png?s=nope"] {
        house.check(absent, 404, "no public stat of that id\n").await;
    }
    let stat = house.app.catalog.by_public_id(&id).expect("it is there").id;
    house.app.catalog.set_public(stat, true).await.expect("public");

    let svg = house.get_signed_out(&path).await;
    assert_eq!((svg.status, svg.header("content-type")), (StatusCode::OK, "image/svg+xml"));
    assert_eq!(svg.header("cache-control"), "public, max-age=60");
    assert_eq!(svg.header("access-control-allow-origin"), "*");
    assert!(
        svg.text().contains(
            "<desc>signups &lt;b&gt;, last day by hour: total 1,204, between 1,204 and 1,204</desc>"
        )
    );
    assert!(svg.text().contains("prefers-color-scheme:dark"));

    let png = house.get_signed_out(&format!("/c.png?s={id}&t=1d1h&w=300&h=120&theme=dark")).await;
    assert_eq!((png.status, png.header("content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(png.body[16..24], [0, 0, 2, 88, 0, 0, 0, 240], "600 by 240");
    let again = house.get_signed_out(&format!("/c.png?s={id}&t=1d1h&w=300&h=120&theme=dark")).await;
    assert_eq!(png.body, again.body);

    house.check(&format!("/c.png?s={id}&w=1"), 400, "w is a number of pixels from 60 to 2000\n").await;
    house.app.catalog.delete(stat).await.expect("deleted");
    house.check(&path, 404, "no public stat of that id\n").await;
    house
        .check(&format!("/c.png?s={id}&t=1d1h&w=300&h=120&theme=dark"), 404, "no public stat of that id\n")
        .await;
    house.end().await;
}

#[cfg(feature = "ui")]
#[tokio::test]
async fn a_png_has_words_on_it() {
    let house = House::new().await;
    let id = house.send("signups", Kind::Counter, &[(0, 5.0)]).await;
    let stat = house.app.catalog.by_public_id(&id).expect("it is there").id;
    house.app.catalog.set_public(stat, true).await.expect("public");
    let [with, without] = ["signups", ""].map(|title| format!("/c.png?s={id}&h=110&title={title}"));
    let (with, without) = (house.get_signed_out(&with).await.body, house.get_signed_out(&without).await.body);
    assert_ne!(with, without, "the fonts are compiled in");
    // "sign", two letters that Inter lacks, "ups": left out, not painted as boxes.
    let foreign = format!("/c.png?s={id}&h=110&title=sign%E6%97%A5%E6%9C%ACups");
    assert_eq!(house.get_signed_out(&foreign).await.body, with);
    house.end().await;
}
