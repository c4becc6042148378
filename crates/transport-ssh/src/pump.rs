//! Sorts what comes over a channel: to the reader, to the remote's standard error, to its end.

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, RemoteEnd, Result};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::session::lost;

/// What the remote may still say after nobody reads; a pack that is broken off is more.
const LEFTOVER: usize = 64 << 10;

/// Runs beside the reader, for the remote's last words come when nobody reads any more.
pub(crate) struct Pump {
    pub(crate) server: String,
    pub(crate) command: String,
    pub(crate) remote: RemoteEnd,
    /// Cancelled at the channel's end.
    pub(crate) over: CancellationToken,
}

impl Pump {
    /// Sorts until the channel ends; returns whether it ended in order.
    pub(crate) async fn run(
        self,
        receiving: ChannelReadHalf,
        to_reader: mpsc::Sender<Result<Bytes>>,
    ) -> bool {
        let in_order = self.sort(receiving, to_reader).await;
        self.remote.close();
        self.over.cancel();
        in_order
    }

    async fn sort(
        &self,
        mut receiving: ChannelReadHalf,
        to_reader: mpsc::Sender<Result<Bytes>>,
    ) -> bool {
        let mut to_reader = Some(to_reader);
        let mut leftover = 0;
        loop {
            match receiving.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    leftover += unread(to_reader.as_ref(), data).await;
                    if leftover > LEFTOVER {
                        return false;
                    }
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => self.remote.push_stderr(&data),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.remote.set_exit(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    let text = format!("killed by signal {signal_name:?}");
                    self.remote.push_stderr(text.as_bytes());
                }
                // The command is the only request that is answered.
                Some(ChannelMsg::Failure) => {
                    let message = format!("`{}` does not run `{}`", self.server, self.command);
                    fail(to_reader, Error::new(ErrorKind::Protocol, message)).await;
                    return false;
                }
                Some(ChannelMsg::Eof) => to_reader = None,
                Some(ChannelMsg::Close) => return true,
                Some(_) => {}
                None => {
                    fail(to_reader, lost(&self.server)).await;
                    return false;
                }
            }
        }
    }
}

/// Hands data on; returns how much of it nobody takes.
async fn unread(to_reader: Option<&mpsc::Sender<Result<Bytes>>>, data: Bytes) -> usize {
    let length = data.len();
    match to_reader {
        Some(reader) if reader.send(Ok(data)).await.is_ok() => 0,
        _ => length,
    }
}

async fn fail(to_reader: Option<mpsc::Sender<Result<Bytes>>>, error: Error) {
    if let Some(reader) = to_reader {
        // A reader that is gone misses nothing.
        reader.send(Err(error)).await.ok();
    }
}
