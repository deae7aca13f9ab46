//! What commands ask the daemon with: HTTP/1.1 over its socket, one connection a question.

use super::{config::Config, error::ClientError, problem::Problem};
use axum::body::{Body, Bytes, to_bytes};
use futures_util::StreamExt;
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixStream, time::timeout};

/// How long the daemon may take to begin an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer, or line of one, in bytes.
const LONGEST: usize = 64 << 20;

/// Asks the daemon of one home.
pub struct Client {
    home: PathBuf,
    socket: PathBuf,
}

impl Client {
    /// For the home at `home`, whose configuration says where the socket is.
    ///
    /// # Errors
    /// [`ClientError::Home`].
    pub fn of_home(home: &Path) -> Result<Client, ClientError> {
        let Config { home, socket, .. } = Config::open(home)?;
        Ok(Client { home, socket })
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.whole(Method::GET, path, Body::empty()).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|source| self.unclear(source))?;
        self.whole(Method::POST, path, body.into()).await
    }

    /// Takes away what is at `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.whole(Method::DELETE, path, Body::empty()).await
    }

    /// Hands each line of what is at `path` to `each` as it comes, up to the end.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn follow<T: DeserializeOwned>(&self, path: &str, mut each: impl FnMut(T)) -> Result<(), ClientError> {
        let mut pieces = Body::new(self.answer(Method::GET, path, Body::empty()).await?.into_body()).into_data_stream();
        let mut line = Vec::new();
        while let Some(piece) = pieces.next().await {
            for byte in piece.map_err(|source| self.broken(source))? {
                match byte {
                    b'\n' => each(serde_json::from_slice(&std::mem::take(&mut line)).map_err(|source| self.unclear(source))?),
                    _ if line.len() == LONGEST => return Err(self.broken("a line is too long")),
                    byte => line.push(byte),
                }
            }
        }
        if line.is_empty() { Ok(()) } else { Err(self.broken("it ended within a line")) }
    }

    async fn whole<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, ClientError> {
        let answer = self.answer(method, path, body).await?;
        let bytes = self.read(answer).await?;
        serde_json::from_slice(&bytes).map_err(|source| self.unclear(source))
    }

    /// An answer that is no problem, from its head on.
    async fn answer(&self, method: Method, path: &str, body: Body) -> Result<Response<Incoming>, ClientError> {
        let late = |_| ClientError::Late { socket: self.socket.clone(), limit: PATIENCE };
        let answer = timeout(PATIENCE, self.ask(method, path, body)).await.map_err(late)??;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let bytes = self.read(answer).await?;
        let problem: Problem = serde_json::from_slice(&bytes).map_err(|source| self.unclear(source))?;
        Err(ClientError::Refused(problem))
    }

    async fn ask(&self, method: Method, path: &str, body: Body) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| ClientError::NotRunning {
            socket: self.socket.clone(),
            home: self.home.clone(),
            source,
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.broken(source))?;
        // It ends with the answer, which is where its errors show.
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
        let request = request.body(body).expect("paths that commands ask for are well-formed");
        sender.send_request(request).await.map_err(|source| self.broken(source))
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Bytes, ClientError> {
        let late = |_| ClientError::Late { socket: self.socket.clone(), limit: PATIENCE };
        let bytes = timeout(PATIENCE, to_bytes(Body::new(answer.into_body()), LONGEST)).await.map_err(late)?;
        bytes.map_err(|source| self.broken(source))
    }

    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), source: source.into() }
    }

    fn unclear(&self, source: serde_json::Error) -> ClientError {
        ClientError::Answer { socket: self.socket.clone(), source }
    }
}
