//! Tunnels to other hosts: forwarded unread, or decrypted where the host is one that was named.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::client::ClientSocket;
use super::connection::{Connection, dial};
use super::event::EventKind;
use super::intercept;
use super::route::Origin;
use crate::transport::link::{Dialed, Link};

const YES: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

impl Connection {
    /// Answers a `CONNECT`; returns the client where what it says from here on can be read.
    pub(super) async fn decrypt(
        &mut self,
        mut client: ClientSocket,
        place: &str,
    ) -> Option<ClientSocket> {
        let intercept = self.shared.intercept.clone();
        let upstream = intercept.as_ref().and_then(|i| i.upstream(place)).map(Arc::clone);
        let (Some(intercept), Some(upstream)) = (intercept, upstream) else {
            self.tunnel(&mut client, place).await;
            return None;
        };
        let ClientSocket::Left(mut socket) = client else { return None };
        if !self.requests.pending().is_empty() || !self.shared.may_proxy {
            self.tunnel(&mut ClientSocket::Left(socket), place).await;
            return None;
        }
        // A client that is gone needs no reading.
        socket.write_all(YES).await.ok()?;
        if !intercept::speaks_tls(&socket).await.ok()? {
            let text = format!("{place}: the client does not speak TLS; forwarded unread");
            self.emit(EventKind::Trouble(text));
            self.forward_unread(&mut ClientSocket::Left(socket), place).await;
            return None;
        }
        match intercept.accept(&upstream.origin.host, socket).await {
            Ok(stream) => {
                self.decrypted = Some(upstream);
                Some(ClientSocket::Right(Box::new(stream)))
            }
            Err(why) => {
                let text = format!(
                    "{place}: TLS with the client failed ({why}); it has to trust the certificates in the file \
                     that is in SSL_CERT_FILE"
                );
                self.emit(EventKind::Trouble(text));
                None
            }
        }
    }

    /// Forwards a tunnel to somewhere else, unread.
    async fn tunnel(&mut self, client: &mut ClientSocket, place: &str) {
        let Some(origin) = origin(place).filter(|_| self.shared.may_proxy) else {
            return refuse(client, "403 Forbidden").await;
        };
        let Ok(mut link) =
            dial(&origin, &self.shared, &self.shared.tls, &mut Dialed::default()).await
        else {
            return refuse(client, "502 Bad Gateway").await;
        };
        if client.write_all(YES).await.is_ok() {
            self.carry(client, &mut link).await;
        }
    }

    /// Forwards a tunnel unread that was answered already.
    async fn forward_unread(&mut self, client: &mut ClientSocket, place: &str) {
        let Some(origin) = origin(place) else { return };
        let mut dialed = Dialed::default();
        if let Ok(mut link) = dial(&origin, &self.shared, &self.shared.tls, &mut dialed).await {
            self.carry(client, &mut link).await;
        }
    }

    async fn carry(&mut self, client: &mut ClientSocket, link: &mut Link) {
        let early = self.requests.rest();
        if link.write_all(&early).await.is_ok() {
            // How such a tunnel ends is not recorded.
            let _ = tokio::io::copy_bidirectional(client, link).await;
        }
    }
}

/// The place of a tunnel, `host:port`; what is spoken in it is the client's own matter.
fn origin(place: &str) -> Option<Origin> {
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Origin { tls: false, host, port: port.parse().ok()? })
}

async fn refuse(client: &mut ClientSocket, status: &str) {
    let no = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // A client that does not read has disconnected.
    let _ = client.write_all(no.as_bytes()).await;
}
