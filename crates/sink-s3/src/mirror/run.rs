//! The story of one delivery: what is missing, packs, LFS objects, and the refs at last.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use gitbarge_core::{Delivery, Error, ErrorKind, RemoteRef, Result, Run};
use gix::ObjectId;
use jiff::Timestamp;

use super::gather::{Arrived, Gathering, Need, Room};
use super::layout::HEAD;
use super::lease::Lease;
use super::publish::{publish, put_record};
use super::record::{Hash, Head, Pack, RECORD, Record};
use super::snapshot::{Snapshot, overtaken};
use super::{Indexes, consolidate, lfs, sweep};
use crate::config::LfsPolicy;
use crate::store::Store;

/// A mirror in a store.
pub(crate) struct Mirror {
    pub(crate) store: Store,
    pub(crate) indexes: Indexes,
    pub(crate) room: Room,
    pub(crate) grace: Duration,
    pub(crate) lfs: LfsPolicy,
    pub(crate) bundle: bool,
}

/// What a delivery did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The commit that the pipeline's ref led to before.
    pub(crate) from: Option<ObjectId>,
    /// The subject line of the commit that it leads to now, if that is new.
    pub(crate) subject: Option<String>,
    pub(crate) packs_uploaded: u64,
    pub(crate) objects: u64,
    pub(crate) lfs_uploaded: u64,
    /// LFS objects that could not be had, under `lfs = "best_effort"`.
    pub(crate) lfs_missing: u64,
}

/// A delivery that is under way.
struct Voyage<'m> {
    mirror: &'m Mirror,
    delivery: &'m Delivery,
    run: &'m Run,
    /// What readers see until the end.
    before: Snapshot,
    /// What the store will say of itself.
    record: Record,
    /// The packs that the new one replaces, and their place among the others.
    replaced: Vec<Pack>,
    stays: usize,
    done: Done,
}

impl Mirror {
    /// Makes the mirror show the delivery's refs. `before` was read before the remote was listed.
    ///
    /// # Errors
    /// `conflict` if somebody else has published since `before`; `remote_empty` if the remote has lost all its refs;
    /// `corrupt`; those of [`Delivery::pack`] and [`Store::put`]. Readers see the old mirror then.
    pub(crate) async fn deliver(
        &self,
        delivery: &Delivery,
        mut before: Snapshot,
        run: &Run,
    ) -> Result<Done> {
        let is_ref = |shown: &&RemoteRef| shown.name != HEAD.as_bytes();
        if delivery.refs.iter().find(is_ref).is_none() && !before.refs.is_empty() {
            return Err(emptied(delivery, before.refs.len()));
        }
        before.forget_moved(&delivery.refs);
        let record = match before.record.clone() {
            Some(record) => record,
            None => self.found(&mut before).await?,
        };
        let lease = match record.conditional {
            true => None,
            false => Some(self.alone(&before).await?),
        };
        let mut voyage = Voyage {
            mirror: self,
            delivery,
            run,
            before,
            record,
            replaced: Vec::new(),
            stays: 0,
            done: Done::default(),
        };
        let result = voyage.sail().await;
        if let Some(lease) = lease
            && let Err(error) = lease.give_back().await
        {
            tracing::warn!(%error, "The lease of the mirror could not be given back; it runs out by itself.");
        }
        result.map(|()| voyage.done)
    }

    /// Keeps others away from a store that ignores conditions.
    async fn alone(&self, before: &Snapshot) -> Result<Lease> {
        let lease = Lease::take(&self.store).await?;
        let now = Snapshot::read(&self.store).await?;
        if now.refs_tag == before.refs_tag && now.record_tag == before.record_tag {
            return Ok(lease);
        }
        // It was read before the lease was ours.
        lease.give_back().await?;
        Err(overtaken(RECORD))
    }

    /// What a mirror knows of itself at first: whether the store keeps its promise of conditional writes.
    async fn found(&self, before: &mut Snapshot) -> Result<Record> {
        let unconditional = Record::new(false);
        let json = unconditional.to_json().into();
        match self.store.written_in_spite(RECORD, json).await? {
            None => Ok(Record::new(true)),
            Some(tag) => {
                tracing::warn!(
                    target = self.store.url(""),
                    "The store ignores conditional writes; a lease keeps writers apart as well as it can."
                );
                before.record_tag = Some(tag);
                Ok(unconditional)
            }
        }
    }
}

fn emptied(delivery: &Delivery, refs: usize) -> Error {
    Error::new(
        ErrorKind::RemoteEmpty,
        format!(
            "`{}` shows none of the refs that the mirror wants; the mirror keeps its {refs}",
            delivery.address
        ),
    )
    .with_hint("if that is meant, empty the target by hand")
}

impl Voyage<'_> {
    async fn sail(&mut self) -> Result<()> {
        if !self.before.is_pending() {
            // The refs that needed them have gone.
            let superseded = std::mem::take(&mut self.record.superseded);
            self.record.retire(superseded);
        }
        self.gather().await?;
        self.fetch_lfs().await?;
        self.let_go().await?;
        let pointers = std::mem::take(&mut self.record.lfs_new);
        self.record.lfs_wanted.extend(pointers);
        let now = Timestamp::now();
        let expired = sweep::expire(&mut self.record, self.mirror.grace, now);
        let is_sweeping = sweep::is_due(&self.record, now);
        if is_sweeping {
            self.record.swept = Some(now);
        }
        self.record.head = self.head();
        let record = self.record.clone();
        let store = &self.mirror.store;
        let is_first = self.before.refs_tag.is_none();
        let record = publish(store, &self.before, record, &self.delivery.refs).await?;
        self.mirror.indexes.retain(&record.packs);
        // From here on the run has succeeded: what cannot be cleaned up now is cleaned up later.
        let cleaned = async {
            sweep::delete(store, &expired).await?;
            if is_sweeping && !is_first {
                sweep::sweep(store, &record, self.mirror.grace, now).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = cleaned.await {
            tracing::warn!(%error, "Old packs of the mirror could not be deleted; a later run does it.");
        }
        Ok(())
    }

    /// Brings what the wanted refs lead to, and the store has not.
    async fn gather(&mut self) -> Result<()> {
        self.done.from = self.before.commit(self.delivery.target.as_ref());
        let mut haves = self.before.haves();
        let mut wants = self.wants(&haves);
        if wants.is_empty() {
            return Ok(());
        }
        let packs = &mut self.record.packs;
        self.stays = match self.before.is_trusted() || !haves.is_empty() {
            // Their refs are about to be published by somebody else, perhaps.
            true if self.before.is_pending() => packs.len(),
            true => consolidate::stay(packs),
            false => 0,
        };
        self.replaced = packs.split_off(self.stays);
        if let Some(first) = self.replaced.first() {
            let older: Vec<ObjectId> = first.haves.iter().map(|hash| hash.0).collect();
            let more = self.wants(&older);
            match more.is_empty() {
                // The refs have gone back to where they were then.
                true => self.take_back(),
                false => (haves, wants) = (older, more),
            }
        }
        self.bring(wants, haves).await?;
        // A pack may come again under the name that it had.
        let is_gone = |old: &Pack| !self.record.packs.iter().any(|pack| pack.name == old.name);
        self.replaced.retain(is_gone);
        Ok(())
    }

    /// Replaces nothing after all.
    fn take_back(&mut self) {
        let replaced = std::mem::take(&mut self.replaced);
        self.record.packs.splice(self.stays..self.stays, replaced);
    }

    /// Takes the packs that are replaced off the list, at once or after the refs that need them.
    async fn let_go(&mut self) -> Result<()> {
        if self.replaced.is_empty() {
            return Ok(());
        }
        let shows_all = self.shows_all_of_before().await?;
        let replaced = std::mem::take(&mut self.replaced);
        match shows_all {
            true => self.record.retire(replaced),
            false => self.record.superseded.extend(replaced),
        }
        Ok(())
    }

    /// Whether the old refs can do with the new packs until the new refs are published: after a forced push, or when a ref was
    /// deleted, only the old packs may have what they lead to.
    async fn shows_all_of_before(&self) -> Result<bool> {
        let old = self.before.refs.iter().map(|r| r.id).collect();
        let (store, packs) = (&self.mirror.store, &self.record.packs);
        match self.mirror.indexes.check(store, old, packs).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    fn wants(&self, haves: &[ObjectId]) -> Vec<ObjectId> {
        let haves: HashSet<&ObjectId> = haves.iter().collect();
        let wants = self.delivery.refs.iter().map(|r| r.id);
        let wants: BTreeSet<ObjectId> = wants.filter(|id| !haves.contains(id)).collect();
        wants.into_iter().collect()
    }

    async fn bring(&mut self, wants: Vec<ObjectId>, haves: Vec<ObjectId>) -> Result<()> {
        let mirror = self.mirror;
        let gathering = Gathering {
            store: &mirror.store,
            indexes: &mirror.indexes,
            delivery: self.delivery,
            room: &mirror.room,
            bundle: mirror.bundle,
            run: self.run,
        };
        let tip = self.delivery.target.as_ref().map(|target| target.commit);
        let need = Need {
            wants: &wants,
            haves: &haves,
            packs: &self.record.packs,
            tip,
        };
        if let Some(arrived) = gathering.bring(need).await? {
            self.take(arrived);
        }
        Ok(())
    }

    fn take(&mut self, arrived: Arrived) {
        self.done.packs_uploaded += 1;
        self.done.objects += arrived.pack.objects;
        self.done.subject = self.done.subject.take().or(arrived.subject);
        lfs::want(&mut self.record, &arrived.pointers);
        if arrived.is_bundled {
            self.record.bundle = Some(arrived.pack.name);
        }
        let is_other = |pack: &Pack| pack.name != arrived.pack.name;
        self.record.packs.retain(is_other);
        self.record.superseded.retain(is_other);
        self.record.packs.push(arrived.pack);
    }

    async fn fetch_lfs(&mut self) -> Result<()> {
        if self.mirror.lfs == LfsPolicy::Off || self.record.has_all_lfs() {
            return Ok(());
        }
        let policy = self.mirror.lfs;
        let brought = lfs::bring(
            &self.mirror.store,
            self.delivery,
            &mut self.record,
            policy,
            self.run,
        )
        .await;
        self.done.lfs_uploaded = brought.uploaded;
        self.done.lfs_missing = brought.missing;
        match brought.error {
            None => Ok(()),
            Some(error) => {
                self.save().await?;
                Err(error)
            }
        }
    }

    /// Remembers the packs that came and the LFS objects among them: what is there need not come again.
    async fn save(&mut self) -> Result<()> {
        self.take_back();
        let reached = self.delivery.refs.iter().map(|r| Hash(r.id));
        self.record.reached = reached.collect();
        let tag = self.before.record_tag.as_ref();
        let tag = put_record(&self.mirror.store, &self.record, tag).await?;
        self.before.record_tag = Some(tag);
        Ok(())
    }

    fn head(&self) -> Option<Head> {
        let head = self
            .delivery
            .refs
            .iter()
            .find(|r| r.name == HEAD.as_bytes())?;
        let id = Hash(head.id);
        let target = self.delivery.target.as_ref().map(|target| target.commit);
        let new = self
            .done
            .subject
            .clone()
            .filter(|_| target == Some(head.id));
        let old = self.before.head().filter(|old| old.id == id);
        Some(Head {
            id,
            branch: head
                .symref
                .as_ref()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            subject: new.or_else(|| old.and_then(|old| old.subject.clone())),
        })
    }
}
