//! Answers in the order of their commands, although publishing takes its time.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use queue::broker::Published;

use crate::wire::{self, Refusal, frame};

/// Most commands of one connection that wait for their answer; with so many it is not read on.
pub(super) const REPLIES_MAX: usize = 4_096;

/// An answer, or what will become one.
#[derive(Debug)]
pub(super) enum Reply {
    /// Said as it is.
    Data(Bytes),
    /// The command is not done.
    Refusal(Refusal),
    /// Messages that are on their way to the level of their topic, and the command that brought them.
    Publish(&'static str, Published),
}

#[derive(Debug, Default)]
pub(super) struct Replies(VecDeque<Reply>);

impl Replies {
    pub(super) fn push(&mut self, reply: Reply) {
        self.0.push_back(reply);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= REPLIES_MAX
    }

    /// Appends to `out` all answers that are ready. Ready with how many, and whether the last of them
    /// was fatal, if there were any; what waits behind a fatal one is never said.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<bool> {
        let mut said = 0;
        while let Some(reply) = self.0.front_mut() {
            let failed = match reply {
                Reply::Data(data) => {
                    frame::put_response(out, data);
                    None
                }
                Reply::Refusal(refusal) => Some(refusal.clone()),
                Reply::Publish(command, published) => match Pin::new(published).poll(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(())) => {
                        frame::put_response(out, wire::OK);
                        None
                    }
                    Poll::Ready(Err(error)) => Some(Refusal::publish_failed(command, error)),
                },
            };
            self.0.pop_front();
            said += 1;
            if let Some(refusal) = failed {
                frame::put_refusal(out, &refusal);
                if refusal.fatal {
                    self.0.clear();
                    return Poll::Ready(true);
                }
            }
        }
        if said > 0 { Poll::Ready(false) } else { Poll::Pending }
    }
}
