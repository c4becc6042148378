//! Servers on the loopback interface that live as long as somebody holds them.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server; it ends when dropped.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Serving {
    /// Serves a router.
    pub(crate) async fn start(router: Router) -> Self {
        Self::listen(async move |listener| {
            axum::serve(listener, router)
                .await
                .expect("serves until it is dropped");
        })
        .await
    }

    /// Has something else serve, on a free port.
    pub(crate) async fn listen<F>(serve: impl FnOnce(TcpListener) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback interface has free ports");
        let address = listener.local_addr().expect("it is bound");
        let task = tokio::spawn(serve(listener));
        Self { address, task }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
