//! Mirrors in object stores, by the built binary; stock git judges what readers get.

mod judge;
mod lab;
mod scene;

mod access;
mod ancestor;
mod conditions;
mod first;
mod follow;
mod killed;
mod lfs;
mod places;
mod puts;
mod readers;
mod refs;
mod source;
mod verify;
mod wandering;
mod writers;
