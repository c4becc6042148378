//! Copies that the store makes by itself.

use futures_util::TryFutureExt as _;
use object_store::{GetOptions, GetResult, ObjectStoreExt as _};

use super::body::Body;
use super::cloud::Cloud;
use super::trace::Trace;

/// S3 copies no more in one request: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
const LARGEST: u64 = 5 << 30;

impl Cloud {
    /// Copies an object of this length under another key; `false` if the store did not, whatever the reason: then the object
    /// has to be sent again, which shows what is wrong.
    ///
    /// Stores keep the headers of what they copy, but for the storage class, which the copier asks for; nothing promises that
    /// all do, so the copy is looked at.
    pub(crate) async fn copy(&self, from: &str, to: &str, length: u64, kind: Body) -> bool {
        let Some(copier) = self.copier.as_ref().filter(|_| length <= LARGEST) else {
            return false;
        };
        let copying = async {
            let (from, to) = (self.path(from)?, self.path(to)?);
            let options = GetOptions {
                head: true,
                ..GetOptions::default()
            };
            copier
                .copy(&from, &to)
                .and_then(|()| self.objects.get_opts(&to, options))
                .await
        };
        let (copied, trace) = Trace::of(copying).await;
        match copied {
            Ok(copy) => is_right(&copy, length, kind),
            Err(error) => {
                let error = self.failed("copy to", &self.url(to), &trace, error);
                tracing::debug!(%error, "The store has not copied an object.");
                false
            }
        }
    }
}

fn is_right(copy: &GetResult, length: u64, kind: Body) -> bool {
    let wanted = kind.attributes(None);
    let mut wanted = wanted.iter();
    copy.meta.size == length && wanted.all(|(name, value)| copy.attributes.get(name) == Some(value))
}
