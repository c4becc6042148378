//! What a checkout holds, as seen without changing anything.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{ErrorKind, Held, Result};
use gitbarge_git::{history, repository};

use crate::apply::{head, nested, scan_repository, tracking_is_right};
use crate::memory::{self, Memory};
use crate::sink::CheckoutOptions;
use crate::target::{self, Standing};
use crate::{leftovers, report};

/// Reads what the checkout holds. Changes nothing.
pub(crate) fn held(options: &CheckoutOptions, stop: &Arc<AtomicBool>) -> Result<Held> {
    let git_dir = options.path.join(".git");
    if target::look(&options.path)? != Standing::Repository {
        return Ok(Held::default());
    }
    let is_unsettled = memory::unfinished(&git_dir).is_some()
        || !leftovers::operations(&git_dir).is_empty()
        || !leftovers::locks(&git_dir).is_empty();
    let drifted = Held {
        drifted: true,
        ..Held::default()
    };
    if is_unsettled {
        return Ok(drifted);
    }
    match held_by_repository(options, stop) {
        // The delivery finds the damage again, and repairs it.
        // So it does with folders that cannot be read.
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Refused) => {
            Ok(drifted)
        }
        held => held,
    }
}

fn held_by_repository(options: &CheckoutOptions, stop: &Arc<AtomicBool>) -> Result<Held> {
    let git_dir = options.path.join(".git");
    let memory = Memory::read(&git_dir);
    // Refs may be new, and lead to what is not there.
    if memory.structure_changed(&git_dir)? {
        return Ok(Held {
            drifted: true,
            ..Held::default()
        });
    }
    let repository = repository::open(&options.path)?;
    let head = head(&repository);
    let Some(commit) = head.commit else {
        return Ok(Held {
            drifted: true,
            ..Held::default()
        });
    };
    if memory.objects_changed(repository.git_dir())?
        || (options.depth.is_none() && memory.is_cut_off(repository.git_dir()))
    {
        return Ok(Held {
            drifted: true,
            ..Held::default()
        });
    }
    let scan = scan_repository(&repository, &head, &memory, options, false, stop)?;
    Ok(Held {
        refs: None,
        commit: Some(commit),
        drifted: !scan.is_clean(options.keep_nested) || !tracking_is_right(&repository, &head),
        branch: head.branch,
        subject: Some(history::subject(&repository, commit)?),
        details: report::unchanged(&nested(&scan)),
    })
}
