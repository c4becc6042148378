//! Deltas: objects told as copies out of another one and insertions.
//!
//! The format: <https://git-scm.com/docs/gitformat-pack#_deltified_representation>.

/// No object that leans on another, or that others lean on, is longer, in bytes: both are wholly in memory.
///
/// Git makes no deltas of files above 512 MiB (`core.bigFileThreshold`).
pub(super) const MOST_BYTES: u64 = 1 << 30;
/// What is set aside for a result before anything proves that it is that long, in bytes.
const TRUSTED: usize = 16 << 20;

/// Makes the object that `delta` tells of out of its base.
pub(super) fn apply(base: &[u8], delta: &[u8], result: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut instructions = Instructions(delta);
    if instructions.size()? != base.len() as u64 {
        return Err("a delta is for a base of another length");
    }
    let size = instructions.size()?;
    if size > MOST_BYTES {
        return Err("a delta makes an object of more than 1 GiB");
    }
    let size = usize::try_from(size).map_err(|_| "an object is too large for this machine")?;
    result.clear();
    result.reserve(size.min(TRUSTED));
    while let Some(piece) = instructions.next(base)? {
        if piece.len() > size - result.len() {
            return Err("a delta makes more than it says");
        }
        result.extend_from_slice(piece);
    }
    if result.len() == size {
        Ok(())
    } else {
        Err("a delta makes less than it says")
    }
}

struct Instructions<'d>(&'d [u8]);

impl<'d> Instructions<'d> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let (byte, rest) = self.0.split_first().ok_or("a delta breaks off")?;
        self.0 = rest;
        Ok(*byte)
    }

    fn size(&mut self) -> Result<u64, &'static str> {
        let mut size = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            size |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(size);
            }
        }
        Err("a delta's size has no end")
    }

    fn next<'p>(&mut self, base: &'p [u8]) -> Result<Option<&'p [u8]>, &'static str>
    where
        'd: 'p,
    {
        let Some((command, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        self.0 = rest;
        match command {
            0 => Err("a delta has an instruction that is not defined"),
            1..0x80 => {
                let (piece, rest) = rest
                    .split_at_checked(usize::from(*command))
                    .ok_or("a delta breaks off")?;
                self.0 = rest;
                Ok(Some(piece))
            }
            0x80.. => self.copied(*command, base).map(Some),
        }
    }

    /// The command's low bits say which bytes of the offset and of the length follow.
    fn copied<'p>(&mut self, command: u8, base: &'p [u8]) -> Result<&'p [u8], &'static str> {
        let mut fields = [0; 7];
        for (bit, field) in fields.iter_mut().enumerate() {
            if command & 1 << bit != 0 {
                *field = self.byte()?;
            }
        }
        let offset = u32::from_le_bytes([fields[0], fields[1], fields[2], fields[3]]) as usize;
        let length = u32::from_le_bytes([fields[4], fields[5], fields[6], 0]) as usize;
        let length = if length == 0 { 0x1_0000 } else { length };
        offset
            .checked_add(length)
            .and_then(|end| base.get(offset..end))
            .ok_or("a delta copies from beyond its base")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut result = vec![1];
        apply(base, delta, &mut result).map(|()| result)
    }

    #[test]
    fn copies_and_insertions_make_the_object() {
        let delta = [5, 6, 0x91, 3, 2, 2, b'-', b'-', 0x90, 2];
        assert_eq!(applied(b"hello", &delta).unwrap(), b"lo--he");
        assert_eq!(applied(b"", &[0, 0]).unwrap(), b"");
        let long = vec![7; 0x1_0001];
        let whole = [0x81, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(applied(&long, &whole).unwrap().len(), 0x1_0000);
    }

    #[test]
    fn bad_deltas_are_refused() {
        for (delta, why) in [
            (&[][..], "breaks off"),
            (&[4, 1, 1, b'x'], "another length"),
            (&[5, 1], "less"),
            (&[5, 1, 2, b'x', b'y'], "more"),
            (&[5, 2, 2, b'x'], "breaks off"),
            (&[5, 2, 0x91, 4], "breaks off"),
            (&[5, 2, 0x91, 4, 2], "beyond"),
            (&[5, 2, 0x9f, 0xff, 0xff, 0xff, 0xff, 2], "beyond"),
            (&[5, 0, 0], "not defined"),
            (&[5, 0xff, 0xff, 0xff, 0xff, 0x7f], "1 GiB"),
            (&[0xff; 12], "no end"),
        ] {
            let said = applied(b"hello", delta).unwrap_err();
            assert!(said.contains(why), "{delta:?}: {said}");
        }
    }
}
