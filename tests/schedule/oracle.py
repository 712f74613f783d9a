"""What must hold, whatever happens: checked at every operation that takes effect, and at rest."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from batch_job.errors import BackfillError, ErrorCode
from batch_job.ledger.generations import is_dead
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef, ImageVersion, SideFile, side_keys
from batch_job.values.ledger import LabelSet, LedgerEntry, State
from batch_job.values.work import Failed, Indexed, Outcome, Redo, Removed, Skipped, SkipReason, Work
from tests.schedule.objects import PART, chips_of, folder, header_name, label_names
from tests.schedule.world import BUCKET, HOUR_MS, SECOND_MS, World

CALLS_IN_FLIGHT = 1
"""So many paid calls may be under way when a claim is lost."""
DEATHS = 3
CLOCKS_DIFFER_MS = 30 * SECOND_MS
"""Two readings differ by the skew of two servers' clocks, whole seconds, and the hour's drift of a stalled machine."""

Claim = tuple[ImageRef, int, str]
"""Image, epoch, owner."""
Chip = tuple[str, str, str, int]


class Violation(AssertionError):  # noqa: N818  it is what was seen, not what went wrong in the test
    """A promise of the protocol was broken."""


@dataclass
class Payments:
    """Of one claim."""

    paid: list[Chip] = field(default_factory=list)
    after_loss: list[Chip] = field(default_factory=list)
    lost: set[Chip] = field(default_factory=set)
    """Paid, and in no part when the claim ended."""
    parts: int = 0
    """Since the lease was last renewed."""


class Oracle:
    """Sees everything, and knows the truth."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.written_at: dict[ImageRef, int] = defaultdict(int)
        """The op of the last write of each ledger entry."""
        self.settled: dict[tuple[str, ImageRef], tuple[int, LedgerEntry]] = {}
        """By worker: its last write that settled an image."""
        self.claims: dict[Claim, Payments] = defaultdict(Payments)
        self.deaths: Counter[ImageRef] = Counter()
        self.visits: dict[str, tuple[int, Redo]] = {}
        """By worker: when its visit began, and what it does again."""
        self.indexed_as: dict[tuple[ImageRef, int], ImageVersion] = {}
        """By image and epoch: what became the truth."""
        self.standing: dict[ImageRef, int] = {}
        """When an image was last indexed as it then stood in the bucket."""
        self.whole_since: dict[str, int] = {}
        """Folders of the archive with every answer."""
        self.late: set[str] = set()
        """Workers of whom a request arrived when they waited for it no more."""
        self.needless: set[Claim] = set()
        """Claims under other detection settings than the ledger's, whose answers the archive held."""

    # -- the ledger

    def ledger_written(self, before: LedgerEntry | None, after: LedgerEntry, *, by: str) -> None:
        image = after.image
        self.world.tell(by, "wrote", _short(after))
        self._check_looked_after_reading(before, after)
        if before is not None and _counts_itself(before, after):
            raise Violation(f"{image.key}: an own lease that ran out counts as an attempt")
        self._count_deaths(before, after)
        if before is not None and before.state is State.PROCESSING and after.epoch > before.epoch:
            self._end_claim(before)
        if before is not None and after.settings_revision < before.settings_revision:
            raise Violation(f"{image.key}: settings {before.settings_revision} gave way to {after.settings_revision}")
        if after.state is not State.PROCESSING:
            self.settled[by, image] = (self.world.ops, after)
        self.written_at[image] = self.world.ops
        self._check_listed(image)
        if after.live is not None:
            self._check_live(after)
        self._note_detection(before, after, by=by)
        self._check_needed(before, after, by=by)
        self._check_readers(after)
        if after.error_code is ErrorCode.ARCHIVED and (before is None or before.error_code is not ErrorCode.ARCHIVED):
            self._check_needs_pixels(after, by=by)

    def _check_needs_pixels(self, entry: LedgerEntry, *, by: str) -> None:
        """A frozen object is given up, or put off, only where the archive does not say all of it."""
        since, _ = self.visits.get(by, (0, Redo.NOTHING))
        self.world.seen["frozen.put_off"] += entry.state is State.PROCESSING
        whole = self.whole_since.get(folder(entry.image, entry.version), since)
        header = self.whole_since.get(header_name(entry.image, entry.version), since)
        if max(whole, header) < since:
            raise Violation(f"{entry.image.key}: frozen, but the archive holds all that is needed: {_short(entry)}")

    def _note_detection(self, before: LedgerEntry | None, after: LedgerEntry, *, by: str) -> None:
        """Note a claim that will pay again for what the archive held, under the ledger's own settings."""
        if before is None or after.lease is None or after.epoch == before.epoch:
            return
        since, redo = self.visits.get(by, (0, Redo.NOTHING))
        old, new = before.version, after.version
        own = replace(new, detection_fingerprint=old.detection_fingerprint)
        whole_at = self.whole_since.get(folder(after.image, own), since)
        changed = old.etag == new.etag and old.detection_fingerprint != new.detection_fingerprint
        if changed and redo is not Redo.DETECTION and whole_at < since:
            self.needless.add(_claim(after))

    def _check_needed(self, before: LedgerEntry | None, after: LedgerEntry, *, by: str) -> None:
        """What is settled is claimed again only if it changed, or if somebody asked for exactly that."""
        if before is None or after.lease is None or before.state not in (State.INDEXED, State.FAILED):
            return
        old, new = before.version, after.version
        same = old.same_content(new) and old.index_fingerprint == new.index_fingerprint
        if not same or before.error_code is ErrorCode.ARCHIVED:
            return
        _, redo = self.visits.get(by, (0, Redo.NOTHING))
        failed = before.state is State.FAILED
        detected_otherwise = redo is Redo.DETECTION and old.detection_fingerprint != new.detection_fingerprint
        if redo is Redo.NOTHING or not (failed or detected_otherwise):
            raise Violation(f"{after.image.key}: {_short(before)} was claimed again, which nobody asked for")
        self.world.seen[f"redo.{redo}.{before.state}"] += 1

    def _check_readers(self, entry: LedgerEntry) -> None:
        """What was indexed, and has not changed since, is found: its labels are the truth, and there."""
        image = entry.image
        if entry.state is State.INDEXED:
            self.indexed_as[image, entry.epoch] = entry.version
            self.standing.pop(image, None)
            if self._stands(entry):
                self.standing[image] = self.world.ops
        since = self.standing.get(image)
        if since is None or entry.error_code is ErrorCode.ABANDONED or not self.world.unchanged(image.key, since=since):
            return
        self.world.seen["readers.unchanged"] += 1
        if entry.live is None:
            raise Violation(f"{image.key}: indexed and unchanged, but readers find no labels: {_short(entry)}")

    def _stands(self, entry: LedgerEntry) -> bool:
        """Tell whether an entry's version is what the bucket holds."""
        sides = tuple(SideFile(*side) for side in self.world.sides(entry.image.key))
        return self.world.current(entry.image.key) == entry.version.etag and sides == entry.version.side_files

    def ledger_deleted(self, image: ImageRef) -> None:
        self.world.tell("tombstone deleted:", image.key)
        self.written_at[image] = self.world.ops
        self.deaths[image] = 0
        self.world.seen["ledger.deleted"] += 1
        self.standing.pop(image, None)
        self._check_listed(image)

    def _check_looked_after_reading(self, before: LedgerEntry | None, after: LedgerEntry) -> None:
        """A claim or removal rests on a look at the bucket that came after the last write of the entry."""
        image, since = after.image, self.written_at[after.image]
        if before is None or after.epoch == before.epoch:
            return
        if after.state is State.REMOVED:
            self.world.seen["ledger.removed"] += 1
            if not self.world.stood(image.key, None, since=since):
                raise Violation(f"{image.key}: removed, but it stood there since the entry was written")
        elif after.lease is not None or after.version != before.version:
            self._check_stood(after.version, image, since=since, what="claimed")

    def _check_stood(self, version: ImageVersion, image: ImageRef, *, since: int, what: str) -> None:
        if not self.world.stood(image.key, version.etag, since=since):
            raise Violation(f"{image.key}: {what} {version.etag[:6]}, which was over before the entry was written")
        sides = {side.key: side.etag for side in version.side_files}
        for key in side_keys(image.key):
            if not self.world.stood(key, sides.get(key), since=since):
                raise Violation(f"{image.key}: {what} with {key} = {sides.get(key)}, which was over before")

    def _count_deaths(self, before: LedgerEntry | None, after: LedgerEntry) -> None:
        """Follow who fell silent on a version, and whether three in a row, and no fewer, give it up."""
        image = after.image
        took_over = before is not None and _took_over(before, after)
        if after.error_code is ErrorCode.ABANDONED:
            if took_over and self.deaths[image] != DEATHS - 1:
                raise Violation(f"{image.key}: abandoned after {self.deaths[image] + 1} deaths in a row")
            self.world.seen["ledger.abandoned"] += took_over
        elif before is not None and took_over and after.state is State.PROCESSING:
            self.deaths[image] += 1
            self.world.seen["ledger.taken_over"] += 1
            if self.deaths[image] >= DEATHS:
                raise Violation(f"{image.key}: claimed again after {self.deaths[image]} deaths in a row")
        elif before is None or not _goes_on(before, after):
            self.deaths[image] = 0
        elif _is_renewal(before, after):
            payments = self.claims[_claim(after)]
            if payments.parts:
                self.world.seen["attempts.reset"] += self.deaths[image] > 0
                self.deaths[image] = 0
            payments.parts = 0

    # -- labels

    def labels_written(self, labels: list[LabelDocument]) -> None:
        self.world.tell("labels written:", [(label.epoch, label.ordinal) for label in labels])
        for image in {label.image for label in labels}:
            self._check_listed(image)

    def labels_signed(self, labels: list[LabelDocument]) -> None:
        """No request that writes labels is signed later than an hour after their declaration."""
        stored = self.world.ledger.get(labels[0].image)
        listed = () if stored is None else stored.entry.superseded
        for declared in listed:
            late_ms = self.world.now_ms - declared.declared_ms - HOUR_MS
            if declared.epoch == labels[0].epoch and late_ms > CLOCKS_DIFFER_MS:
                raise Violation(f"{labels[0].image.key}: labels signed {late_ms} ms too late")

    def labels_deleted(self, image: ImageRef, labels: LabelSet) -> None:
        self.world.tell("labels deleted:", image.key, labels)
        stored = self.world.ledger.get(image)
        if stored is None:
            return
        entry = stored.entry
        if labels.epoch == entry.epoch or (entry.live is not None and entry.live.epoch == labels.epoch):
            raise Violation(f"{image.key}: labels of epoch {labels.epoch} were deleted, they are not dead: {entry}")

    def _check_listed(self, image: ImageRef) -> None:
        """No label exists that no ledger lists."""
        stored = self.world.ledger.get(image)
        listed = set() if stored is None else {labels.epoch for labels in stored.entry.superseded}
        if stored is not None and stored.entry.live is not None:
            listed.add(stored.entry.live.epoch)
        for document in self.world.labels.documents.values():
            if document.image == image and document.epoch not in listed:
                raise Violation(f"{image.key}: a label of epoch {document.epoch} that no ledger lists")

    def _check_live(self, entry: LedgerEntry) -> None:
        """The labels that are the truth are all there."""
        assert entry.live is not None
        there = sum(
            document.image == entry.image and document.epoch == entry.live.epoch
            for document in self.world.labels.documents.values()
        )
        if there != entry.live.count:
            raise Violation(f"{entry.image.key}: {there} labels of {entry.live}")

    # -- money

    def paid(self, work: Work, chip: int, *, by: str) -> None:
        payments = self.claims[work.image, work.epoch, by]
        bought = (work.version.detection_fingerprint, work.image.key, work.version.etag, chip)
        stored = self.world.ledger.get(work.image)
        if stored is None or stored.entry.epoch != work.epoch:
            payments.after_loss.append(bought)
            self.world.tell("paid after loss:", bought)
            self.world.seen["paid.after_loss"] += 1
            if len(payments.after_loss) > CALLS_IN_FLIGHT:
                raise Violation(f"{work.image.key}: {len(payments.after_loss)} chips paid for after the claim was lost")
        payments.paid.append(bought)
        if (work.image, work.epoch, by) in self.needless:
            raise Violation(f"{bought}: paid, though the archive held every answer under the ledger's settings")
        self.world.tell("paid:", bought, "epoch", work.epoch)

    def archived(self, key: str) -> None:
        """Note when the archive holds a header, or every answer of an image."""
        if key.startswith("header/"):
            self.whole_since.setdefault(key, self.world.ops)
            return
        fingerprint, *parts, etag, _ = key.split("/")
        chips = chips_of(self.world.bodies[etag])
        if all(self._archived((fingerprint, "/".join(parts), etag, chip)) for chip in chips):
            self.whole_since.setdefault(key.rpartition("/")[0] + "/", self.world.ops)

    def part_saved(self, work: Work, *, by: str) -> None:
        self.claims[work.image, work.epoch, by].parts += 1

    def _archived(self, chip: Chip) -> bool:
        fingerprint, key, etag, number = chip
        under = f"{fingerprint}/{key}/{etag}/"
        return any(number in part for name, part in self.world.archive.objects.items() if name.startswith(under))

    def _end_claim(self, entry: LedgerEntry) -> None:
        payments = self.claims[_claim(entry)]
        payments.lost = {chip for chip in payments.paid if not self._archived(chip)}
        if len(payments.lost) > PART:
            raise Violation(f"{entry.image.key}: {len(payments.lost)} chips were paid for and not yet kept")

    def _check_payments(self) -> None:
        """A chip is paid for once, and once more for each worker that died or lost its claim with the answer."""
        times: Counter[Chip] = Counter()
        allowed: Counter[Chip] = Counter()
        for payments in self.claims.values():
            times.update(payments.paid)
            allowed.update(payments.lost | set(payments.after_loss))
        for chip, n in times.items():
            if n > 1:
                self.world.seen["paid.twice"] += 1
            if n > 1 + allowed[chip]:
                raise Violation(f"{chip}: paid {n} times, {allowed[chip]} answers were lost")

    # -- visits, and what a door is told

    def visit_begins(self, *, by: str, redo: Redo) -> int:
        self.visits[by] = (self.world.ops, redo)
        return self.world.ops

    def visit_failed(self, image: ImageRef, error: BackfillError, *, by: str) -> None:
        """Whoever stops with a word leaves no lease for which others wait in vain, or says so."""
        self._check_no_leftovers(image, by=by, error=error)

    def _check_no_leftovers(self, image: ImageRef, *, by: str, error: BackfillError | None) -> None:
        stored = self.world.ledger.get(image)
        lease = None if stored is None else stored.entry.lease
        if by in self.late:
            return  # its claim may have arrived after it was looked for
        if lease is not None and lease.owner == by and not getattr(error, "__notes__", ()):
            raise Violation(f"{image.key}: {by} works no more, and others wait for its lease")

    def _check_cleaned_up(self, image: ImageRef, *, by: str) -> None:
        """What was written under a claim that was lost is gone."""
        stored = self.world.ledger.get(image)
        for document in self.world.labels.documents.values():
            mine = document.image == image and (image, document.epoch, by) in self.claims
            never_true = mine and (image, document.epoch) not in self.indexed_as
            if never_true and is_dead(None if stored is None else stored.entry, epoch=document.epoch):
                raise Violation(f"{image.key}: {by} lost epoch {document.epoch}, its labels are still there")

    def told(self, outcome: Outcome, *, by: str, since: int) -> None:
        """An outcome is true: it was written in this visit, and held when looked at afterwards."""
        self.world.seen[f"outcome.{_name(outcome)}"] += 1
        self.world.tell(by, "told", outcome)
        self._check_no_leftovers(outcome.image, by=by, error=None)
        self._check_cleaned_up(outcome.image, by=by)
        if isinstance(outcome, Skipped):
            self._check_asked_for(outcome, by=by)
            return
        at, entry = self.settled.get((by, outcome.image), (-1, None))
        wanted = {Indexed: State.INDEXED, Failed: State.FAILED, Removed: State.REMOVED}[type(outcome)]
        if entry is None or at < since or entry.state is not wanted:
            raise Violation(f"{outcome} was said, {entry and entry.state} was written")
        if isinstance(outcome, Removed):
            if not self.world.stood(outcome.image.key, None, since=at):
                raise Violation(f"{outcome.image.key}: it was back before this was said: {outcome}")
        else:
            self._check_stood(entry.version, outcome.image, since=at, what="settled on")

    def _check_asked_for(self, outcome: Skipped, *, by: str) -> None:
        """A failure is not skipped as settled by whom somebody asked to try it again."""
        _, redo = self.visits.get(by, (0, Redo.NOTHING))
        if outcome.reason is SkipReason.SAME and outcome.code is not None and redo is not Redo.NOTHING:
            raise Violation(f"{outcome}, though asked to try failures again ({redo})")

    # -- at rest

    def check_at_rest(self, index_fingerprint: str) -> None:
        """Index = f(bucket), and nothing is left over."""
        self._check_payments()
        expected = 0
        for image in {ImageRef(BUCKET, key) for key in self.world.traits.keys}:
            stored = self.world.ledger.get(image)
            entry = None if stored is None else stored.entry
            if entry is not None:
                expected += self._check_entry(entry, index_fingerprint)
            elif self.world.current(image.key) is not None:
                raise Violation(f"{image.key}: stands in the bucket, not in the index")
        if len(self.world.labels.documents) != expected:
            raise Violation(f"{len(self.world.labels.documents)} labels, {expected} are listed")

    def _check_entry(self, entry: LedgerEntry, index_fingerprint: str) -> int:
        key = entry.image.key
        if entry.superseded:
            raise Violation(f"{key}: superseded labels are left: {entry}")
        if self.world.current(key) is None:
            if entry.state is not State.REMOVED or entry.live is not None:
                raise Violation(f"{key}: gone, but {entry.state}")
            return 0
        found = self.world.store.head(entry.image)
        sides = tuple(SideFile(*side) for side in self.world.sides(key))
        if found is None or entry.version.etag != found.etag or entry.version.side_files != sides:
            raise Violation(f"{key}: another version is {entry.state}")
        workable = found.readable or self._needs_no_pixels(entry)
        if workable and entry.version.index_fingerprint != index_fingerprint:
            raise Violation(f"{key}: {entry.state} under old settings")
        return self._check_labels(entry, readable=found.readable)

    def _needs_no_pixels(self, entry: LedgerEntry) -> bool:
        """Tell whether archive and header of a version are there, under the ledger's own detection settings."""
        whole = folder(entry.image, entry.version) in self.whole_since
        return whole and header_name(entry.image, entry.version) in self.world.archive.objects

    def _check_labels(self, entry: LedgerEntry, *, readable: bool) -> int:
        body, version = self.world.bodies[entry.version.etag], entry.version
        if entry.state is State.PROCESSING and entry.live is not None and entry.lease is None and not readable:
            version = self.indexed_as[entry.image, entry.live.epoch]
            entry = replace(entry, state=State.INDEXED)
            if not version.same_content(entry.version):
                raise Violation(f"{entry.image.key}: labels of {version} are shown for {entry.version}")
        names = label_names(body, version.side_files, version.detection_fingerprint, version.index_fingerprint)
        if entry.state is State.FAILED:
            good = {ErrorCode.ARCHIVED: not readable, ErrorCode.ABANDONED: True}
            if entry.live is not None or not good.get(entry.error_code or ErrorCode.BAD_GRID, _is_bad(body, names)):
                raise Violation(f"{entry.image.key}: {body} should not be {entry}")
            return 0
        if entry.state is not State.INDEXED or entry.live is None or _is_bad(body, names):
            raise Violation(f"{entry.image.key}: {body} should not be {entry}")
        documents = self.world.labels.documents.values()
        found = [d.label for d in documents if d.image == entry.image and d.epoch == entry.live.epoch]
        if sorted(found) != sorted(names):
            raise Violation(f"{entry.image.key}: found {found}, not {names}")
        return len(names)


def _counts_itself(before: LedgerEntry, after: LedgerEntry) -> bool:
    same_owner = before.lease is not None and after.lease is not None and before.lease.owner == after.lease.owner
    return same_owner and after.attempts > before.attempts


def _is_bad(body: str, names: tuple[str, ...]) -> bool:
    return body.startswith("bad") or (body.startswith("refused") and bool(names))


def _claim(entry: LedgerEntry) -> Claim:
    return entry.image, entry.epoch, entry.lease.owner if entry.lease else ""


def _took_over(before: LedgerEntry, after: LedgerEntry) -> bool:
    """Tell whether this write took over a lease that had run out, of the same version, by the writer's own clock."""
    if before.state is not State.PROCESSING or before.lease is None or after.version != before.version:
        return False
    if after.error_code is ErrorCode.ABANDONED:
        return True
    if after.epoch == before.epoch or after.lease is None:
        return False
    return after.lease.owner != before.lease.owner or after.attempts > before.attempts


def _goes_on(before: LedgerEntry, after: LedgerEntry) -> bool:
    """Tell whether the same version is still being processed, under whichever claim, and nobody gave it back."""
    same = after.version == before.version and before.state is after.state is State.PROCESSING
    return same and before.lease is not None and after.lease is not None


def _is_renewal(before: LedgerEntry, after: LedgerEntry) -> bool:
    if before.lease is None or after.lease is None or before.epoch != after.epoch:
        return False
    return after.lease.until_ms != before.lease.until_ms


def _short(entry: LedgerEntry) -> str:
    lease = f" {entry.lease.owner} until {entry.lease.until_ms}" if entry.lease else ""
    listed = [(labels.epoch, labels.count) for labels in entry.superseded]
    return (
        f"{entry.image.key} {entry.state} {entry.version.etag[:6]} {entry.version.detection_fingerprint}"
        f"{entry.version.index_fingerprint} epoch {entry.epoch}{lease} attempts {entry.attempts} token {entry.token}"
        f" live {entry.live} superseded {listed} {entry.error_code or ''}"
    )


def _name(outcome: Outcome) -> str:
    match outcome:
        case Skipped(reason=reason):
            return f"skipped.{reason}"
        case Failed(code=code):
            return f"failed.{code}"
        case _:
            return type(outcome).__name__.lower()
