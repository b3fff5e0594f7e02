//! A connection of a client: plain, or decrypted.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// A connection of a client: its socket, or what is decrypted of it.
pub(super) type ClientSocket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The socket below.
pub(super) fn socket(client: &ClientSocket) -> &TcpStream {
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

/// The last that is said to a client: it has a second to read it.
pub(super) async fn last_word(client: &mut ClientSocket, bytes: &[u8]) {
    // A client that does not read has disconnected.
    let _ = client.write_all(bytes).await;
    let _ = client.shutdown().await;
    let mut rest = vec![0; 4096];
    let drain = async { while matches!(read(client, &mut rest).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
}
