"""Camera moves: which one a prompt asks for, and where it has brought the camera at each moment."""

import re
from dataclasses import dataclass

from upstream.embedded.storyboard.picture import Placed


@dataclass(frozen=True, slots=True)
class Move:
    """From one end to the other, in shares of the frame. What is near moves more, unless the camera only turns."""

    name: str
    turn: tuple[float, float] = (0.0, 0.0)  # the scene goes right and down as one
    glide: tuple[float, float] = (0.0, 0.0)  # the near goes right and down, the horizon stays
    zoom: float = 1.0  # enlarged as one
    dolly: float = 0.0  # the near is enlarged by this much more
    arrow: tuple[float, float] = (0.0, 0.0)  # how the slate draws it; (0, 0) is a square, for moves in depth
    begins_close: bool = False  # moves in depth that lead away are the others, backwards

    def at(self, share: float, depth: float, size: tuple[int, int]) -> Placed:
        """How something this deep in the scene is placed when `share` (0 to 1) of the clip has passed."""
        eased = _eased(1 - share if self.begins_close else share)
        swing = eased - 0.5  # to both sides of the middle, which is framed best
        right = self.turn[0] + self.glide[0] * depth
        down = self.turn[1] + self.glide[1] * depth
        scale = (1 + (self.zoom - 1) * eased) * (1 + self.dolly * depth * eased)
        # Enough that no edge shows while the scene moves sideways.
        room = 1 + abs(self.turn[0]) + abs(self.turn[1])
        return Placed(scale * room, right * swing * size[0], down * swing * size[1])


_LEFT, _RIGHT, _UP, _DOWN = (-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)
_STATIC = Move("Locked off")
AS_FILMED = Move("As in the reference")
_DEFAULT = Move("Slow push in", zoom=1.04, dolly=0.08)
# The first that matches wins: what is said more exactly stands further up.
# A camera that turns left sends the scene to the right.
_MOVES: tuple[tuple[str, Move], ...] = (
    (r"locked[- ]?off|static (shot|camera)|fixed camera|tripod|still camera|固定", _STATIC),
    (r"orbit\w*|arc shot|circl\w+ around|环绕", Move("Orbit", turn=(0.04, 0), glide=(-0.22, 0), arrow=_RIGHT)),
    (
        r"(crane|boom|jib|pedestal)\w* down|descend\w*|下降",
        Move("Crane down", glide=(0, -0.2), arrow=_DOWN),
    ),
    (r"crane|boom up|jib|pedestal up|ris(es|ing) (up|above|over)|升", Move("Crane up", glide=(0, 0.2), arrow=_UP)),
    (r"tilt\w* down", Move("Tilt down", turn=(0, -0.12), arrow=_DOWN)),
    (r"tilt\w*|俯仰", Move("Tilt up", turn=(0, 0.12), arrow=_UP)),
    (r"pan(s|ning)?( \w+)? (to the )?right|whip pan", Move("Pan right", turn=(-0.16, 0), arrow=_RIGHT)),
    (r"pans?\b|panning|摇", Move("Pan left", turn=(0.16, 0), arrow=_LEFT)),
    (r"zoom\w*( \w+)? (out|back)", Move("Zoom out", zoom=1.22, begins_close=True)),
    (r"zoom\w*|变焦", Move("Zoom in", zoom=1.22)),
    (
        r"(pull|dolly|dollies|track|push)\w*( \w+)? (out|back|away)|拉",
        Move("Dolly out", zoom=1.05, dolly=0.24, begins_close=True),
    ),
    (r"(truck|track|slid|dolly)\w*( \w+)? (to the )?left", Move("Truck left", glide=(0.24, 0), arrow=_LEFT)),
    (
        r"trucking|track(s|ing)|slider|side[- ]?scroll\w*|follow\w*|alongside|跟|移",
        Move("Truck right", glide=(-0.24, 0), arrow=_RIGHT),
    ),
    (r"dolly|dollies|push\w*( \w+)? in|推", Move("Dolly in", zoom=1.05, dolly=0.24)),
    (
        r"drone|aerial|fly\w*( \w+)? over|fly[- ]?through|bird'?s[- ]eye|航拍",
        Move("Drone forward", glide=(0, 0.08), zoom=1.05, dolly=0.2),
    ),
)


def asked_for(prompt: str, *, is_fixed: bool) -> Move:
    """The move the prompt names; a slow one where it names none."""
    if is_fixed:
        return _STATIC
    return next(
        (move for words, move in _MOVES if re.search(f"(?<![a-z])(?:{words})", prompt, re.IGNORECASE)), _DEFAULT
    )


def _eased(share: float) -> float:
    """Sets off and arrives gently, and is steady in between."""
    soft = share * share * (3 - 2 * share)
    return 0.45 * soft + 0.55 * share
