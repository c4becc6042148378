//! An open conversation with a source: its refs, and the objects behind them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use gitbarge_core::config::RefName;
use gitbarge_core::{
    Address, Connection, Error, ErrorKind, FetchOptions, LfsServer, Objects, PackRequest,
    PackStream, RefPatterns, RemoteRef, Result, Run, Service, Source, Target,
};
use gix::bstr::BString;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::{Handshake, LsRefsCommand};
use tokio::sync::Mutex;

use crate::{error, receive, resolve, share, stream};

/// Which refs to ask a remote for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The pipeline's `ref`; the remote's HEAD if there is none. What it may mean is always asked for.
    pub reference: Option<RefName>,
    /// Further refs, for sinks that want them.
    pub patterns: Vec<RefPatterns>,
}

impl From<Option<&RefName>> for Asked {
    fn from(reference: Option<&RefName>) -> Self {
        Self {
            reference: reference.cloned(),
            patterns: Vec::new(),
        }
    }
}

/// A source whose wanted refs have been listed, over one connection that the fetch then goes on to use.
///
/// Dropping it ends the conversation.
pub struct Remote {
    source: Arc<dyn Source>,
    asked: Asked,
    refs: Arc<[RemoteRef]>,
    is_empty: bool,
    /// `None` once a fetch has used it up, or has failed on it.
    conversation: Mutex<Option<Conversation>>,
    /// Repositories that have got everything in this run, and may share it.
    supplied: std::sync::Mutex<Vec<PathBuf>>,
}

/// A connection after its handshake.
pub(crate) struct Conversation {
    pub(crate) connection: Connection,
    pub(crate) handshake: Handshake,
    pub(crate) address: Address,
}

impl Remote {
    /// Connects, and lists HEAD and only those refs that are asked for.
    ///
    /// # Errors
    /// Those of [`Source::connect`], and what the remote's git says: `remote_missing`, `auth_failed`, `protocol`, ….
    pub async fn open(
        source: &Arc<dyn Source>,
        asked: impl Into<Asked>,
        run: &Run,
    ) -> Result<Self> {
        let asked = asked.into();
        let (conversation, listed) = converse(source, &asked, run).await?;
        Ok(Self {
            source: source.clone(),
            asked,
            refs: listed.refs.into(),
            is_empty: listed.is_empty,
            conversation: Mutex::new(Some(conversation)),
            supplied: std::sync::Mutex::default(),
        })
    }

    /// The refs that were listed, in the remote's order.
    pub fn refs(&self) -> Arc<[RemoteRef]> {
        self.refs.clone()
    }

    /// What the reference means right now.
    ///
    /// # Errors
    /// `ref_missing`, `remote_empty`.
    pub fn resolve(&self) -> Result<Target> {
        resolve::resolve(
            self.asked.reference.as_ref(),
            &self.refs,
            self.is_empty,
            &self.source.address(),
        )
    }

    async fn take_conversation(
        &self,
        slot: &mut Option<Conversation>,
        run: &Run,
    ) -> Result<Conversation> {
        match slot.take() {
            Some(conversation) => Ok(conversation),
            None => Ok(converse(&self.source, &self.asked, run).await?.0),
        }
    }

    fn supplied(&self) -> Vec<PathBuf> {
        self.supplied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Objects for Remote {
    async fn fetch_into(
        &self,
        git_dir: &Path,
        target: &Target,
        options: FetchOptions,
        run: &Run,
    ) -> Result<()> {
        // Held over the whole fetch: a second repository waits, and then shares what the first has got.
        let mut slot = self.conversation.lock().await;
        let (into, tip, donors) = (git_dir.to_owned(), target.tip, self.supplied());
        let is_there = run
            .blocking("looking for objects", move |stop| {
                share::obtain(&into, tip, options, &donors, stop)
            })
            .await?;
        if !is_there {
            let conversation = self.take_conversation(&mut slot, run).await?;
            let (into, progress) = (git_dir.to_owned(), run.progress().clone());
            run.blocking("fetching", move |stop| {
                receive::receive(conversation, &into, tip, options, &progress, stop)
            })
            .await?;
        }
        if options.depth.is_none() {
            self.supplied
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(git_dir.to_owned());
        }
        Ok(())
    }

    async fn pack(&self, request: PackRequest, run: &Run) -> Result<PackStream> {
        let mut slot = self.conversation.lock().await;
        let conversation = self.take_conversation(&mut slot, run).await?;
        stream::stream(conversation, request, run).await
    }

    async fn lfs(&self, run: &Run) -> Result<Option<LfsServer>> {
        self.source.lfs(run).await
    }
}

/// What a remote has shown.
struct Listed {
    refs: Vec<RemoteRef>,
    /// It has no refs at all.
    is_empty: bool,
}

async fn converse(
    source: &Arc<dyn Source>,
    asked: &Asked,
    run: &Run,
) -> Result<(Conversation, Listed)> {
    let connection = source.connect(Service::UploadPack, run).await?;
    let address = source.address();
    let prefixes = resolve::prefixes(asked);
    let list = move |_: &Arc<AtomicBool>| {
        let mut connection = connection;
        match list(&mut connection, prefixes) {
            Ok((handshake, listed)) => {
                let conversation = Conversation {
                    connection,
                    handshake,
                    address,
                };
                Ok((conversation, listed))
            }
            Err(error) => Err(error::remote(
                "listing refs",
                error,
                &address,
                &connection.remote,
            )),
        }
    };
    run.blocking("listing refs", list).await
}

fn list(connection: &mut Connection, prefixes: Vec<BString>) -> gix::Result<(Handshake, Listed)> {
    let mut handshake = gix::protocol::handshake(
        &mut connection.transport,
        Service::UploadPack,
        |_| Ok(None),
        Vec::new(),
        &mut gix::progress::Discard,
    )?;
    if let Some(error) = unsupported(&handshake) {
        return Err(gix::Error::from_error(std::io::Error::other(error)));
    }
    // Before protocol v2, servers show all refs without being asked.
    if let Some(refs) = handshake.refs.take() {
        let refs: Vec<_> = refs.into_iter().filter_map(resolve::remote_ref).collect();
        let is_empty = refs.is_empty();
        return Ok((handshake, Listed { refs, is_empty }));
    }
    let refs = ask(connection, &handshake, prefixes)?;
    // An empty repository and a missing ref want different things to be done.
    let is_empty =
        refs.is_empty() && ask(connection, &handshake, vec![BString::from("refs/")])?.is_empty();
    Ok((handshake, Listed { refs, is_empty }))
}

/// Why this remote cannot be spoken with any further.
fn unsupported(handshake: &Handshake) -> Option<Error> {
    let format = handshake.capabilities.capability("object-format")?;
    let format = format.value()?;
    if format == "sha1" {
        return None;
    }
    let message =
        format!("the remote names its objects by {format}, which gitbarge does not understand");
    let hint = "use a repository whose object format is SHA-1";
    // It will not change within any run.
    let error = Error::new(ErrorKind::Protocol, message).with_hint(hint);
    Some(error.with_retry_after(std::time::Duration::from_secs(24 * 60 * 60)))
}

/// Protocol v2's `ls-refs`.
fn ask(
    connection: &mut Connection,
    handshake: &Handshake,
    prefixes: Vec<BString>,
) -> gix::Result<Vec<RemoteRef>> {
    let mut wanted = RefPrefixes::new();
    wanted.extend(prefixes);
    let refs = LsRefsCommand::new(Some(wanted), &handshake.capabilities, agent()).invoke_blocking(
        &mut connection.transport,
        &mut gix::progress::Discard,
        false,
    )?;
    Ok(refs.into_iter().filter_map(resolve::remote_ref).collect())
}

/// How gitbarge introduces itself to servers.
pub(crate) fn agent() -> (&'static str, Option<String>) {
    (
        "agent",
        Some(concat!("gitbarge/", env!("CARGO_PKG_VERSION")).into()),
    )
}

/// Whether the work has been asked to stop.
pub(crate) fn check_stop(stop: &AtomicBool, what: &str) -> Result<()> {
    if stop.load(std::sync::atomic::Ordering::Relaxed) {
        Err(Error::cancelled(what))
    } else {
        Ok(())
    }
}
