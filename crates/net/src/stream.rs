//! A TLS connection over a TCP socket, as a stream of bytes.
//!
//! rustls does all of TLS; what stands here is between its records (RFC 8446 section 5.1) and the socket. Its interface without buffers of its own lets
//! a byte be copied once or twice each way, at half the cost of the one with buffers, which bulk traffic pays for every gate.
//!
//! Written bytes are sealed at once, in records as large as what was written at a time allows, and wait in `outgoing` for the socket. Records are read
//! many at a time into `incoming`, opened there, and their contents go straight to whoever reads; only what is too long for the reader's buffer waits
//! in `opened`.

use crate::buffer::Buffer;
use rustls::{
    ClientConfig, CommonState, Error, ServerConfig,
    client::UnbufferedClientConnection,
    pki_types::ServerName,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The most plaintext of a record (RFC 8446 section 5.1).
const RECORD: usize = 1 << 14;

/// What protection adds to a record: its header, the type of its content, the tag (RFC 8446 section 5.2).
const PROTECTION: usize = 5 + 1 + 16;

/// Bytes of sealed records that may wait for the socket, which takes them all at once when it has room: eight large ones and some small.
const OUTGOING: usize = 8 * (RECORD + PROTECTION) + (1 << 12);

/// What TLS may want to send on its own account before a record.
const SLACK: usize = 1 << 8;

/// Bytes of records that were read and not opened.
const INCOMING: usize = 1 << 17;

/// The longest record, header included (RFC 8446 section 5.2).
const LONGEST: usize = 5 + RECORD + 256;

/// Pieces shorter than this are gathered into one record. Longer ones begin a record of their own, so that neither side copies them once more.
const SMALL: usize = 1 << 11;

/// A secured connection.
pub(crate) struct Stream {
    tcp: TcpStream,
    tls: Tls,
    /// Records from the socket.
    incoming: Buffer,
    /// What was in them and found no room where it was to be read to.
    opened: Buffer,
    /// Records for the socket.
    outgoing: Buffer,
    /// The other side has closed the connection in good order (RFC 8446 section 6.1).
    over: bool,
    /// This side has.
    closing: bool,
}

enum Tls {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What to do when TLS is ready for it.
enum Task<'a, 'b> {
    Nothing,
    Read(&'a mut ReadBuf<'b>),
    Seal(&'a [u8]),
    Close,
}

/// What came of a look at the connection.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// There may be more to do at once.
    Again,
    /// No whole record is left, and nothing can be written before one comes.
    Blocked,
    /// No whole record is left; the task is done, if it was to write.
    Ready,
    /// The same, but there was too little room to write.
    Full,
    /// The other side closes the connection.
    Closed,
}

impl Stream {
    /// Shakes hands as a client.
    ///
    /// # Errors
    /// With a [`rustls::Error`] inside if TLS fails, else the socket's.
    pub(crate) async fn client(tcp: TcpStream, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let tls = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        Self::new(tcp, Tls::Client(tls)).shake_hands().await
    }

    /// Shakes hands as a server.
    ///
    /// # Errors
    /// As [`Stream::client`].
    pub(crate) async fn server(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Self::new(tcp, Tls::Server(tls)).shake_hands().await
    }

    /// What the two sides agreed on, and who the other one is.
    pub(crate) fn agreed(&self) -> &CommonState {
        match &self.tls {
            Tls::Client(tls) => tls,
            Tls::Server(tls) => tls,
        }
    }

    /// The socket, to send what TLS would not.
    #[cfg(test)]
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    fn new(tcp: TcpStream, tls: Tls) -> Self {
        let [incoming, opened, outgoing] = [INCOMING, 0, OUTGOING].map(Buffer::new);
        Stream { tcp, tls, incoming, opened, outgoing, over: false, closing: false }
    }

    async fn shake_hands(mut self) -> io::Result<Self> {
        poll_fn(|cx| self.poll_shake_hands(cx)).await?;
        Ok(self)
    }

    fn poll_shake_hands(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.turn(cx, Task::Nothing)? {
                Turn::Again => {}
                // A server may write before it knows its client, but has not shaken hands then.
                Turn::Ready if !self.agreed().is_handshaking() => return self.poll_send(cx),
                Turn::Ready | Turn::Blocked => {
                    ready!(self.poll_send(cx))?;
                    ready!(self.poll_fetch(cx))?;
                }
                Turn::Closed | Turn::Full => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// Looks at what arrived, and does the task when TLS is ready for it. After an error the connection is of no more use.
    fn turn(&mut self, cx: &mut Context<'_>, task: Task<'_, '_>) -> io::Result<Turn> {
        self.look(task).map_err(|error| {
            // What TLS says of it to the other side, as far as the socket takes it. It hands that out before it looks at any more records.
            while self.agreed().wants_write() {
                let _ = self.look(Task::Nothing);
            }
            let _ = self.poll_send(cx);
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }

    fn look(&mut self, task: Task<'_, '_>) -> Result<Turn, Error> {
        let (opened, outgoing) = (&mut self.opened, &mut self.outgoing);
        let (used, turn) = match &mut self.tls {
            Tls::Client(tls) => step(tls.process_tls_records(self.incoming.filled_mut()), task, opened, outgoing),
            Tls::Server(tls) => step(tls.process_tls_records(self.incoming.filled_mut()), task, opened, outgoing),
        };
        self.incoming.take(used);
        turn
    }

    /// Reads what the socket has.
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(self.incoming.room(LONGEST));
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.incoming.put(count);
        // Only TLS can end the stream in good order.
        Poll::Ready(if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) })
    }

    /// Waits until the socket has taken all records.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, self.outgoing.filled()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.outgoing.take(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Seals as much of `plain` as there is room for, and says how much.
    fn seal(&mut self, cx: &mut Context<'_>, plain: &[u8]) -> io::Result<usize> {
        let records = self.outgoing.tail().saturating_sub(SLACK) / (RECORD + PROTECTION);
        let plain = &plain[..plain.len().min(records * RECORD)];
        if plain.is_empty() {
            return Ok(0);
        }
        match self.write(cx, || Task::Seal(plain))? {
            Turn::Ready => Ok(plain.len()),
            _ => Ok(0),
        }
    }

    /// Does a task of writing: ready or full.
    fn write<'a>(&mut self, cx: &mut Context<'_>, task: impl Fn() -> Task<'a, 'a>) -> io::Result<Turn> {
        loop {
            match self.turn(cx, task())? {
                Turn::Again => {}
                Turn::Closed => self.over = true,
                Turn::Blocked => return Err(io::ErrorKind::BrokenPipe.into()),
                done @ (Turn::Ready | Turn::Full) => return Ok(done),
            }
        }
    }
}

/// Does what TLS asks for, or the task; says how many bytes of the records were used.
fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    task: Task<'_, '_>,
    opened: &mut Buffer,
    outgoing: &mut Buffer,
) -> (usize, Result<Turn, Error>) {
    let mut used = status.discard;
    let turn = status.state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut records) => {
            let mut reader = if let Task::Read(reader) = task { Some(reader) } else { None };
            while let Some(record) = records.next_record() {
                let record = record?;
                used += record.discard;
                let fits = reader.as_ref().map_or(0, |reader| reader.remaining().min(record.payload.len()));
                let (now, later) = record.payload.split_at(fits);
                if let Some(reader) = &mut reader {
                    reader.put_slice(now);
                }
                opened.append(later);
            }
            Ok(Turn::Again)
        }
        ConnectionState::EncodeTlsData(mut message) => {
            if let Err(EncodeError::InsufficientSize(short)) = message.encode(&mut []) {
                let length = message.encode(outgoing.grow(short.required_size)).expect("as much room as it asked for");
                outgoing.put(length);
            }
            Ok(Turn::Again)
        }
        ConnectionState::TransmitTlsData(sent) => {
            // It keeps its place among the records in `outgoing`.
            sent.done();
            Ok(Turn::Again)
        }
        ConnectionState::WriteTraffic(mut writer) => {
            let written = match task {
                Task::Seal(plain) => writer.encrypt(plain, outgoing.room(0)),
                Task::Close => writer.queue_close_notify(outgoing.room(0)),
                Task::Nothing | Task::Read(_) => Ok(0),
            };
            match written {
                Ok(length) => outgoing.put(length),
                Err(EncryptError::InsufficientSize(_)) => return Ok(Turn::Full),
                Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
            }
            Ok(Turn::Ready)
        }
        ConnectionState::PeerClosed | ConnectionState::Closed => Ok(Turn::Closed),
        // Early data is not offered and not accepted.
        _ => Ok(Turn::Blocked),
    });
    (used, turn)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let waiting = this.opened.filled();
        let count = waiting.len().min(buf.remaining());
        buf.put_slice(&waiting[..count]);
        this.opened.take(count);
        while buf.remaining() > 0 && !this.over {
            match this.turn(cx, Task::Read(buf))? {
                Turn::Again => {}
                Turn::Closed => this.over = true,
                Turn::Ready | Turn::Blocked | Turn::Full if buf.filled().len() > before => break,
                Turn::Ready | Turn::Blocked | Turn::Full => ready!(this.poll_fetch(cx))?,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.outgoing.tail() < RECORD + PROTECTION + SLACK {
            ready!(this.poll_send(cx))?;
        }
        let (mut written, mut gathered) = (0, Vec::new());
        for buf in bufs {
            if buf.len() < SMALL && gathered.len() + buf.len() <= RECORD {
                gathered.extend_from_slice(buf);
                continue;
            }
            for piece in [&gathered[..], buf] {
                let sealed = this.seal(cx, piece)?;
                written += sealed;
                if sealed < piece.len() {
                    return Poll::Ready(Ok(written));
                }
            }
            gathered.clear();
        }
        Poll::Ready(Ok(written + this.seal(cx, &gathered)?))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.closing {
            match this.write(cx, || Task::Close)? {
                Turn::Full => ready!(this.poll_send(cx))?,
                _ => this.closing = true,
            }
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
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
        let from_a = Arc::new(tls::server_config(&b, vec![a.public()], &[tls::ALPN]).unwrap());
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
}
