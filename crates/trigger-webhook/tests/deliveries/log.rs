//! What all tests of this program have logged, on whatever thread.

use std::io;
use std::sync::{Mutex, Once};

use tracing::Level;

static TEXT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        TEXT.lock().expect("nobody panicked").write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn listen() {
    LISTENING.call_once(|| {
        let all = tracing_subscriber::fmt().with_max_level(Level::TRACE);
        all.with_ansi(false).with_writer(|| Writer).init();
    });
}

pub(crate) fn text() -> String {
    String::from_utf8(TEXT.lock().expect("nobody panicked").clone()).expect("logs are text")
}
