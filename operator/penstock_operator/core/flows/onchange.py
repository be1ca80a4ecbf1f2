"""runOnChange: a run for each revision of a Flow that is met, named after it.

A revision is what a Flow executes, by its content: two edits that come to the same are one. `status.changes` remembers those that were met,
the present one last. It is written, guarded by the Flow's resourceVersion, before the run is made: so of two operators one decides, and
what one promised (`pending`) the next one makes, under the same name. A run that somebody deletes, or that history takes, is not made again.

* Another revision than the last one is a change, and is run; so is a return to an earlier one, as `NAME-2`, `NAME-3`.
* A Flow that nobody has looked at yet begins with a change: the same file gives the same run, whether it is the first or not.
* A Flow that was there when runOnChange became Always begins with what it was. What changes while it is Never is no change later.
* While the Flow is suspended, or can't be used, nothing is started; then what it has become by then, once.
* A status that was lost is filled in from the runs of the present revision that are there; where there are none, it is run.

Neighbours: `names` and `children` make the run, `..promised` lets it execute its revision although the Flow has changed again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from penstock_operator.api.flow import CHANGES, Change, RunOnChange
from penstock_operator.api.times import later

from ..plan import earliest
from ..revisions import Definition
from .children import changed_run
from .model import FlowObserved, Part, Readiness
from .names import changed_name
from .refusals import said, try_again, waits, worth_telling

# A ConfigMap may change without a word to the Flow that takes its source from it.
SOURCE_SECONDS: Final = 60

Known = tuple[Change, ...]


def on_change(seen: FlowObserved, ready: Readiness) -> Part:
    """Return the run that a change of a Flow wants, and what the status remembers of changes."""
    flow, found = seen.flow, ready.definition
    if flow.unreadable:
        return Part()
    known = _known(seen, found)
    if flow.spec.run_on_change is not RunOnChange.ALWAYS:
        return Part(changes={"changes": _followed(known, found) if known is not None and found is not None else known})
    if known is None or found is None or flow.spec.suspend:
        return Part(changes={"changes": known})
    again = later(seen.now, SOURCE_SECONDS) if flow.spec.source_config_map is not None else None
    if not known or known[-1].revision != found.revision:
        return Part(changes={"changes": _changed(seen, known, found)}, requeue_at=again)
    return _carried_out(seen, known, found, again)


def _known(seen: FlowObserved, found: Definition | None) -> Known | None:
    """Return what the status remembers, or should; None: nobody has wanted runs of changes yet."""
    status, spec = seen.flow.status, seen.flow.spec
    if status.changes is not None or spec.run_on_change is not RunOnChange.ALWAYS:
        return status.changes
    if (status.observed_generation or -1) < 0:
        return ()
    before = status.revision
    if before is None and spec.source_config_map is not None:
        # What was in a ConfigMap before nobody knows: it is taken for what it is now.
        before = found.revision if found is not None else None
    return (Change(revision=before),) if before is not None else ()


def _followed(known: Known, found: Definition) -> Known:
    """Take note of a revision for which nobody wants a run."""
    assert found.revision is not None
    if known and known[-1].revision == found.revision:
        return _settled(known)
    prior = _prior(known, found) or Change(revision=found.revision)
    return _with(known, prior.model_copy(update={"pending": None}))


def _changed(seen: FlowObserved, known: Known, found: Definition) -> Known:
    """Promise a run for another revision than the last one."""
    assert found.revision is not None
    flow, prior = seen.flow.metadata.name, _prior(known, found)
    number = (prior.runs if prior is not None else 0) + 1
    there = number
    while changed_name(flow, found.revision, there) in seen.changed:
        there += 1
    if not known and there > number:
        name = changed_name(flow, found.revision, there - 1)
        return (Change(revision=found.revision, digest=found.digest, run_name=name, runs=there - 1),)
    name = changed_name(flow, found.revision, there)
    new = Change(revision=found.revision, digest=found.digest, run_name=name, runs=there, pending=True)
    return _with(known, new)


def _carried_out(seen: FlowObserved, known: Known, found: Definition, again: datetime | None) -> Part:
    """Make the run that was promised."""
    last = known[-1]
    name = last.run_name
    if not last.pending or name is None:
        return Part(changes={"changes": known}, requeue_at=again)
    if name in seen.made or name in seen.changed:
        return Part(changes={"changes": _settled(known)}, requeue_at=again)
    refusal = seen.refused.get(name)
    if refusal is not None and refusal.reason == "AlreadyExists":
        # Somebody else's: the next number is free, or the one behind it.
        name = changed_name(seen.flow.metadata.name, last.revision, last.runs + 1)
        return Part(
            changes={"changes": _with(known, last.model_copy(update={"run_name": name, "runs": last.runs + 1}))}
        )
    degraded = f"run {name} {said(refusal)}" if refusal is not None and worth_telling(refusal) else ""
    if refusal is not None and waits(refusal, seen.now):
        return Part(changes={"changes": known}, degraded=degraded, requeue_at=earliest(again, try_again(refusal)))
    run = changed_run(seen.flow, name, last.revision, found.manifest)
    return Part(creates=(run,), changes={"changes": known}, degraded=degraded, requeue_at=again)


def _prior(known: Known, found: Definition) -> Change | None:
    return next((change for change in known if change.revision == found.revision), None)


def _settled(known: Known) -> Known:
    """Nothing is promised any more: it was kept, or a newer revision has come."""
    return tuple(c.model_copy(update={"pending": None}) if c.pending else c for c in known)


def _with(known: Known, last: Change) -> Known:
    others = _settled(tuple(change for change in known if change.revision != last.revision))
    return (*others, last)[-CHANGES:]
