//! The body of a request to the fallback, on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::socket::Socket;

/// A request's body as the fallback reads it. Until it has ended, or nobody wants the rest, the connection
/// is held to `Limits::body_time`.
pub struct Arriving {
    body: Incoming,
    /// None once it has ended.
    socket: Option<Socket>,
}

impl Arriving {
    /// The body of the request that `socket` has just begun with.
    pub(super) fn new(body: Incoming, socket: &Socket) -> Self {
        let mut this = Self { body, socket: Some(socket.clone()) };
        this.end_if(this.body.is_end_stream());
        this
    }

    fn end_if(&mut self, over: bool) {
        if over && let Some(socket) = self.socket.take() {
            socket.body_is_over();
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.end_if(true);
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let over = !matches!(frame, Some(Ok(_))) || self.body.is_end_stream();
        self.end_if(over);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
