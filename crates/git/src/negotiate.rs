//! Tells the remote what a repository has, so that only the rest is sent.

use gitbarge_core::Result;
use gix::ObjectId;
use gix::negotiate::{Algorithm, Graph, Negotiator};
use gix::protocol::fetch::negotiate::{self, Action, Round, one_round};
use gix::protocol::fetch::{Arguments, Negotiate, Response};

use crate::error;

/// The most refs that haves are derived from; the branch that is followed comes first.
const MOST_TIPS: usize = 64;

/// One negotiation for one wanted object.
pub(crate) struct Negotiation<'repo, 'cache> {
    want: ObjectId,
    negotiator: Box<dyn Negotiator>,
    graph: Graph<'repo, 'cache>,
    tips: Vec<ObjectId>,
}

impl<'repo, 'cache> Negotiation<'repo, 'cache> {
    /// Prepares to ask for `want`. With `refetch`, nothing is said to be there.
    pub(crate) fn new(
        repository: &'repo gix::Repository,
        commit_graph: Option<&'cache gix::commitgraph::Graph>,
        want: ObjectId,
        refetch: bool,
    ) -> Result<Self> {
        let tips = if refetch {
            Vec::new()
        } else {
            tips(repository)?
        };
        Ok(Self {
            want,
            negotiator: Algorithm::Consecutive.into_negotiator(),
            graph: repository.revision_graph(commit_graph),
            tips,
        })
    }
}

/// The commits that the repository's own refs lead to, without those that were only kept.
fn tips(repository: &gix::Repository) -> Result<Vec<ObjectId>> {
    let mut tips: Vec<ObjectId> = repository
        .head_id()
        .map(gix::Id::detach)
        .into_iter()
        .collect();
    let references = repository
        .references()
        .map_err(|e| error::local("cannot read refs", e))?;
    for prefix in ["refs/remotes/origin/", "refs/heads/"] {
        let found = references
            .prefixed(prefix)
            .map_err(|e| error::local("cannot read refs", e))?;
        // A broken ref is no reason not to fetch.
        tips.extend(found.filter_map(|r| r.ok()?.try_id().map(gix::Id::detach)));
    }
    let mut seen = std::collections::HashSet::new();
    tips.retain(|id| {
        seen.insert(*id)
            && repository
                .find_header(*id)
                .is_ok_and(|h| h.kind().is_commit())
    });
    tips.truncate(MOST_TIPS);
    Ok(tips)
}

impl Negotiate for Negotiation<'_, '_> {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<Action> {
        for tip in &self.tips {
            self.negotiator.add_tip(*tip, &mut self.graph)?;
        }
        Ok(Action::MustNegotiate {
            remote_ref_target_known: Vec::new(),
        })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        arguments.want(self.want);
        true
    }

    fn one_round(
        &mut self,
        state: &mut one_round::State,
        arguments: &mut Arguments,
        previous_response: Option<&Response>,
    ) -> gix::Result<(Round, bool)> {
        negotiate::one_round(
            &mut *self.negotiator,
            &mut self.graph,
            state,
            arguments,
            previous_response,
        )
    }
}
