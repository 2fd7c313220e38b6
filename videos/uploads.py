"""References that people send us: checked against the table in modes.py, kept, and handed on to providers.

The only writer of Upload rows. What no task is made from is forgotten after a day. A task names an upload by the
address `upload://up_…`, which means something to nobody but us: it is put into what a provider can read when the task
is sent.
"""

import base64
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.utils import timezone

from accounts.callers import Caller
from accounts.ids import new_id
from accounts.models import Provider, Team
from accounts.refusals import BadRequest
from videos import decoding, links, looking, modes, sniffing, storage
from videos.models import Upload, VideoTask
from videos.modes import INPUTS, Input
from videos.specs import Reference, Spec

SCHEME = "upload://"
KEPT_UNUSED = timedelta(days=1)
MOST_UNUSED = 300
SLACK_MS = 100  # a 15 s clip is often some frames longer
SLACK_FPS = 0.1  # 23.976 passes for 24
INLINE_BYTES = 45 << 20  # as a data: address they are a third larger, and a request has at most 64 MB
_NAMES = {
    "image": "a JPEG, PNG, WebP, BMP, TIFF, GIF or HEIC picture",
    "video": "an MP4 or MOV video",
    "audio": "a WAV or MP3 recording",
}


def keep(caller: Caller, kind: str, file: Path, *, name: str, sha256: str) -> Upload:
    """Check the file and move it into the storage. Raises BadRequest with a sentence for the field, OSError where there
    is no room for it."""
    if Upload.objects.filter(team=caller.team, used_at=None).count() >= MOST_UNUSED:
        _refuse(f"Your team has sent {MOST_UNUSED} files that no video is made from. Wait a day, or use some of them.")
    limits = INPUTS[kind]
    found = _recognised(limits, file)
    facts = _looked_at(limits, file)
    _check(limits, facts)
    public_id = new_id("up")
    poster = file.parent / looking.POSTER
    thumbnail = storage.name_for(public_id, sha256, "poster.jpg") if poster.exists() else ""
    upload = Upload(
        public_id=public_id,
        team=caller.team,
        user=caller.user,
        kind=kind,
        file=storage.name_for(public_id, sha256, found.format),
        thumbnail=thumbnail,
        name=_shown_name(name) or f"{kind}.{found.format}",
        content_type=found.content_type,
        size_bytes=file.stat().st_size,
        sha256=sha256,
        width=facts.get("width"),
        height=facts.get("height"),
        duration_ms=facts.get("duration_ms"),
    )
    # The row first: of a file without one nobody would know that it is there.
    upload.save(force_insert=True)
    try:
        storage.keep(file, upload.file)
        if thumbnail:
            storage.keep(poster, thumbnail)
    except BaseException:  # whoever hangs up leaves no half of an upload
        _forget(upload)
        raise
    return upload


def refuse_too_large(kind: str) -> NoReturn:
    _refuse(f"The file is larger than {INPUTS[kind].most_mb} MB, the most for {_a(kind)}.")


def _refuse(sentence: str) -> NoReturn:
    raise BadRequest(sentence, code="invalid_file")


def _a(kind: str) -> str:
    return f"a {kind}" if kind == "video" else f"an {kind} file" if kind == "audio" else "an image"


def _recognised(limits: Input, file: Path) -> sniffing.FileType:
    if file.stat().st_size > limits.most_mb << 20:
        refuse_too_large(limits.kind)
    found = sniffing.sniff_file(file)
    if found is None or found.kind != limits.kind or found.format not in limits.formats:
        _refuse(f"This is not {_NAMES[limits.kind]}, whatever its name says. Choose another file.")
    return found


def _looked_at(limits: Input, file: Path) -> dict[str, Any]:
    try:
        return decoding.look(limits.kind, file)
    except decoding.Unreadable:
        _refuse(f"The {limits.kind} file is damaged or cut short: nothing can be read from it. Choose another file.")


def _check(limits: Input, facts: dict[str, Any]) -> None:
    if limits.kind == "image":
        _check_picture(facts["width"], facts["height"])
    if limits.shortest_s is not None and limits.longest_s is not None:
        seconds = facts["duration_ms"] / 1000
        if not limits.shortest_s * 1000 - SLACK_MS <= facts["duration_ms"] <= limits.longest_s * 1000 + SLACK_MS:
            _refuse(
                f"The {limits.kind} lasts {seconds:.1f} s. It must last {limits.shortest_s} to {limits.longest_s} s: "
                "cut it, or choose another."
            )
    if limits.kind == "video":
        _check_frames(facts)


def _check_picture(width: int, height: int) -> None:
    shortest, longest = modes.IMAGE_SIDE_PX
    if not (shortest <= min(width, height) and max(width, height) <= longest):
        _refuse(f"The image is {width} x {height} pixels. Each side must have {shortest} to {longest:,}.")
    narrowest, widest = modes.IMAGE_ASPECT
    if not narrowest <= width / height <= widest:
        _refuse(
            f"The image is {width} x {height} pixels, which is too {'wide' if width > height else 'tall'}: one side "
            f"may be at most {widest:g} times the other."
        )


def _check_frames(facts: dict[str, Any]) -> None:
    if facts["codec"] not in ("h264", "hevc"):
        _refuse(f"The video is encoded as {facts['codec']}. It must be H.264 or H.265.")
    least, most = modes.VIDEO_FRAME_PX
    if not least <= facts["width"] * facts["height"] <= most:
        _refuse(
            f"The video's frames are {facts['width']} x {facts['height']} pixels. They must have {least:,} to "
            f"{most:,} in all, such as 1280 x 720."
        )
    slowest, fastest = modes.VIDEO_FPS
    if not slowest - SLACK_FPS <= facts["fps"] <= fastest + SLACK_FPS:
        _refuse(f"The video has {facts['fps']:.3g} frames a second. It must have {slowest} to {fastest}.")


def _shown_name(name: str) -> str:
    """As its sender calls it, for people to read: never a path, and nothing invisible."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:200].strip()


# Making tasks from them


def attach(team: Team, spec: Spec, provider: Provider) -> Spec:
    """Note that a task is made from these uploads, within the transaction that writes it; with their lengths, which the
    price depends on. Raises BadRequest for one that is not the team's or is gone, and where the provider could not
    read it."""
    ids = [_id(reference) for reference in spec.references if _id(reference)]
    if not ids:
        return spec
    found = {upload.public_id: upload for upload in Upload.objects.filter(team=team, public_id__in=ids)}
    now = timezone.now()
    for reference in spec.references:
        if (public_id := _id(reference)) and (
            public_id not in found
            or found[public_id].kind != reference.kind
            or not Upload.objects.filter(pk=found[public_id].pk).update(used_at=now)
        ):
            raise BadRequest(
                f"The {reference.kind} is not here any more: what is not used is kept for a day. Send it again.",
                code="upload_not_found",
                param=f"{reference.kind}_url",
            )
    check_reach([found[public_id] for public_id in ids], provider)
    return replace(spec, references=tuple(_with_length(each, found) for each in spec.references))


def _id(reference: Reference) -> str:
    return reference.url.removeprefix(SCHEME) if reference.url.startswith(SCHEME) else ""


def _with_length(reference: Reference, found: dict[str, Upload]) -> Reference:
    upload = found.get(_id(reference))
    return replace(reference, seconds=upload.seconds) if upload else reference


def check_reach(chosen: list[Upload], provider: Provider) -> None:
    """Raises BadRequest with the sentence for the field where the provider could not read these."""
    if _is_reached_by_link(provider):
        return
    for upload in chosen:
        if upload.kind == "video" and provider.kind != Provider.Kind.EMBEDDED:
            raise BadRequest(
                f"{provider.name} must fetch a reference video itself, and this server has no public address. Give the "
                "video's own public address, or ask an admin to set EMMA18_PUBLIC_URL or EMMA18_S3_URL.",
                code="no_public_address",
                param="video_url",
            )
    if sum(upload.size_bytes for upload in chosen) > INLINE_BYTES:
        raise BadRequest(
            f"The files are larger than {INLINE_BYTES >> 20} MB together, the most that can be sent along. Use smaller "
            "ones.",
            code="invalid_file",
            param=f"{chosen[-1].kind}_url",
        )


def _is_reached_by_link(provider: Provider) -> bool:
    """The storyboard renderer is given the files themselves: it may not be allowed to call us."""
    return provider.kind != Provider.Kind.EMBEDDED and bool(settings.PUBLIC_URL or storage.is_remote())


def addresses(task: VideoTask, provider: Provider) -> dict[int, str]:
    """What the provider is told in place of each upload, by the number of the reference."""
    numbered = {number: each["url"].removeprefix(SCHEME) for number, each in enumerate(task.spec["references"])
                if each["url"].startswith(SCHEME)}  # fmt: skip
    if not numbered:
        return {}
    found = {upload.public_id: upload for upload in Upload.objects.filter(public_id__in=numbered.values())}
    return {number: _address(found[public_id], provider) for number, public_id in numbered.items()}


def _address(upload: Upload, provider: Provider) -> str:
    if not _is_reached_by_link(provider):
        return f"data:{upload.content_type};base64,{base64.b64encode(storage.read(upload.file)).decode()}"
    if storage.is_remote():
        lasts_s = int(links.LASTS.total_seconds())
        return storage.link(upload.file, content_type=upload.content_type, disposition="inline", lasts_s=lasts_s)
    return settings.PUBLIC_URL + links.path(upload, links.UPLOAD)


# Forgetting


def forget_unused() -> int:
    old = Upload.objects.filter(used_at=None, created_at__lt=timezone.now() - KEPT_UNUSED)
    return sum(_forget(upload) for upload in old)


def _forget(upload: Upload) -> int:
    """The row first, unless a task has been made from it meanwhile: then it stays."""
    gone, _ = Upload.objects.filter(pk=upload.pk, used_at=None).delete()
    if gone:
        storage.remove(upload.file, upload.thumbnail)
    return gone
