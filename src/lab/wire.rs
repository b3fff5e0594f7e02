//! One connection: every write is a write, and a client that leaves is noticed whatever else is happening.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{sleep, timeout};

/// The longest time that a client may refuse to read before it counts as gone.
const WRITE_LIMIT: Duration = Duration::from_secs(300);
/// Time for which a closed connection is still read, so that the client gets our last bytes rather than a
/// reset.
const LINGER: Duration = Duration::from_secs(1);
/// The most bytes of the requests after this one that are read ahead.
const READ_AHEAD: usize = 256 * 1024;

/// The client has left, or the connection broke.
#[derive(Debug)]
pub(crate) struct Gone;

/// Action on the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterAnswer {
    /// Another request may arrive.
    Keep,
    Close,
    Reset,
}

/// A connection and what was read from it but not yet used.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    pub(crate) inbox: BytesMut,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Without this, small writes wait for each other in the kernel. A socket that refuses it is already
        // closed, which the first read shows.
        drop(stream.set_nodelay(true));
        let inbox = BytesMut::new();
        Self { stream, inbox }
    }

    /// Reads once, behind what is there. 0: the client has closed its side.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.inbox.reserve(16 * 1024);
        self.stream.read_buf(&mut self.inbox).await
    }

    /// Writes these bytes in one write, as far as the socket takes them at once.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let (mut reader, mut writer) = self.stream.split();
        tokio::select! {
            // Write at once if possible, without checking whether the client is still there.
            biased;
            written = timeout(WRITE_LIMIT, writer.write_all(bytes)) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(Gone),
            },
            () = hang_up(&mut reader, &mut self.inbox) => Err(Gone),
        }
    }

    /// Waits, unless the client leaves.
    pub(crate) async fn pause(&mut self, time: Duration) -> Result<(), Gone> {
        if time.is_zero() {
            return Ok(());
        }
        let (mut reader, _) = self.stream.split();
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = hang_up(&mut reader, &mut self.inbox) => Err(Gone),
        }
    }

    /// Ends the connection in order: FIN, then reads what the client still has
    /// to say. Closing with unread bytes would be a reset, which can overtake
    /// the answer.
    pub(crate) async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            loop {
                self.inbox.clear();
                match self.fill().await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        // Whether it drained or timed out, the connection is over.
        drop(timeout(LINGER, drain).await);
    }

    /// Ends the connection with RST, after what was written has had the time
    /// to reach the client's program: on arrival, an RST may take unread bytes
    /// with it.
    pub(crate) async fn reset(mut self) {
        if self.pause(Duration::from_millis(50)).await.is_ok() {
            // A lingering time of zero makes the close below an RST.
            drop(self.stream.set_zero_linger());
        }
        drop(self.stream);
    }
}

/// Completes when the client has gone. A client that only closes its sending side counts as gone too: nothing
/// distinguishes the two.
async fn hang_up(reader: &mut ReadHalf<'_>, inbox: &mut BytesMut) {
    while inbox.len() < READ_AHEAD {
        inbox.reserve(4096);
        match reader.read_buf(inbox).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    // A client that sends this much ahead is still there, or will be noticed
    // by the next write.
    std::future::pending().await
}
