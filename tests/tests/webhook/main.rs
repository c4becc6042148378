//! Webhooks of the built binary: a delivery comes over a socket, and its commit is on disk.

mod followed;
mod forge;
mod judged;
mod remembered;
mod site;
