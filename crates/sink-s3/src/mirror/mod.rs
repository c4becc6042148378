//! One run of a mirror: from the remote's refs to a bucket that shows them.

mod bundle;
mod chunks;
mod consolidate;
mod gate;
mod gather;
mod layout;
mod lease;
mod lfs;
mod publish;
mod record;
mod run;
mod snapshot;
mod sweep;
mod verify;

pub(crate) use gate::Indexes;
pub(crate) use gather::Room;
pub(crate) use run::{Done, Mirror};
pub(crate) use snapshot::Snapshot;
pub(crate) use verify::verify;
