//! Uploads in parts that nobody has finished: a killed run leaves them, unseen and paid for.
//!
//! object_store cannot list them, so this asks S3 itself:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use object_store::aws::{AmazonS3, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use reqwest::Url;
use serde::Deserialize;

use super::http::Connector;
use super::stage::INCOMING;

/// More pages of a thousand uploads each are left to the next run.
const MOST_PAGES: usize = 10;
/// Where we upload in parts; anything else is not ours to give up.
const OURS: [&str; 4] = ["objects/pack/", "lfs/objects/", "bundles/", INCOMING];

/// Finds and gives up unfinished uploads to a bucket of S3.
pub(crate) struct Unfinished {
    pub(crate) s3: Arc<AmazonS3>,
    pub(crate) connector: Connector,
    pub(crate) credentials: AwsCredentialProvider,
    pub(crate) region: String,
    /// The bucket at its server.
    pub(crate) bucket: Url,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
    #[serde(rename = "Upload")]
    uploads: Vec<Begun>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Begun {
    key: String,
    upload_id: String,
    initiated: String,
}

impl Unfinished {
    /// Gives up what began before that moment, and returns how many.
    pub(crate) async fn sweep(
        &self,
        prefix: &str,
        before: SystemTime,
    ) -> object_store::Result<usize> {
        let mut count = 0;
        let mut page = Page::default();
        for _ in 0..MOST_PAGES {
            page = self.page(prefix, &page).await?;
            let stale = page
                .uploads
                .iter()
                .filter(|begun| begun.is_ours(prefix, before));
            for begun in stale {
                let path = Path::parse(&begun.key)?;
                self.s3.abort_multipart(&path, &begun.upload_id).await?;
                count += 1;
            }
            if !page.is_truncated {
                break;
            }
        }
        Ok(count)
    }

    fn page_url(&self, prefix: &str, after: &Page) -> Url {
        let mut url = self.bucket.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("uploads", "");
        if !prefix.is_empty() {
            query.append_pair("prefix", &format!("{prefix}/"));
        }
        if let Some(marker) = &after.next_key_marker {
            query.append_pair("key-marker", marker);
        }
        if let Some(marker) = &after.next_upload_id_marker {
            query.append_pair("upload-id-marker", marker);
        }
        drop(query);
        url
    }

    async fn page(&self, prefix: &str, after: &Page) -> object_store::Result<Page> {
        let url = self.page_url(prefix, after);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(generic)?;
        let credential = self.credentials.get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        let answer = self.connector.answer(request).await.map_err(generic)?;
        match answer.status().as_u16() {
            200 => {}
            // A server that does not know the request has no uploads to show.
            400 | 404 | 405 | 501 => return Ok(Page::default()),
            status => return Err(generic(io::Error::other(format!("answered {status}")))),
        }
        let body = answer.into_body().bytes().await.map_err(generic)?;
        quick_xml::de::from_reader(&body[..]).map_err(generic)
    }
}

impl Begun {
    fn is_ours(&self, prefix: &str, before: SystemTime) -> bool {
        let key = self.key.strip_prefix(prefix).unwrap_or_default();
        let key = key.trim_start_matches('/');
        let initiated = self.initiated.parse::<jiff::Timestamp>();
        OURS.iter().any(|start| key.starts_with(start))
            && initiated.is_ok_and(|time| SystemTime::from(time) < before)
    }
}

fn generic(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic {
        store: "S3",
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Bucket>b</Bucket><KeyMarker/><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>
  <MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
  <Upload><Key>p/objects/pack/pack-1.pack</Key><UploadId>one</UploadId><Owner><ID>x</ID></Owner>
    <StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
  <Upload><Key>p/other.bin</Key><UploadId>two</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
</ListMultipartUploadsResult>"#;

    #[test]
    fn a_page_is_read_and_only_ours_is_stale() {
        let page: Page = quick_xml::de::from_str(PAGE).unwrap();
        assert!(page.is_truncated);
        assert_eq!(page.next_upload_id_marker.as_deref(), Some("u"));
        let now = SystemTime::now();
        let ours: Vec<bool> = page
            .uploads
            .iter()
            .map(|begun| begun.is_ours("p", now))
            .collect();
        assert_eq!(ours, [true, false]);
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert!(!page.uploads[0].is_ours("p", then));
        assert!(
            !page.uploads[0].is_ours("", now),
            "the prefix is part of the key"
        );
    }

    #[test]
    fn an_empty_page_is_read() {
        let text = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
        let page: Page = quick_xml::de::from_str(text).unwrap();
        assert!(page.uploads.is_empty() && !page.is_truncated);
    }
}
