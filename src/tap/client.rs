//! A connection of a client: plain, or decrypted.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// A connection of a client: its socket, or what is decrypted of it.
pub(super) type Client = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The socket below.
pub(super) fn socket(client: &Client) -> &TcpStream {
    match client {
        Either::Left(stream) => stream,
        Either::Right(stream) => stream.get_ref().0,
    }
}

/// One read. TLS that ends without `close_notify` is closed too.
pub(super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
) -> io::Result<usize> {
    match from.read(buffer).await {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        other => other,
    }
}
