//! Which signals a pipeline may listen to.

use std::fmt;
use std::str::FromStr;

use tokio::signal::unix::SignalKind;

/// A signal that means nothing to the system: `SIGUSR1`, `SIGUSR2`, or a real-time signal such as `SIGRTMIN+3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserSignal(SignalKind);

/// A signal that no pipeline may listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalError(String);

impl UserSignal {
    /// The signal that pipelines listen to unless something else is said, `SIGUSR1`.
    pub fn usual() -> Self {
        Self(SignalKind::user_defined1())
    }

    pub(crate) fn kind(self) -> SignalKind {
        self.0
    }
}

impl FromStr for UserSignal {
    type Err = SignalError;

    fn from_str(name: &str) -> Result<Self, SignalError> {
        let shown = name.escape_debug();
        match name {
            "SIGUSR1" => return Ok(Self(SignalKind::user_defined1())),
            "SIGUSR2" => return Ok(Self(SignalKind::user_defined2())),
            "SIGHUP" => {
                return Err(taken(
                    name,
                    "it makes gitbarge read its configuration again",
                ));
            }
            "SIGTERM" | "SIGINT" => return Err(taken(name, "it ends gitbarge")),
            _ => {}
        }
        let real_time = real_time(name).map(|number| Self(SignalKind::from_raw(number)));
        real_time.ok_or_else(|| {
            let most = libc::SIGRTMAX() - libc::SIGRTMIN();
            SignalError(format!(
                "`{shown}` is none of `SIGUSR1`, `SIGUSR2` and `SIGRTMIN` to `SIGRTMIN+{most}`"
            ))
        })
    }
}

fn taken(name: &str, by: &str) -> SignalError {
    SignalError(format!(
        "`{name}` is taken: {by}; use `SIGUSR1` or `SIGUSR2`"
    ))
}

/// The C library keeps some of the kernel's real-time signals for itself, so that their numbers are not fixed.
fn real_time(name: &str) -> Option<i32> {
    let offset = match name.strip_prefix("SIGRTMIN")? {
        "" => 0,
        more => more
            .strip_prefix('+')
            .filter(|digits| is_plain(digits))?
            .parse()
            .ok()?,
    };
    let number = libc::SIGRTMIN().checked_add(offset)?;
    (number <= libc::SIGRTMAX()).then_some(number)
}

fn is_plain(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_digit())
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SignalError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str) -> Result<i32, String> {
        let signal: Result<UserSignal, SignalError> = name.parse();
        signal
            .map(|signal| signal.0.as_raw_value())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn signals_of_users_are_taken() {
        assert_eq!(number("SIGUSR1"), Ok(libc::SIGUSR1));
        assert_eq!(number("SIGUSR2"), Ok(libc::SIGUSR2));
        assert_eq!(number("SIGRTMIN"), Ok(libc::SIGRTMIN()));
        assert_eq!(number("SIGRTMIN+3"), Ok(libc::SIGRTMIN() + 3));
        assert_eq!("SIGUSR1".parse(), Ok(UserSignal::usual()));
    }

    #[test]
    fn signals_with_a_meaning_are_refused_and_say_it() {
        assert!(
            number("SIGHUP")
                .unwrap_err()
                .contains("read its configuration again")
        );
        for ending in ["SIGTERM", "SIGINT"] {
            assert!(number(ending).unwrap_err().contains("it ends gitbarge"));
        }
        for other in [
            "",
            "SIGKILL",
            "SIGCHLD",
            "USR1",
            "sigusr1",
            "10",
            "SIGRTMIN+31",
            "SIGRTMIN-1",
            "SIGRTMIN++1",
            "SIGRTMIN+",
            "SIGRTMIN+99999999999",
        ] {
            assert!(
                number(other).unwrap_err().contains("is none of `SIGUSR1`"),
                "{other}"
            );
        }
    }
}
