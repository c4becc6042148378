//! Asks a remote for a pack that stands alone.
//!
//! gix's own fetch would ask for a thin pack, whose deltas lean on objects that are not in it.

use std::io::{self, Write as _};

use gitbarge_core::{Error, ErrorKind, PackRequest};
use gix::bstr::BString;
use gix::protocol::Handshake;
use gix::protocol::fetch::Response;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::{
    ExtendedBufRead, Transport, TransportV2Ext as _,
};
use gix::protocol::transport::client::{MessageKind, WriteMode};

use crate::remote::agent;

/// What the remote says; a pack comes in side bands.
pub(crate) type Reader<'t> = Box<dyn ExtendedBufRead<'t> + Unpin + 't>;

/// What the remote answers.
pub(crate) enum Answer<'t> {
    /// A pack, that follows.
    Pack(Reader<'t>),
    /// It lacks history, and says where.
    Shallow,
}

/// Sends the request, and reads the answer up to where the pack begins.
pub(crate) fn ask<'t>(
    transport: &'t mut impl Transport,
    handshake: &Handshake,
    request: &PackRequest,
) -> gix::Result<Answer<'t>> {
    let mut reader = match handshake.server_protocol_version {
        Protocol::V2 => ask_by_v2(transport, handshake, request)?,
        Protocol::V0 | Protocol::V1 => {
            let reader = ask_of_old(transport, handshake, request)?;
            return before_pack(reader).map_err(lost);
        }
    };
    let response = Response::from_line_reader(Protocol::V2, &mut reader, true, false)?;
    if !response.shallow_updates().is_empty() {
        return Ok(Answer::Shallow);
    }
    if !response.has_pack() {
        return Err(lost(against_protocol("the remote has sent no pack")));
    }
    Ok(Answer::Pack(reader))
}

fn ask_by_v2<'t>(
    transport: &'t mut impl Transport,
    handshake: &Handshake,
    request: &PackRequest,
) -> gix::Result<Reader<'t>> {
    let mut lines = vec![BString::from("ofs-delta")];
    lines.extend(request.wants.iter().map(|id| format!("want {id}").into()));
    lines.extend(request.haves.iter().map(|id| format!("have {id}").into()));
    // All haves are told at once, so there is nothing to negotiate about.
    lines.push("done".into());
    let mut capabilities = vec![agent()];
    if handshake.capabilities.contains("object-format") {
        capabilities.push(("object-format", Some("sha1".to_owned())));
    }
    let (capabilities, lines) = (capabilities.into_iter(), lines.into_iter());
    Ok(transport.invoke("fetch", capabilities, Some(lines), false)?)
}

/// The same before protocol v2. Without `multi_ack`, one line comes before the pack, however many haves there are: nobody need
/// read while these are written.
fn ask_of_old<'t>(
    transport: &'t mut impl Transport,
    handshake: &Handshake,
    request: &PackRequest,
) -> gix::Result<Reader<'t>> {
    let offers = |name: &&str| handshake.capabilities.contains(name);
    let sideband = ["side-band-64k", "side-band"].into_iter().find(offers);
    let sideband = sideband.ok_or_else(|| {
        lost(against_protocol(
            "the remote cannot tell errors from the pack",
        ))
    })?;
    let mut wishes = sideband.to_owned();
    if offers(&"ofs-delta") {
        wishes.push_str(" ofs-delta");
    }
    if let ("agent", Some(name)) = agent()
        && offers(&"agent")
    {
        wishes.push_str(" agent=");
        wishes.push_str(&name);
    }
    let mode = WriteMode::OneLfTerminatedLinePerWriteCall;
    let mut writer = transport.request(mode, MessageKind::Text(b"done"), false)?;
    let mut write = || {
        for (place, id) in request.wants.iter().enumerate() {
            match place {
                0 => writer.write_all(format!("want {id} {wishes}").as_bytes())?,
                _ => writer.write_all(format!("want {id}").as_bytes())?,
            }
        }
        writer.write_message(MessageKind::Flush)?;
        for id in &request.haves {
            writer.write_all(format!("have {id}").as_bytes())?;
        }
        Ok(())
    };
    write().map_err(lost)?;
    writer.into_read().map_err(lost)
}

/// Reads the one line before the pack.
fn before_pack(mut reader: Reader<'_>) -> io::Result<Answer<'_>> {
    let mut line = String::new();
    reader.readline_str(&mut line)?;
    match line.trim_end() {
        "NAK" => Ok(Answer::Pack(reader)),
        line if line.starts_with("ACK ") => Ok(Answer::Pack(reader)),
        "" => Err(io::ErrorKind::UnexpectedEof.into()),
        line => Err(io::Error::other(line.to_owned())),
    }
}

pub(crate) fn against_protocol(what: &str) -> io::Error {
    io::Error::other(Error::new(ErrorKind::Protocol, what))
}

/// What [`crate::error::remote`] understands.
pub(crate) fn lost(error: io::Error) -> gix::Error {
    gix::Error::from_error(error)
}
