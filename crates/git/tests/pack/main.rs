//! Packs: asked for, streamed and indexed, judged by stock git.

mod crafted;
mod damage;
mod fixture;
mod index;
mod stream;
