"""The life of a video task, from the request to its end: the only writer of a task's state and of its money.

Every change is one conditional UPDATE whose row count is checked, so that a step may be done twice, late or by a
process that has long lost its lease; who came second changes nothing. What moves money stands in the same transaction
as the change of state. Calls nobody: what a provider said is brought here by `steps.py` and `cancelling.py`.
"""

from videos.lifecycle.keeping import (
    fetch_later,
    give_up_file,
    hold_fetch,
    note_link,
    note_stored,
    take_fetch,
)
from videos.lifecycle.outcomes import (
    adopt,
    cancel_unsent,
    delete,
    flag,
    give_up,
    note_absent,
    note_accepted,
    note_refused,
    note_unknown,
    postpone,
    record,
    resend,
    restore,
    send_now,
    wake,
)
from videos.lifecycle.submitting import MOST_OPEN_A_TEAM, Quote, Submission, quote, submit

__all__ = [
    "MOST_OPEN_A_TEAM",
    "Quote",
    "Submission",
    "adopt",
    "cancel_unsent",
    "delete",
    "fetch_later",
    "flag",
    "give_up",
    "give_up_file",
    "hold_fetch",
    "note_absent",
    "note_accepted",
    "note_link",
    "note_refused",
    "note_stored",
    "note_unknown",
    "postpone",
    "quote",
    "record",
    "resend",
    "restore",
    "send_now",
    "submit",
    "take_fetch",
    "wake",
]
