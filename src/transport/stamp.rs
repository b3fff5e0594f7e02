//! Time at which the kernel received what a read brings: `SO_TIMESTAMPNS`, where there is such a thing.
//!
//! The stamp is the wall clock's, of the last segment in the read. It is nearer to the sender than any clock
//! that is asked after the read, as long as the reader keeps up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Clock;
use crate::journal::Micros;

/// A connection whose reads are stamped.
#[derive(Debug)]
pub(crate) struct Stamped {
    stream: TcpStream,
    last: Stamps,
    /// True if the kernel was asked for stamps.
    asked: bool,
}

impl Stamped {
    /// Asks the kernel for stamps; without them reads are what they were.
    pub(crate) fn new(stream: TcpStream) -> Self {
        let asked = ask(&stream);
        Self { stream, last: Stamps::default(), asked }
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Returns where the stamps of its reads are found.
    pub(crate) fn stamps(&self) -> Stamps {
        self.last.clone()
    }
}

/// The stamp of a connection's last read: nanoseconds since 1970, 0 for none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stamps(Arc<AtomicU64>);

impl Stamps {
    fn set(&self, stamp: Option<Duration>) {
        let nanos = stamp.and_then(|s| u64::try_from(s.as_nanos()).ok()).unwrap_or(0);
        self.0.store(nanos, Ordering::Relaxed);
    }

    /// The stamp of the last read, once.
    pub(crate) fn take(&self) -> Option<Duration> {
        let nanos = self.0.swap(0, Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}

/// A stamp as a time of the session: `now` is when the read was done, and nothing is later. `None`
/// where the wall clock was set in between.
pub(crate) fn at(stamp: Duration, clock: &Clock, now: Micros) -> Option<Micros> {
    let wall = clock.wall_clock().duration_since(std::time::UNIX_EPOCH).ok()?;
    let age = u64::try_from(wall.checked_sub(stamp)?.as_micros()).ok()?;
    // A read is late by milliseconds; by seconds only if the clock was set, or the machine slept.
    (age < 5_000_000).then(|| now.saturating_sub(age))
}

#[cfg(target_os = "linux")]
fn ask(stream: &TcpStream) -> bool {
    use nix::sys::socket::{setsockopt, sockopt};
    setsockopt(stream, sockopt::ReceiveTimestampns, &true).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn ask(_: &TcpStream) -> bool {
    false
}

/// One read with its stamp.
#[cfg(target_os = "linux")]
fn receive(stream: &TcpStream, bytes: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut parts = [io::IoSliceMut::new(bytes)];
    let fd = stream.as_raw_fd();
    let message = recvmsg::<()>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs().ok().and_then(|mut all| {
        all.find_map(|c| match c {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        })
    });
    Ok((message.bytes, stamp))
}

#[cfg(not(target_os = "linux"))]
fn receive(stream: &TcpStream, bytes: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    stream.try_read(bytes).map(|n| (n, None))
}

impl AsyncRead for Stamped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.asked {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        loop {
            std::task::ready!(this.stream.poll_read_ready(cx))?;
            let bytes = buf.initialize_unfilled();
            let room = bytes.len();
            let stream = &this.stream;
            match stream.try_io(tokio::io::Interest::READABLE, || receive(stream, bytes)) {
                Ok((n, stamp)) => {
                    this.last.set(stamp);
                    // The socket is empty, so the next read waits for the system's notification without
                    // trying the socket again. (The returned error means that nothing can be read now.)
                    if n > 0 && n < room {
                        let _ = stream.try_io(tokio::io::Interest::READABLE, || {
                            Err::<(), _>(io::ErrorKind::WouldBlock.into())
                        });
                    }
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
