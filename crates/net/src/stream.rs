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
    /// What was wrong with a record, or with this side's keys. Nothing is looked at after it.
    failed: Option<Error>,
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
    /// No whole record is left, and nothing can be written before one comes, or because both sides have closed the connection.
    Blocked,
    /// No whole record is left; the task is done, if it was to write.
    Ready,
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
        Stream { tcp, tls, incoming, opened, outgoing, over: false, closing: false, failed: None }
    }

    async fn shake_hands(mut self) -> io::Result<Self> {
        poll_fn(|cx| self.poll_shake_hands(cx)).await?;
        Ok(self)
    }

    fn poll_shake_hands(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.turn(Task::Nothing)? {
                Turn::Again => {}
                // A server may write before it knows its client, but has not shaken hands then.
                Turn::Ready if !self.agreed().is_handshaking() => return self.poll_send(cx),
                Turn::Ready | Turn::Blocked => {
                    ready!(self.poll_send(cx))?;
                    ready!(self.poll_fetch(cx))?;
                }
                Turn::Closed => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// Looks at what arrived, and does the task when TLS is ready for it. An error stays: TLS would look at the same record once more.
    fn turn(&mut self, task: Task<'_, '_>) -> io::Result<Turn> {
        let error = match &self.failed {
            Some(error) => error.clone(),
            None => match self.look(task) {
                Ok(turn) => return Ok(turn),
                Err(error) => self.fail(error),
            },
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Says to the other side what TLS says of the error, as far as the socket takes it at once.
    fn fail(&mut self, error: Error) -> Error {
        // TLS hands that out before it looks at any more records.
        while self.agreed().wants_write() {
            let _ = self.look(Task::Nothing);
        }
        if let Ok(count) = self.tcp.try_write(self.outgoing.filled()) {
            self.outgoing.take(count);
        }
        self.failed = Some(error.clone());
        error
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
    fn seal(&mut self, plain: &[u8]) -> io::Result<usize> {
        let records = self.outgoing.tail().saturating_sub(SLACK) / (RECORD + PROTECTION);
        let plain = &plain[..plain.len().min(records * RECORD)];
        if !plain.is_empty() {
            self.write(|| Task::Seal(plain))?;
        }
        Ok(plain.len())
    }

    /// Does a task of writing.
    fn write<'a>(&mut self, task: impl Fn() -> Task<'a, 'a>) -> io::Result<()> {
        loop {
            match self.turn(task())? {
                Turn::Again => {}
                Turn::Closed => self.over = true,
                Turn::Blocked => return Err(io::ErrorKind::BrokenPipe.into()),
                Turn::Ready => return Ok(()),
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
            let mut write = |room: &mut [u8]| match &task {
                Task::Seal(plain) => writer.encrypt(plain, room),
                Task::Close => writer.queue_close_notify(room),
                Task::Nothing | Task::Read(_) => Ok(0),
            };
            let written = match write(outgoing.room(0)) {
                Err(EncryptError::InsufficientSize(short)) => write(outgoing.grow(short.required_size)),
                written => written,
            };
            outgoing.put(written.map_err(|_| Error::EncryptError)?);
            Ok(Turn::Ready)
        }
        ConnectionState::PeerClosed => Ok(Turn::Closed),
        // The handshake waits, or both sides have closed. Early data is not offered and not accepted.
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
            match this.turn(Task::Read(buf)) {
                Ok(Turn::Again) => {}
                Ok(Turn::Closed) => this.over = true,
                // Whoever hears of an error looks at no bytes: the error is for the next to read.
                _ if buf.filled().len() > before => break,
                Ok(Turn::Ready | Turn::Blocked) => ready!(this.poll_fetch(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
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
        if this.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
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
                let sealed = this.seal(piece)?;
                written += sealed;
                if sealed < piece.len() {
                    return Poll::Ready(Ok(written));
                }
            }
            gathered.clear();
        }
        Poll::Ready(Ok(written + this.seal(&gathered)?))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.closing {
            this.write(|| Task::Close)?;
            this.closing = true;
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
