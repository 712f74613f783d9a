"""A run's folder: its manifest, hash file, claims on CSVs, shards, done markers. Everything in it is named, not found.

Below the root that all runs share::

    active/<bucket>                                  the id of the bucket's active run
    runs/<run>/manifest.json                         what is to be planned
    runs/<run>/known                                 what the ledger knew when the run began, as hashes
    runs/<run>/<file>                                one CSV: who plans it, then its plan
    runs/<run>/keys/<file>                           ... all its keys, as hashes
    runs/<run>/sweep.json                            who submits the sweep, then its job
    runs/<run>/jobs/<job>                            a job that was submitted later, after a pause say
    runs/<run>/shards/<file>-<rules>-<n>.ndjson.gz   what one child works through
    runs/<run>/done/<file>-<rules>-<n>.json          what came of it; done/sweep.json, of the sweep
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from batch_job.backfill.known import Known
from batch_job.backfill.listed_keys import ListedKeys
from batch_job.backfill.records import CLAIM_MS, Claim, FilePlan, FileRecord
from batch_job.errors import ConflictError, InputError, SetUpError
from batch_job.ports import RunStore
from batch_job.values.inventory import Manifest
from batch_job.values.work import Shard, ShardDone

SWEEP_RECORD = "sweep.json"
"""Claimed like a CSV's, by whoever submits the sweep."""
SWEEP_DONE = "sweep"
"""Names the sweep's done marker."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Reads and writes the folder of one run."""

    store: RunStore
    run_id: str

    def write_manifest(self, manifest: Manifest) -> None:
        """Write down what is to be planned; the same manifest gives the same bytes."""
        self.store.put(self._key("manifest.json"), manifest.to_json())

    def manifest(self) -> Manifest:
        """Read what is to be planned.

        Raises:
            InputError: there is no such run, or no longer.
        """
        body = self.store.get(self._key("manifest.json"))
        if body is None:
            raise InputError(f"there is no run {self.run_id}")
        return Manifest.from_json(body)

    def write_known(self, known: Known) -> None:
        """Keep what the ledger knows, unless the run has it already: all its CSVs compare with the same."""
        try:
            self.store.put_over(self._key("known"), known.to_bytes(), over=None)
        except ConflictError:
            return

    def known(self) -> Known | None:
        """Read what the ledger knew; None: it has not been asked.

        Raises:
            SetUpError: the file is another version's, or damaged.
        """
        body = self.store.get(self._key("known"))
        try:
            return None if body is None else Known.from_bytes(body)
        except ValueError as error:
            raise SetUpError(f"run {self.run_id}: {error}") from error

    def record(self, file_id: str) -> FileRecord | None:
        """Read how far a CSV is; None: nobody has begun."""
        body = self.store.get(self._key(file_id))
        return None if body is None else FileRecord.from_json(body)

    def claim(self, file_id: str, *, owner: str, now_ms: int) -> Claim | FilePlan:
        """Claim a CSV that nobody plans, or whose planner's claim ran out; gives the plan if there is one.

        Raises:
            ConflictError: somebody else plans it.
        """
        stored = self.store.read(self._key(file_id))
        if stored is not None:
            record = FileRecord.from_json(stored.body)
            if record.plan is not None:
                return record.plan
            if record.until_ms > now_ms and record.owner != owner:
                raise ConflictError(f"{record.owner} plans {file_id} of {self.run_id} until {record.until_ms}")
        return self._claim(Claim(file_id, owner, until_ms=0, etag=stored.etag if stored else ""), now_ms=now_ms)

    def renew(self, claim: Claim, *, now_ms: int) -> Claim:
        """Hold on to a claim.

        Raises:
            ConflictError: it ran out, and somebody else has it.
        """
        return self._claim(claim, now_ms=now_ms)

    def _claim(self, claim: Claim, *, now_ms: int) -> Claim:
        return self._write_over(claim, FileRecord(owner=claim.owner, until_ms=now_ms + CLAIM_MS))

    def complete(self, claim: Claim, plan: FilePlan) -> None:
        """Write the plan of a claimed CSV.

        Raises:
            ConflictError: the claim ran out, and somebody else has it.
        """
        self._write_over(claim, FileRecord(owner=claim.owner, until_ms=0, plan=plan))

    def release(self, claim: Claim) -> None:
        """Give a claim back, so that nobody waits for it to run out."""
        self._write_over(claim, FileRecord(owner=claim.owner, until_ms=0))

    def _write_over(self, claim: Claim, record: FileRecord) -> Claim:
        key, body = self._key(claim.file_id), record.to_json()
        try:
            etag = self.store.put_over(key, body, over=claim.etag or None)
        except ConflictError:
            stored = self.store.read(key)
            if stored is None or stored.body != body:
                raise
            etag = stored.etag  # it was this write whose answer was lost
        return replace(claim, until_ms=record.until_ms, etag=etag)

    def write_keys(self, file_id: str, keys: ListedKeys) -> None:
        """Keep the keys of a CSV; the same rows give the same bytes."""
        self.store.put(self._key(f"keys/{file_id}"), keys.to_bytes())

    def keys(self, file_id: str) -> ListedKeys:
        """Read the keys of a CSV that is planned.

        Raises:
            SetUpError: they are not there, or damaged.
        """
        body = self.store.get(self._key(f"keys/{file_id}"))
        if body is None:
            raise SetUpError(f"run {self.run_id} has no keys of {file_id}")
        try:
            return ListedKeys.from_bytes(body)
        except ValueError as error:
            raise SetUpError(f"run {self.run_id}, keys of {file_id}: {error}") from error

    def listed_files(self) -> Iterator[str]:
        """Yield the ids of the CSVs whose keys are kept."""
        prefix = self._key("keys/")
        for key in self.store.keys(prefix):
            yield key.removeprefix(prefix)

    def note_job(self, job_id: str) -> None:
        """Remember a job that no plan names, so that a newer run can call it off."""
        self.store.put(self._key(f"jobs/{job_id}"), b"")

    def noted_jobs(self) -> Iterator[str]:
        """Yield the ids of such jobs."""
        prefix = self._key("jobs/")
        for key in self.store.keys(prefix):
            yield key.removeprefix(prefix)

    def write_shard(self, shard: Shard) -> None:
        """Write a shard; the same plan gives the same bytes."""
        self.store.put(self._shard_key(shard.name), gzip.compress(shard.to_ndjson(), compresslevel=5, mtime=0))

    def shard(self, name: str) -> Shard:
        """Read a shard.

        Raises:
            SetUpError: it is not there, or damaged.
        """
        body = self.store.get(self._shard_key(name))
        if body is None:
            raise SetUpError(f"run {self.run_id} has no shard {name}")
        try:
            return Shard.from_ndjson(gzip.decompress(body))
        except (OSError, EOFError, zlib.error, KeyError, TypeError, ValueError) as error:
            raise SetUpError(f"shard {name} of run {self.run_id} is damaged: {error!r}") from error

    def write_done(self, done: ShardDone) -> None:
        """Mark a shard as worked through."""
        self.store.put(self._done_key(done.name), done.to_json())

    def done(self, name: str) -> ShardDone | None:
        """Read a done marker; None: the shard is still to be worked through."""
        body = self.store.get(self._done_key(name))
        return None if body is None else ShardDone.from_json(body)

    def done_names(self) -> Iterator[str]:
        """Yield the names of the shards that are done, in order, also of plans that were given up."""
        prefix = self._key("done/")
        for key in self.store.keys(prefix):
            yield key.removeprefix(prefix).removesuffix(".json")

    def _shard_key(self, name: str) -> str:
        return self._key(f"shards/{name}.ndjson.gz")

    def _done_key(self, name: str) -> str:
        return self._key(f"done/{name}.json")

    def _key(self, name: str) -> str:
        return f"runs/{self.run_id}/{name}"


def active_run(store: RunStore, *, bucket: str) -> str | None:
    """Name the bucket's active run."""
    body = store.get(f"active/{bucket}")
    return None if body is None else body.decode()


def activate(store: RunStore, run_id: str, *, bucket: str) -> bool:
    """Make a run the bucket's active one, unless a newer is; tells whether it is now.

    Raises:
        ConflictError: another run was activated at this moment.
    """
    key = f"active/{bucket}"
    stored = store.read(key)
    before = "" if stored is None else stored.body.decode()
    if before < run_id:  # names of runs sort by the time of their scans
        store.put_over(key, run_id.encode(), over=None if stored is None else stored.etag)
    return before <= run_id
