"""One clip's own process: `python -m upstream.embedded.storyboard.render <task's folder>`.

It reads the order and the reference files in the folder, writes the clip there and tells on standard output, a JSON
object a line, how far it has come and how it ended. Ending with it gives back all the memory it took.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from PIL import Image, UnidentifiedImageError

from upstream.embedded.storyboard import camera, files, film, prompt, shots, sound
from upstream.embedded.storyboard.order import Order
from upstream.embedded.storyboard.picture import Picture
from upstream.embedded.storyboard.slate import Slate
from upstream.frame_sizes import frame_size, nearest_ratio, video_tokens

NICENESS = 10  # a clip can wait; a chat on the same machine should not
IMAGE_SIDES, IMAGE_ASPECTS = (300, 6000), (0.4, 2.5)
CLIP_SECONDS, ROUNDING_S = (2.0, 15.0), 0.2
CLIP_PIXELS = 2_086_876
FAILS_AFTER = 0.3  # of the frames, where a failure was asked for
TOLD_EVERY_FRAMES = 6
WATERMARK = "EMMA18 storyboard"


class Failure(Exception):
    """The clip cannot be made, or was asked to fail."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


_FAILURES = {
    "content policy": Failure(
        "OutputVideoSensitiveContentDetected",
        "The prompt asked the storyboard to fail as a clip does that breaks the content policy.",
    ),
    "internal error": Failure(
        "InternalServiceError", "The prompt asked the storyboard to fail with an internal error."
    ),
}


def main(folder: Path) -> int:
    os.nice(NICENESS)
    try:
        _tell(**render(folder, Order.from_json(json.loads((folder / files.ORDER).read_text()))))
        return 0
    except Failure as failure:
        _tell(error={"code": failure.code, "message": str(failure)})
        return 1


def render(folder: Path, order: Order) -> dict[str, Any]:
    """Make the clip. What the task is to say of it."""
    asked = prompt.read(order.prompt)
    time.sleep(asked.wait_s)
    given: dict[str, list[Path]] = {"image": [], "video": [], "audio": []}
    for number, reference in enumerate(order.references):
        given[reference.kind].append(files.reference(folder, number))
    shape = _check_images(given["image"]) + _check_videos(given["video"])
    audio_s = [_check_length("audio", file) for file in given["audio"]]
    video_s = [_check_length("video", file) for file in given["video"]]
    if sum(audio_s) > CLIP_SECONDS[1] + ROUNDING_S or sum(video_s) > CLIP_SECONDS[1] + ROUNDING_S:
        raise Failure("InvalidParameter", f"References of one kind are longer than {CLIP_SECONDS[1]:g} s together.")
    first = shape[len(given["image"])] if given["video"] else shape[0] if shape else (16, 9)
    ratio = nearest_ratio(*first) if order.ratio == "adaptive" else order.ratio
    size = frame_size(order.resolution, ratio)
    frames = _told(
        _frames(order, asked, given, size), order.frames, asked.failure, folder, keeps_last=order.return_last_frame
    )
    film.write(folder / files.UNFINISHED, size, frames, _track(order, given["audio"]))
    (folder / files.UNFINISHED).replace(folder / files.VIDEO)
    tokens = video_tokens(size, order.seconds + sum(video_s))
    return {"ratio": ratio, "tokens": tokens, "width": size[0], "height": size[1]}


def _frames(
    order: Order, asked: prompt.Asked, given: dict[str, list[Path]], size: tuple[int, int]
) -> Iterator[Picture]:
    rng = random.Random(f"{order.seed} {order.prompt}")
    move = camera.asked_for(order.prompt, is_fixed=order.camera_fixed) if order.mode != "v2v" else camera.AS_FILMED
    corner = WATERMARK if order.watermark else f"Seed {order.seed}"
    slate = Slate(size, title=asked.title, lines=asked.lines, move=move, frames=order.frames, corner=corner)
    if order.mode == "v2v":
        pictures = shots.footage(given["video"], asked, size, order.frames, rng)
    elif order.mode == "i2v":
        pictures = shots.stills(given["image"], move, size, order.frames)
    else:
        pictures = shots.painted(asked, move, size, order.frames, rng)
    for index, picture in enumerate(pictures):
        slate.draw(picture, index)
        yield picture


def _told(
    pictures: Iterator[Picture], frames: int, failure: str, folder: Path, *, keeps_last: bool
) -> Iterator[Picture]:
    """The same pictures, telling how far they are, failing where that was asked for, and gone if nobody listens."""
    parent = os.getppid()
    for index, picture in enumerate(pictures):
        if failure and index >= frames * FAILS_AFTER:
            if failure == "crash":
                os.abort()
            raise _FAILURES[failure]
        if index % TOLD_EVERY_FRAMES == 0:
            if os.getppid() != parent:
                sys.exit("The process that asked for this clip is gone.")
            _tell(progress=index * 100 // frames)
        if keeps_last and index == frames - 1:
            frame = picture.to_frame()
            frame.colorspace, frame.color_range = 1, 1  # BT.709, limited
            frame.to_image().save(folder / files.LAST_FRAME)
        yield picture


def _track(order: Order, recordings: list[Path]) -> Iterator[Any] | None:
    if recordings:
        return sound.recorded(recordings[0], order.seconds)
    return sound.chord(order.seed, order.seconds) if order.generate_audio else None


def _check_images(files: list[Path]) -> list[tuple[int, int]]:
    sizes = []
    for file in files:
        try:
            with Image.open(file) as image:
                width, height = image.size
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            raise Failure("InvalidParameter", "An image reference cannot be read.") from None
        if not all(IMAGE_SIDES[0] <= side <= IMAGE_SIDES[1] for side in (width, height)):
            limits = f"{IMAGE_SIDES[0]} to {IMAGE_SIDES[1]:,}"
            raise Failure(
                "InvalidParameter", f"An image reference is {width} x {height} pixels: each side may have {limits}."
            )
        if not IMAGE_ASPECTS[0] <= width / height <= IMAGE_ASPECTS[1]:
            raise Failure("InvalidParameter", "An image reference is too narrow: its sides may be as 2 to 5 at most.")
        sizes.append((width, height))
    return sizes


def _check_videos(files: list[Path]) -> list[tuple[int, int]]:
    sizes = []
    for file in files:
        try:
            with av.open(str(file)) as container:
                stream = container.streams.video[0]
                next(container.decode(stream))
                sizes.append((stream.width, stream.height))
        except (av.FFmpegError, IndexError, StopIteration):
            raise Failure("InvalidParameter", "A video reference cannot be read.") from None
        if sizes[-1][0] * sizes[-1][1] > CLIP_PIXELS:
            raise Failure("InvalidParameter", f"A video reference has more than {CLIP_PIXELS:,} pixels a frame.")
    return sizes


def _check_length(kind: str, file: Path) -> float:
    try:
        length = shots.seconds(file)
    except (av.FFmpegError, ValueError):
        raise Failure("InvalidParameter", f"The length of the {kind} reference cannot be read.") from None
    least, most = CLIP_SECONDS
    if not least - ROUNDING_S <= length <= most + ROUNDING_S:
        raise Failure(
            "InvalidParameter", f"The {kind} reference is {length:.1f} s long: {least:g} to {most:g} s are possible."
        )
    return length


def _tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
