//! A transfer agent for git-lfs that reads the objects of a mirror.
//!
//! The protocol: <https://github.com/git-lfs/git-lfs/blob/main/docs/custom-transfers.md>.

mod message;
mod mirror;
mod place;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gitbarge_core::{Error, ErrorKind, Result, Run};
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use crate::Object;
use message::{Answer, Message};
use mirror::Mirror;

pub use place::folder;

/// A message of git-lfs has some hundred bytes.
const LONGEST_LINE: u64 = 64 << 10;
/// Progress is told when so many bytes are new.
const STEP: u64 = 256 << 10;

/// Answers git-lfs until it says `terminate` or its output ends.
///
/// `base_url` is the mirror's address, `http(s)://…` or `file:///…`: objects are below it at `lfs/objects/aa/bb/<sha256>`.
/// Files are made in `folder`, which must be on the file system of git-lfs's own storage, for git-lfs moves them there:
/// see [`folder`]. Uploads are refused, one by one, and so is an object that is missing or corrupt.
///
/// # Errors
/// `config` if the address is none; `protocol` if git-lfs says what the protocol does not know; `cancelled`.
pub async fn serve(
    base_url: &str,
    folder: &Path,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    run: &Run,
) -> Result<()> {
    let mut agent = Agent {
        mirror: Mirror::new(base_url)?,
        folder,
        output,
        run,
    };
    tokio::select! {
        biased;
        () = run.cancelled() => Err(Error::cancelled("serving git-lfs")),
        served = agent.serve(input) => served,
    }
}

struct Agent<'a, W> {
    mirror: Mirror,
    folder: &'a Path,
    output: W,
    run: &'a Run,
}

impl<W: AsyncWrite + Unpin> Agent<'_, W> {
    async fn serve(&mut self, mut input: impl AsyncBufRead + Unpin) -> Result<()> {
        while let Some(message) = next(&mut input).await? {
            match message {
                Message::Init { operation } => self.init(&operation).await?,
                Message::Download { oid, size } => self.download(&oid, size).await?,
                Message::Upload { oid } => {
                    self.say(&Answer::failed(&oid, &uploads_refused())).await?;
                }
                Message::Terminate => break,
            }
        }
        Ok(())
    }

    async fn init(&mut self, operation: &str) -> Result<()> {
        let answer = match operation {
            "download" => Answer::ready(),
            _ => Answer::not_ready(&uploads_refused()),
        };
        self.say(&answer).await
    }

    /// A failure of one object is an answer; only git-lfs going away ends the agent.
    async fn download(&mut self, oid: &str, size: u64) -> Result<()> {
        let Some(object) = Object::parse(oid, size) else {
            let error = Error::new(ErrorKind::Protocol, "git-lfs asks for what is no SHA-256");
            return self.say(&Answer::failed(oid, &error)).await;
        };
        let (temporary, file) = match self.create().await {
            Ok(created) => created,
            Err(error) => return self.say(&Answer::failed(oid, &error)).await,
        };
        if let Some(error) = self.bring(oid, object, file).await? {
            return self.say(&Answer::failed(oid, &error)).await;
        }
        let kept = temporary.keep();
        let answer = match &kept {
            Ok(path) => Answer::complete(oid, path),
            Err(error) => {
                let error = Error::new(ErrorKind::Internal, error.to_string());
                Answer::failed(oid, &error)
            }
        };
        self.say(&answer).await
    }

    /// Writes an object into a file and tells of the progress; returns what has failed.
    async fn bring(&mut self, oid: &str, object: Object, mut file: File) -> Result<Option<Error>> {
        let mut stream = match self.mirror.open(object, self.run).await {
            Ok(stream) => stream,
            Err(error) => return Ok(Some(error)),
        };
        let (mut written, mut told) = (0, 0);
        loop {
            let chunk = match stream.next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Ok(Some(error)),
            };
            if let Err(error) = file.write_all(&chunk).await {
                return Ok(Some(Error::io(self.not_written(), error)));
            }
            written += chunk.len() as u64;
            if written - told >= STEP || written == object.size {
                self.say(&Answer::progress(oid, written, written - told))
                    .await?;
                told = written;
            }
        }
        match file.flush().await {
            Ok(()) => Ok(None),
            Err(error) => Ok(Some(Error::io(self.not_written(), error))),
        }
    }

    /// A file that vanishes with its path, and may be read by whom the umask lets.
    async fn create(&self) -> Result<(TempPath, File)> {
        let (folder, failed) = (self.folder.to_owned(), self.not_written());
        let make = move || -> std::io::Result<NamedTempFile> {
            std::fs::create_dir_all(&folder)?;
            tempfile::Builder::new()
                .prefix("gitbarge-")
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(&folder)
        };
        let what = "making a file";
        let made = self.run.blocking(what, move |_| {
            make().map_err(|error| Error::io(failed, error))
        });
        let (file, path) = made.await?.into_parts();
        Ok((path, File::from_std(file)))
    }

    fn not_written(&self) -> String {
        format!("failed to write to `{}`", self.folder.display())
    }

    async fn say(&mut self, answer: &Answer<'_>) -> Result<()> {
        let line = answer.line();
        let said = async {
            self.output.write_all(&line).await?;
            self.output.flush().await
        };
        said.await.map_err(|error| {
            Error::new(ErrorKind::Protocol, "git-lfs does not listen any more").with_source(error)
        })
    }
}

fn uploads_refused() -> Error {
    Error::new(
        ErrorKind::Refused,
        "a mirror is only read: push LFS objects to the repository that it is made from",
    )
}

async fn next(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Message>> {
    let mut line = Vec::new();
    let mut bounded = input.take(LONGEST_LINE);
    let failed =
        |error| Error::new(ErrorKind::Protocol, "git-lfs cannot be read").with_source(error);
    bounded.read_until(b'\n', &mut line).await.map_err(failed)?;
    if line.is_empty() {
        return Ok(None);
    }
    Message::read(&line).map(Some)
}
