//! One file per verb.

pub(crate) mod check;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod lfs_agent;
pub(crate) mod mirror_git_to_s3;
pub(crate) mod plugins;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod verify;

pub(crate) mod alert;
