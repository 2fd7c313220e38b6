"""What providers of a kind offer without listing it: their lists name chat models only, and Ark has none.

Sync takes these as if they were listed, so that a video model is a model with offers like any other.
"""

from urllib.parse import urlsplit

from accounts.models import Provider
from upstream.models import ListedModel

SEEDANCE = "doubao-seedance-2-0-260128"
SEEDANCE_FAST = "doubao-seedance-2-0-fast-260128"
BYTEPLUS = "bytepluses.com"
_OFFER_SEEDANCE = (Provider.Kind.EMMA18, Provider.Kind.ARK)


def models(kind: str, base_url: str) -> list[ListedModel]:
    """Under the ids by which a provider of this kind at this address is asked for them."""
    if kind not in _OFFER_SEEDANCE:
        return []
    ids = (upstream_id(kind, base_url, model_id) for model_id in (SEEDANCE, SEEDANCE_FAST))
    return [ListedModel(id=model_id, name=model_id) for model_id in ids]


def upstream_id(kind: str, base_url: str, model_id: str) -> str:
    """The two sites of Ark call the same models differently."""
    host = urlsplit(base_url).hostname or ""
    if kind == Provider.Kind.ARK and (host == BYTEPLUS or host.endswith(f".{BYTEPLUS}")):
        return model_id.replace("doubao-", "dreamina-", 1)
    return model_id
