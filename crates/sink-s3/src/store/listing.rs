//! Lists of a folder's objects.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use gitbarge_core::Result;
use rustix::fs::{Dir, FileType, Mode, OFlags, openat};

use super::Meta;
use super::folder::{Folder, meta};
use super::{incoming, lock};

impl Folder {
    pub(crate) async fn list(self: &Arc<Self>, prefix: &str) -> Result<Vec<Meta>> {
        self.asked();
        self.blocking(prefix.trim_matches('/'), move |folder, prefix| {
            let mut found = Vec::new();
            let mut todo = vec![prefix.to_owned()];
            while let Some(name) = todo.pop() {
                let listed = folder.list_one(&name, &mut todo, &mut found);
                listed.map_err(|error| folder.failed("list", &name, error))?;
            }
            found.sort_by(|a: &Meta, b| a.key.cmp(&b.key));
            Ok(found)
        })
        .await
    }

    fn list_one(
        &self,
        name: &str,
        todo: &mut Vec<String>,
        found: &mut Vec<Meta>,
    ) -> io::Result<()> {
        let folder = match name {
            incoming::FOLDER => None,
            _ => self.open_folder(name, false)?,
        };
        let Some(folder) = folder else {
            return Ok(());
        };
        for entry in Dir::read_from(folder.as_fd())? {
            let entry = entry?;
            let Ok(own) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(own, "." | "..") {
                continue;
            }
            let key = match name {
                "" => own.to_owned(),
                name => format!("{name}/{own}"),
            };
            match entry.file_type() {
                FileType::Directory => todo.push(key),
                FileType::RegularFile if key != lock::FILE => {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = openat(folder.as_fd(), own, flags, Mode::empty())?;
                    found.push(meta(&key, &File::from(file))?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
