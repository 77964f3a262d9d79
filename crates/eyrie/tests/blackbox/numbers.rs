//! What is exported is what was sent, to the last digit.

use crate::house::{EZ_KEY, Home, hours_ago};
use crate::wire;

#[test]
fn exported_values_are_those_that_were_sent() {
    let home = Home::new();
    let token = home.account();
    let start = hours_ago(30);
    let server = home.serve();
    for (hour, counts) in [(0, vec![1.0, 2.5]), (1, vec![-0.25]), (5, vec![1e-7, 9_007_199_254_740_991.0])] {
        counts.iter().for_each(|count| server.count("signups: 100% / ö", *count, start + hour * 3600 + 60));
    }
    for value in [0.1, 0.2, 0.7] {
        let form = format!("ezkey={EZ_KEY}&stat=load&value={value}&t={}", start + 7200);
        assert_eq!(wire::post(server.address, "/ez", &form).status, 200);
    }
    let mut expected = vec![0.0; 24];
    expected[0] = 3.5;
    expected[1] = -0.25;
    expected[5] = 1e-7 + 9_007_199_254_740_991.0;
    let check = |server: &crate::house::Server| {
        let sum: f64 = expected.iter().sum();
        server.reaches(&token, "signups: 100% / ö", start, sum);
        assert_eq!(server.values(&token, "signups: 100% / ö", "1d1h", start).expect("there"), expected);
        let means = server.values(&token, "load", "1d1h", start).expect("there");
        assert_eq!(means[2], (0.1 + 0.2 + 0.7) / 3.0);
        assert_eq!(means.iter().filter(|mean| **mean != 0.0).count(), 1);
    };
    check(&server);
    server.stop();
    check(&home.serve());
}

#[test]
fn a_number_is_on_the_list_with_its_kind() {
    let home = Home::new();
    let token = home.account();
    let server = home.serve();
    server.count("a counter", 1.0, hours_ago(1));
    server.reaches(&token, "a counter", hours_ago(1), 1.0);
    let list = wire::get(server.address, &format!("/x/{token}/statlist")).json();
    assert_eq!(list[0]["name"], "a counter");
    assert_eq!(list[0]["counter"], true);
    assert_eq!(wire::get(server.address, "/x/not-a-token/statlist").status, 401);
}
