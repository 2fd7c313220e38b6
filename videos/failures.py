"""What a provider's no to a new task means: what its caller is told, whether another is asked, whether admins must act.

Knows errors and words, no task. What may have been taken is no refusal, and is judged in steps.py.
"""

from dataclasses import dataclass

from upstream.errors import Refused

_OUT_OF_FUNDS = {"accountoverdueerror", "insufficient_quota", "insufficient_balance"}
_NOT_OPENED = {"modelnotopen", "invalidendpointormodel.notfound", "model_not_found", "invalidendpoint.closedendpoint"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is what the API would have answered, had it waited."""

    status: int
    code: str
    sentence: str
    may_try_next: bool = True
    is_for_admins: bool = False


def judge(error: Refused, *, provider: str, model: str) -> Verdict:
    code = (error.code or "").lower()
    if error.status == 402 or code in _OUT_OF_FUNDS:
        sentence = f"{provider}'s account is out of funds. An admin of the team must top it up there."
        return Verdict(503, "provider_out_of_funds", sentence, is_for_admins=True)
    if error.status == 404 or code in _NOT_OPENED:
        sentence = f"{model} is not available from {provider} now: {error.reason}"
        return Verdict(404, "model_not_available", sentence)
    if error.status in (401, 403):
        sentence = f"{provider} does not permit this to the team's account: {error.reason}"
        return Verdict(403, "provider_permission_denied", sentence, is_for_admins=True)
    own_code = error.code if error.code and not error.code.isdigit() else "invalid_request"
    return Verdict(400, own_code, f"{provider} rejected the request: {error.reason}", may_try_next=False)
