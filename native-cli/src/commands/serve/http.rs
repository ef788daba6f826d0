//! Connections, from the first to the last.

use std::net::TcpListener;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::stop::{Signals, Stopped};
use crate::output;

/// How long a client may take to send a request's head, and its body.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Before another connection is taken, where the system has none to give.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until a signal comes or the worker has ended; then takes no more connections, and gives those that are
/// there time to finish.
pub async fn listen(
    listener: TcpListener,
    router: Router,
    worker_ended: oneshot::Receiver<()>,
    grace: Duration,
    quiet: bool,
) -> anyhow::Result<Stopped> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut signals = Signals::listen()?;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connections = GracefulShutdown::new();
    let mut worker_ended = std::pin::pin!(worker_ended);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = signals.next() => break,
            _ = &mut worker_ended => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(BREATH).await;
            continue;
        };
        // Tokens go out as they are made. Where that cannot be said to the system, they still go out.
        let _slower = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(connections.watch(http.serve_connection(TokioIo::new(stream), service)));
    }
    drop(listener);
    if !quiet {
        output::note("stopping: what is running may finish");
    }
    Ok(tokio::select! {
        () = connections.shutdown() => Stopped::InTime,
        () = sleep(grace) => Stopped::InTime,
        () = signals.next() => Stopped::AtOnce,
    })
}
