//! The listening socket, which can be shut and opened again on the same port: an outage in which connections
//! are refused, with everything remembered.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::{Shared, connection};

/// The address, and what is going on there.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Open(Accepting),
    /// Bound and not listening: connections are refused, and nobody else gets the port.
    Shut(#[expect(dead_code, reason = "held for its port")] TcpSocket),
    Closed,
}

#[derive(Debug)]
struct Accepting {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Listener {
    pub(crate) fn open(address: SocketAddr, shared: &Arc<Shared>) -> io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        Ok(Self {
            address,
            state: Mutex::new(State::Open(accept_on(listener, address, shared))),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections from now on and cuts those that are open. The port stays ours.
    pub(crate) async fn shut(&self) -> io::Result<()> {
        self.close().await;
        self.put(State::Shut(bind(self.address)?));
        Ok(())
    }

    /// Takes connections again.
    pub(crate) fn reopen(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(_) = *state {
            return Ok(());
        }
        // The socket that held the port has to go first.
        *state = State::Closed;
        let listener = listen(self.address)?;
        *state = State::Open(accept_on(listener, self.address, shared));
        Ok(())
    }

    /// Cuts the connections and gives the port back.
    pub(crate) async fn close(&self) {
        if let State::Open(accepting) = self.put(State::Closed) {
            // Either fails only if the task is gone already.
            let _ = accepting.stop.send(());
            let _ = accepting.task.await;
        }
    }

    fn put(&self, state: State) -> State {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, state)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let State::Open(accepting) = self.put(State::Closed) {
            accepting.task.abort();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections that were cut linger, and must not keep us from our own port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(1024)
}

fn accept_on(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) -> Accepting {
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, address, Arc::clone(shared), stopped));
    Accepting { task, stop }
}

async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                // Out of descriptors is a matter of moments; the others are the caller's.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection::serve(stream, address, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}
