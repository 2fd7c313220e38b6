"""The sizes Seedance gives its frames, and the tokens it counts for them. Knows numbers only."""

from functools import lru_cache

FRAMES_PER_SECOND = 24
RESOLUTIONS = ("480p", "720p", "1080p", "4k")
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9")
# Upright ratios are their lying counterparts, turned.
_LYING = {
    ("480p", "16:9"): (864, 496),
    ("480p", "4:3"): (752, 560),
    ("480p", "1:1"): (640, 640),
    ("480p", "21:9"): (992, 432),
    ("720p", "16:9"): (1280, 720),
    ("720p", "4:3"): (1112, 834),
    ("720p", "1:1"): (960, 960),
    ("720p", "21:9"): (1470, 630),
    ("1080p", "16:9"): (1920, 1080),
    ("1080p", "4:3"): (1664, 1248),
    ("1080p", "1:1"): (1440, 1440),
    ("1080p", "21:9"): (2206, 946),
    ("4k", "16:9"): (3840, 2160),
    ("4k", "4:3"): (3326, 2494),
    ("4k", "1:1"): (2880, 2880),
    ("4k", "21:9"): (4398, 1886),
}
_TURNED = {"9:16": "16:9", "3:4": "4:3"}


def frame_size(resolution: str, ratio: str) -> tuple[int, int]:
    """Width and height, both even, of one of RESOLUTIONS in one of RATIOS."""
    if lying := _TURNED.get(ratio):
        width, height = _LYING[resolution, lying]
        return height, width
    return _LYING[resolution, ratio]


@lru_cache
def nearest_ratio(width: int, height: int) -> str:
    """What `adaptive` comes to for a picture of this size."""

    def distance(ratio: str) -> float:
        across, down = map(int, ratio.split(":"))
        wanted, given = across / down, width / height
        return max(wanted / given, given / wanted)

    return min(RATIOS, key=distance)


def video_tokens(size: tuple[int, int], seconds: float) -> int:
    """What is counted for `seconds` of frames read and written together."""
    return round(seconds * size[0] * size[1] * FRAMES_PER_SECOND / 1024)
