//! Topics over the log, with two doors: the in-process one (publish a batch, read a batch, commit a
//! position; no cost per message), and [`broker`], NSQ's topics and channels.
//!
//! Read `error` and `name`, then `topics` (names and their numbers), [`Queue`] (the door),
//! [`Subscription`] (reading), then [`broker`]. What is on disk is in `docs/internals/queue.md`.
//!
//! ```
//! # use eyrie_queue as queue;
//! # tokio_test(async {
//! # let dir = tempfile::tempdir()?;
//! let (log, _) = log::Log::open(log::Config::new(dir.path().join("log")), base::Clock::system())?;
//! let queue = queue::Queue::open(log, dir.path())?;
//! let points = queue.topic("points")?;
//! let message = queue::NewMessage { topic: &points, payload: "1".into() };
//! let position = queue.publish(&[message], queue::Durability::Os)?.await?;
//!
//! let mut reader = queue.subscribe("recorder", &[points], queue::Position::default());
//! let batch = reader.next_batch(1 << 20).await?;
//! assert_eq!(batch.messages[0].position, position);
//! reader.release(batch.next)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # });
//! # fn tokio_test(body: impl Future<Output = Result<(), Box<dyn std::error::Error>>>) {
//! #     tokio::runtime::Runtime::new().expect("a runtime").block_on(body).expect("the example works");
//! # }
//! ```
//!
//! **Invariant**: a position is a position of the log, so it never goes backwards and is never reused.
//!
//! **Invariant**: a topic keeps its number for ever; numbers are not given out twice.

mod error;

mod name;

mod topics;

pub mod broker;
pub mod import;

mod queue;
mod subscription;

pub use error::Error;
pub use log::{Durability, Lsn as Position};
pub use name::{NAME_BYTES_MAX, check_name, is_ephemeral};
pub use queue::{NewMessage, Publish, Queue, Topic};
pub use subscription::{Batch, Message, Subscription};
pub use topics::TOPICS_MAX;
