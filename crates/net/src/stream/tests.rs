//! A stream against a connection that rustls keeps with buffers of its own.

use super::*;
use crate::{Identity, tls};
use std::task::Waker;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

type Other = TlsStream<TcpStream>;

/// This crate's end of a connection, as client or as server, and one that rustls keeps with buffers of its own.
async fn pair(client: bool) -> (Stream, Other) {
    let [a, b] = [0; 2].map(|_| Arc::new(Identity::generate().unwrap()));
    let to_b = Arc::new(tls::client_config(&a, b.public(), &[tls::ALPN]).unwrap());
    let from_a = Arc::new(tls::server_config(&b, &[tls::ALPN]).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    if client {
        let (ours, other) = tokio::join!(Stream::client(near, to_b, tls::any_name()), TlsAcceptor::from(from_a).accept(far));
        (ours.unwrap(), other.unwrap().into())
    } else {
        let (ours, other) = tokio::join!(Stream::server(far, from_a), TlsConnector::from(to_b).connect(tls::any_name(), near));
        (ours.unwrap(), other.unwrap().into())
    }
}

/// Pieces of all kinds: none, shorter than those that are gathered, longer than a record, longer than what may wait.
fn pieces() -> Vec<Vec<u8>> {
    let lengths = [0, 1, SMALL - 1, SMALL, RECORD - 1, RECORD, RECORD + 1, 5, 3 * OUTGOING + 7, SMALL, 8 * RECORD, 6];
    (0..60).map(|i| (0..lengths[i % lengths.len()]).map(|k| (i * 31 + k % 251) as u8).collect()).collect()
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), pieces: &[Vec<u8>]) {
    for some in pieces.chunks(7) {
        let mut slices: Vec<IoSlice<'_>> = some.iter().filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let written = stream.write_vectored(rest).await.unwrap();
            assert!(written > 0);
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    stream.shutdown().await.unwrap();
}

async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let (mut read, mut part) = (Vec::new(), vec![0; 100_000]);
    for length in [1, 6, 3000, 20_000, 100_000, 1].into_iter().cycle() {
        match stream.read(&mut part[..length]).await.unwrap() {
            0 => break,
            count => read.extend_from_slice(&part[..count]),
        }
    }
    read
}

/// Both sides write at once.
#[tokio::test]
async fn bytes_pass_unchanged() {
    for client in [true, false] {
        let (ours, other) = pair(client).await;
        let (mut our_read, mut our_write) = split(ours);
        let (mut other_read, mut other_write) = split(other);
        let pieces = pieces();
        let (_, _, here, there) = tokio::join!(
            write_all(&mut our_write, &pieces),
            write_all(&mut other_write, &pieces),
            read_all(&mut our_read),
            read_all(&mut other_read)
        );
        let expected = pieces.concat();
        assert!(here == expected && there == expected, "as a client: {client}");
    }
}

/// RFC 8446 section 4.6.3: new keys in both directions, which the other side asks for.
#[tokio::test]
async fn keys_change_under_way() {
    for client in [true, false] {
        let (mut ours, mut other) = pair(client).await;
        for round in 0..3u8 {
            match &mut other {
                TlsStream::Client(other) => other.get_mut().1.refresh_traffic_keys().unwrap(),
                TlsStream::Server(other) => other.get_mut().1.refresh_traffic_keys().unwrap(),
            }
            let mut seen = [[0; 100]; 2];
            other.write_all(&[round; 100]).await.unwrap();
            other.flush().await.unwrap();
            ours.read_exact(&mut seen[0]).await.unwrap();
            ours.write_all(&[round; 100]).await.unwrap();
            ours.flush().await.unwrap();
            other.read_exact(&mut seen[1]).await.unwrap();
            assert_eq!(seen, [[round; 100]; 2]);
        }
    }
}

#[tokio::test]
async fn small_pieces_share_a_record() {
    let (mut ours, _other) = pair(true).await;
    let mut cx = Context::from_waker(Waker::noop());
    let mut sealed = |lengths: &[usize]| {
        let pieces: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![0; length]).collect();
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let before = ours.outgoing.filled().len();
        let written = Pin::new(&mut ours).poll_write_vectored(&mut cx, &slices).map(Result::unwrap);
        assert_eq!(written, Poll::Ready(lengths.iter().sum()));
        ours.outgoing.filled().len() - before
    };
    assert_eq!(sealed(&[6, 100, 6, 200]), 312 + PROTECTION);
    assert_eq!(sealed(&[6, 2 * RECORD, 6, 0, 6]), 18 + 2 * RECORD + 4 * PROTECTION);
    assert_eq!(sealed(&[SMALL - 1; 9]), 9 * (SMALL - 1) + 2 * PROTECTION);
}

#[tokio::test]
async fn a_stream_that_was_cut_has_no_end() {
    let (mut ours, mut other) = pair(true).await;
    other.write_all(b"begun").await.unwrap();
    other.flush().await.unwrap();
    // The socket closes; TLS did not.
    drop(other);
    let mut read = Vec::new();
    assert_eq!(ours.read_to_end(&mut read).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(read, b"begun");
}

/// A record that cannot be opened, behind one that can; the reader's buffer is full before it gets there.
#[tokio::test]
async fn an_error_stays() {
    for write_first in [true, false] {
        let (mut ours, mut other) = pair(true).await;
        other.write_all(b"whole").await.unwrap();
        other.flush().await.unwrap();
        other.get_mut().0.write_all(&[0x17, 3, 3, 0, 17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]).await.unwrap();
        let mut read = [0; 8];
        while ours.incoming.filled().len() < 49 {
            poll_fn(|cx| ours.poll_fetch(cx)).await.unwrap();
        }
        ours.read_exact(&mut read[..2]).await.unwrap();
        if write_first {
            assert_eq!(ours.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(ours.read(&mut read[2..]).await.unwrap(), 3, "what came before the fault is not lost");
        assert_eq!(&read[..5], b"whole");
        for _ in 0..2 {
            assert_eq!(ours.read(&mut read).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(ours.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}

/// RFC 8446 section 6.1: nothing is sent after a closure alert, while what the other side still sends is read.
#[tokio::test]
async fn each_side_closes_for_itself() {
    let (mut ours, mut other) = pair(true).await;
    ours.shutdown().await.unwrap();
    assert_eq!(ours.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
    other.write_all(b"last").await.unwrap();
    other.shutdown().await.unwrap();
    let mut read = Vec::new();
    ours.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"last");
    assert_eq!(ours.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    ours.shutdown().await.unwrap();
}

/// The other order: this side still writes after the other has closed.
#[tokio::test]
async fn writing_goes_on_after_the_others_end() {
    let (mut ours, mut other) = pair(true).await;
    other.shutdown().await.unwrap();
    assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
    ours.write_all(b"last").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut read = Vec::new();
    other.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"last");
}
