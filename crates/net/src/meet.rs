//! How a link begins: one side dials, both prove their keys, the dialler says what session it wants, the other side answers, and the
//! dialler has the last word. Only then does either side call it a link, so a dialler that has gone meanwhile is never taken for one
//! that is there.
//!
//! A dialler that is refused always reads the refusal: it has nothing under way until it is answered, so nothing can turn the answer
//! into a reset.

use crate::{
    error::{PeerFault, Phase, Stranger},
    frame::{BEGIN, HELLO, Hello, REFUSED, WELCOME},
    identity::{Identity, PublicIdentity},
    mesh::{Limits, Member},
    stream::Stream,
    tls,
};
use cotenant_core::channel::ChannelFault;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// A failed attempt: in which phase and why.
pub(crate) type Failure = (Phase, PeerFault);

/// Dials `member`, who proves its key. It has not been asked for anything yet.
pub(crate) async fn reach(own: &Arc<Identity>, member: &Member, limits: &Limits) -> Result<Stream, Failure> {
    let tcp = in_time(limits.handshake, Phase::Dialling, dial_tcp(&member.address)).await?;
    in_time(limits.handshake, Phase::Tls, tls::dial(tcp, own, member.identity, &[tls::ALPN])).await
}

/// Asks the party that was reached for a link. It may hold the question for a while.
pub(crate) async fn ask(mut stream: Stream, own: &Identity, ours: &Hello, limits: &Limits) -> Result<Stream, Failure> {
    let asked = async {
        write(&mut stream, &ours.encode()).await?;
        match read(&mut stream).await? {
            [WELCOME] => {}
            [REFUSED] => return Err(PeerFault::Refused { own: own.public(), session: ours.session }),
            _ => return Err(PeerFault::Link(ChannelFault::Malformed)),
        }
        let theirs = Hello::decode(&read::<HELLO>(&mut stream).await?);
        ours.check(&theirs).map_err(PeerFault::Hello)?;
        write(&mut stream, &[BEGIN]).await
    };
    in_time(limits.handshake + limits.hold, Phase::Hello, asked).await?;
    Ok(stream)
}

/// A connection whose other side has proved its key, said what it wants, and waits for the answer.
pub(crate) struct Arrival {
    /// Where it came from.
    pub(crate) from: SocketAddr,
    /// The key it proved.
    pub(crate) key: PublicIdentity,
    /// What it said.
    pub(crate) hello: Hello,
    stream: Stream,
}

impl Arrival {
    /// Finds out who connected, and what for.
    pub(crate) async fn hear(tcp: TcpStream, from: SocketAddr, own: Arc<Identity>, limits: Limits) -> Result<Arrival, Stranger> {
        let secured = in_time(limits.handshake, Phase::Tls, async {
            tcp.set_nodelay(true).map_err(PeerFault::Io)?;
            tls::accept(tcp, &own, &[tls::ALPN]).await
        });
        let heard = async {
            let mut stream = secured.await?;
            let hello = in_time(limits.handshake, Phase::Hello, read(&mut stream)).await?;
            let key = tls::peer_key(&stream).expect("TLS lets in whoever proved a key, and nobody else");
            Ok(Arrival { from, key, hello: Hello::decode(&hello), stream })
        };
        heard.await.map_err(|(_, cause): Failure| Stranger { from, cause: Arc::new(cause) })
    }

    /// Answers with `ours`; a link if the two fit and the dialler still wants it.
    pub(crate) async fn welcome(mut self, ours: &Hello, limits: &Limits) -> Result<Stream, Failure> {
        let answered = async {
            // Also if it does not fit: then both sides can say why.
            write(&mut self.stream, &[&[WELCOME][..], &ours.encode()].concat()).await?;
            ours.check(&self.hello).map_err(PeerFault::Hello)?;
            match read(&mut self.stream).await? {
                [BEGIN] => Ok(()),
                _ => Err(PeerFault::Link(ChannelFault::Malformed)),
            }
        };
        in_time(limits.handshake, Phase::Hello, answered).await?;
        Ok(self.stream)
    }

    /// Tells the dialler that nobody here waits for it in that session.
    pub(crate) async fn refuse(mut self, limits: &Limits) {
        let refused = async {
            write(&mut self.stream, &[REFUSED]).await?;
            self.stream.shutdown().await.map_err(PeerFault::Io)
        };
        // If it does not take the answer, that is its loss.
        let _ = timeout(limits.handshake, refused).await;
    }
}

async fn dial_tcp(address: &str) -> Result<TcpStream, PeerFault> {
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(PeerFault::NoSuchHost)?.collect();
    let tcp = TcpStream::connect(&addresses[..]).await.map_err(PeerFault::Io)?;
    tcp.set_nodelay(true).map_err(PeerFault::Io)?;
    Ok(tcp)
}

async fn write(stream: &mut Stream, bytes: &[u8]) -> Result<(), PeerFault> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    written.await.map_err(tls::fault_of)
}

async fn read<const N: usize>(stream: &mut Stream) -> Result<[u8; N], PeerFault> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(tls::fault_of)?;
    Ok(bytes)
}

async fn in_time<T>(limit: Duration, phase: Phase, work: impl Future<Output = Result<T, PeerFault>>) -> Result<T, Failure> {
    timeout(limit, work).await.unwrap_or(Err(PeerFault::TimedOut)).map_err(|cause| (phase, cause))
}
