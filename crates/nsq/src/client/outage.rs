//! A failure that lasts is said once, and so is its end.

use parking_lot::Mutex;

/// What was said last of something that does not work; nothing while it works.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Option<String>>);

impl Outage {
    /// It does not work. True where that is news: said for the first time, or for another reason.
    pub(crate) fn is_news(&self, error: &str) -> bool {
        let mut said = self.0.lock();
        let news = said.as_deref() != Some(error);
        if news {
            *said = Some(error.to_owned());
        }
        news
    }

    /// It works. True where it did not.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once() {
        let outage = Outage::default();
        assert!(!outage.is_over());
        let news: Vec<bool> = ["a", "a", "b", "b"].iter().map(|error| outage.is_news(error)).collect();
        assert_eq!(news, [true, false, true, false]);
        assert!(outage.is_over() && !outage.is_over());
        assert!(outage.is_news("b"), "it began again");
    }
}
