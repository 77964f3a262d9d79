//! What changes while it runs.

use eyrie_nsq::logging::Level;

use super::house::House;

#[tokio::test]
async fn the_log_level_and_the_lookupds_change_while_it_runs() {
    let house = House::open().await;
    let nsqd = &house.running.nsqd;
    assert_eq!(nsqd.options().log_level, Level::Info);
    assert_eq!(house.ask("PUT", "/config/log_level", b"ERROR").await.body, "4");
    assert_eq!(nsqd.options().log_level, Level::Error);
    let addresses = br#"["127.0.0.1:4160","lookup.example:4160"]"#;
    house.ask("PUT", "/config/nsqlookupd_tcp_addresses", addresses).await;
    assert_eq!(nsqd.options().lookupd_tcp_addresses, ["127.0.0.1:4160", "lookup.example:4160"]);
    assert_eq!(nsqd.options().log_level, Level::Error, "one change does not undo another");
}
