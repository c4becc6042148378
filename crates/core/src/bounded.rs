//! Reading files that may be anything, such as a device that never ends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// The content of a file that has at most `limit` bytes. It is zeroized when it is dropped, for it may be a secret.
///
/// # Errors
/// What the operating system says, or `FileTooLarge`.
pub fn read(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // With room for all of it and the end, nothing is moved while it is read, which would leave copies.
    let expected = file.metadata()?.len().min(limit) + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0)));
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        let message = format!("it is larger than {} MiB", limit >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_never_ends_is_refused() {
        let error = read(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 1 MiB");
    }
}
