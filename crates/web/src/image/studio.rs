//! Where PNGs are painted: few at once, some waiting, the rest sent away; what is done is kept a minute.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use bytes::Bytes;
use moka::sync::Cache;
use stats::StatId;
use tokio::sync::Semaphore;

use super::NoPicture;
use super::request::Picture;
use crate::chart::png::Painter;

/// Pictures that wait their turn; one more is answered 503.
pub const WAITING_MAX: usize = 64;
/// What a client that was sent away waits, in seconds.
pub const RETRY_AFTER_SECONDS: u32 = 2;
/// Painted pictures are kept up to so many bytes.
pub const KEPT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long a painted picture is good.
const KEPT_FOR: Duration = Duration::from_secs(super::MAX_AGE_SECONDS as u64);

/// What a painted picture is kept under: it is another one each minute.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Of which stat.
    pub stat: StatId,
    /// Where its window starts.
    pub window: Timestamp,
    /// What was asked for.
    pub picture: Picture,
}

/// Pictures painted at once: each is tens of milliseconds of one core, and half the cores are for
/// everything else.
pub fn painted_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Studio {
    painter: Painter,
    hands: Arc<Semaphore>,
    places: Arc<Semaphore>,
    kept: Cache<Key, Bytes>,
}

impl Studio {
    /// An empty one.
    pub fn new(painter: Painter) -> Self {
        let weight =
            |key: &Key, image: &Bytes| u32::try_from(image.len() + size_of_val(key)).unwrap_or(u32::MAX);
        Self {
            painter,
            hands: Arc::new(Semaphore::new(painted_at_once())),
            places: Arc::new(Semaphore::new(painted_at_once() + WAITING_MAX)),
            kept: Cache::builder()
                .max_capacity(KEPT_BYTES_MAX)
                .weigher(weight)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    /// A picture that was painted before.
    pub fn kept(&self, key: &Key) -> Option<Bytes> {
        self.kept.get(key)
    }

    /// Paints a drawing and keeps it.
    pub async fn paint(&self, key: Key, drawing: String) -> Result<Bytes, NoPicture> {
        let _place = self.places.try_acquire().map_err(|_| NoPicture::Busy)?;
        // Owned by the painting: a client that goes away does not free a hand that is still busy.
        let hand = Arc::clone(&self.hands).acquire_owned().await.map_err(|_| NoPicture::Busy)?;
        if let Some(image) = self.kept(&key) {
            return Ok(image);
        }
        let painter = self.painter.clone();
        let painting = tokio::task::spawn_blocking(move || {
            let _hand = hand;
            painter.paint(&drawing)
        });
        let image = match painting.await {
            Ok(Ok(image)) => Bytes::from(image),
            Ok(Err(error)) => {
                tracing::error!(%error, stat = ?key.stat, "a picture could not be painted");
                return Err(NoPicture::Painting);
            }
            Err(error) => {
                tracing::error!(%error, stat = ?key.stat, "painting a picture broke");
                return Err(NoPicture::Painting);
            }
        };
        self.kept.insert(key, image.clone());
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(title: &str) -> Key {
        let params = [("s", "lxoC"), ("title", title)];
        let params = params.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let picture = Picture::read(&params).expect("a picture");
        Key { stat: StatId(1), window: Timestamp::from_seconds(60), picture }
    }

    #[tokio::test]
    async fn a_picture_is_painted_once_a_minute() {
        let studio = Studio::new(Painter::new(&[]));
        let drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"8\" height=\"4\"/>";
        let image = studio.paint(key("a"), drawing.to_owned()).await.expect("painted");
        assert_eq!(&image[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(image[16..24], [0, 0, 0, 16, 0, 0, 0, 8], "twice the size");
        assert_eq!(studio.kept(&key("a")), Some(image));
        assert_eq!(studio.kept(&key("b")), None);
    }

    #[tokio::test]
    async fn a_full_studio_says_so_and_a_broken_drawing_is_no_panic() {
        let studio = Studio::new(Painter::new(&[]));
        let broken = studio.paint(key("a"), "<svg".to_owned()).await.expect_err("no drawing");
        assert!(matches!(broken, NoPicture::Painting));
        let all = u32::try_from(painted_at_once() + WAITING_MAX).expect("few");
        let _taken = studio.places.acquire_many(all).await.expect("open");
        let busy = studio.paint(key("a"), String::new()).await.expect_err("no place");
        assert!(matches!(busy, NoPicture::Busy));
    }
}
