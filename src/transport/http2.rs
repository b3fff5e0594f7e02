//! HTTP/2: an exchange over hyper's connection.

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_util::task::AbortOnDropHandle;

use super::failure::{Stop, before_head, in_body};
use super::http1::login;
use super::link::Link;
use super::outgoing::Outgoing;
use super::receiver::Receiver;
use crate::journal::{EndCause, Entry, Head, Headers, Micros};

/// Sends a request and takes in what arrives, until the response is over.
pub(super) async fn run<T: Fn(Entry)>(link: Link, receiver: &mut Receiver<'_, '_, T>) -> Stop {
    let outgoing = receiver.outgoing;
    let request = match request(outgoing) {
        Ok(request) => request,
        Err(e) => return Stop::new(EndCause::Protocol, e.to_string()),
    };
    let answered = async {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(link)).await?;
        // An error that ends the connection is reported by the request.
        let running = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
        Ok((sender.send_request(request).await?, sender, running))
    };
    let answered = tokio::select! {
        biased;
        answered = answered => answered,
        stop = receiver.idle() => return stop,
    };
    let at = receiver.clock().now();
    // The connection lives as long as its sender.
    let (response, _sender, _running) = match answered {
        Ok(answered) => answered,
        Err(e) => return before_head(&e),
    };
    let (parts, mut body) = response.into_parts();
    let head = Head {
        status: parts.status.as_u16(),
        version: format!("{:?}", parts.version),
        headers: headers(&parts.headers),
        ..Head::default()
    };
    receiver.head(at, head);
    loop {
        receiver.pause_while_full().await;
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            stop = receiver.idle() => return stop,
        };
        let at = receiver.clock().now();
        let frame = match frame {
            None => return Stop::new(EndCause::Complete, ""),
            Some(Err(e)) => return in_body(&e),
            Some(Ok(frame)) => frame,
        };
        if let Err(stop) = take(receiver, at, frame) {
            return stop;
        }
    }
}

/// Takes in a piece of the body, or its trailers.
fn take<T: Fn(Entry)>(
    receiver: &mut Receiver<'_, '_, T>,
    at: Micros,
    frame: hyper::body::Frame<bytes::Bytes>,
) -> Result<(), Stop> {
    match frame.into_data() {
        // HTTP/2 ends some bodies with an empty frame.
        Ok(data) if data.is_empty() => {}
        Ok(data) => {
            receiver.data(at, data)?;
        }
        Err(frame) => {
            if let Ok(trailers) = frame.into_trailers() {
                receiver.trailers(at, headers(&trailers));
            }
        }
    }
    Ok(())
}

fn request(outgoing: &Outgoing) -> Result<http::Request<Full<bytes::Bytes>>, http::Error> {
    let mut url = outgoing.url.clone();
    // This fails only for an address without a host, which has no user either.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.set_fragment(None);
    let mut request = http::Request::builder().method(outgoing.method.clone()).uri(url.as_str());
    for (name, value) in &outgoing.headers {
        // These headers belong to HTTP/1; the host is in the address.
        if !matches!(name.as_str(), "host" | "connection" | "transfer-encoding" | "keep-alive") {
            request = request.header(name, value);
        }
    }
    if let Some(basic) = login(outgoing) {
        request = request.header(http::header::AUTHORIZATION, basic);
    }
    request.body(Full::new(outgoing.body.clone()))
}

fn headers(map: &http::HeaderMap) -> Headers {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
