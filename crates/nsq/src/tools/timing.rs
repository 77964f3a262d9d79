//! How long requests take, said every so many of them.

use std::time::Duration;

use parking_lot::Mutex;

/// Gathers times and says their percentiles each time it is full. With a size of 0 it is silent.
pub(super) struct Timing {
    label: String,
    every: usize,
    times: Mutex<Vec<Duration>>,
}

impl Timing {
    pub(super) fn new(label: &str, every: usize) -> Self {
        Self { label: label.to_owned(), every, times: Mutex::default() }
    }

    /// Counts one.
    pub(super) fn took(&self, time: Duration) {
        if let Some(line) = self.count(time) {
            tracing::info!("{line}");
        }
    }

    fn count(&self, time: Duration) -> Option<String> {
        if self.every == 0 {
            return None;
        }
        let mut times = self.times.lock();
        times.push(time);
        if times.len() < self.every {
            return None;
        }
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let percentile = |part: f64| ms(times[((times.len() as f64 * part).ceil() as usize).max(1) - 1]);
        let average = times.iter().copied().map(ms).sum::<f64>() / times.len() as f64;
        let line = format!(
            "{} finished {} - 99th: {:.02}ms - 95th: {:.02}ms - avg: {average:.02}ms",
            self.label,
            times.len(),
            percentile(0.99),
            percentile(0.95)
        );
        times.clear();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_so_many_are_summed_up() {
        let timing = Timing::new("[aggregate]:", 100);
        let lines: Vec<_> = (1..=200).filter_map(|ms| timing.count(Duration::from_millis(ms))).collect();
        assert_eq!(
            lines,
            [
                "[aggregate]: finished 100 - 99th: 99.00ms - 95th: 95.00ms - avg: 50.50ms",
                "[aggregate]: finished 100 - 99th: 199.00ms - 95th: 195.00ms - avg: 150.50ms"
            ]
        );
        assert_eq!(Timing::new("", 0).count(Duration::ZERO), None);
    }
}
