//! How the memory of deliveries is written down.

use serde::{Deserialize, Serialize};

use crate::memory::{Id, Seen};

/// One value of the state: JSON, so that people can read it.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// What stands for the delivery's id, when it came, and whether its run has not ended.
    seen: Vec<(String, i64, bool)>,
}

pub(crate) fn write(seen: &[(Id, Seen)]) -> Vec<u8> {
    let mut seen: Vec<_> = seen.to_vec();
    seen.sort_unstable_by_key(|(id, seen)| (seen.at, *id));
    let line = |(id, seen): (Id, Seen)| {
        let id = u128::from_be_bytes(id);
        (format!("{id:032x}"), seen.at, seen.awaits.is_some())
    };
    let stored = Stored {
        seen: seen.into_iter().map(line).collect(),
    };
    serde_json::to_vec(&stored).expect("it has no maps and nothing that fails")
}

/// What can be read of it; a damaged value is nothing, for whoever sends again what it held only causes one more run.
pub(crate) fn read(text: &[u8]) -> Vec<(Id, Seen)> {
    let stored = serde_json::from_slice::<Stored>(text);
    let lines = stored.map(|stored| stored.seen).unwrap_or_default();
    let seen = lines.into_iter().filter_map(|(id, at, is_awaiting)| {
        let id = u128::from_str_radix(&id, 16).ok()?.to_be_bytes();
        // Whose run it is is decided by whoever reads it.
        let awaits = is_awaiting.then_some(0);
        Some((id, Seen { at, awaits }))
    });
    seen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_the_order_in_which_it_came() {
        let seen = |at, awaits| Seen { at, awaits };
        let written = write(&[([7; 16], seen(2, Some(0))), ([0; 16], seen(1, None))]);
        let text = r#"{"seen":[["00000000000000000000000000000000",1,false],["07070707070707070707070707070707",2,true]]}"#;
        assert_eq!(String::from_utf8_lossy(&written), text);
        assert_eq!(
            read(&written),
            [([0; 16], seen(1, None)), ([7; 16], seen(2, Some(0)))]
        );
        for damaged in ["", "{}", "null", &text[1..], r#"{"seen":[["x",1,false]]}"#] {
            assert_eq!(read(damaged.as_bytes()), []);
        }
    }
}
