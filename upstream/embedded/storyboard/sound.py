"""The one mono track of a clip: the reference audio it was given, or a quiet chord of its own."""

import random
from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.filter import Graph

RATE = 44_100
LAYOUT = "mono"
LOUDNESS = 0.05
# Roots in Hz and the intervals above them: open fifths and ninths, which suit any picture.
ROOTS = (110.0, 123.47, 130.81, 146.83, 98.0)
CHORDS = ((1, 1.5, 2, 2.25), (1, 1.5, 2, 2.5), (1, 1.5, 1.7818, 2.25))


def chord(seed: int, seconds: float) -> Iterator[AudioFrame]:
    rng = random.Random(f"sound {seed}")
    root, chord = rng.choice(ROOTS), rng.choice(CHORDS)
    voices = (
        f"sin(2*PI*{root * ratio:.3f}*t)*(0.75+0.25*sin(2*PI*{rng.uniform(0.07, 0.21):.3f}*t+{number}))/{number + 1}"
        for number, ratio in enumerate(chord)
    )
    fade = f"min(1,t/1.2)*min(1,max(0,({seconds:.4f}-t))/1.2)"
    graph = Graph()
    source = graph.add(
        "aevalsrc", f"exprs='{LOUDNESS}*({'+'.join(voices)})*{fade}':s={RATE}:d={seconds:.4f}:c={LAYOUT}"
    )
    yield from _run(graph, source, seconds)


def recorded(file: Path, seconds: float) -> Iterator[AudioFrame]:
    """The file's sound, cut or filled with silence to so many seconds."""
    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        graph = Graph()
        source = graph.add_abuffer(template=stream)
        loaded = (frame for packet in container.demux(stream) for frame in packet.decode())
        yield from _run(graph, source, seconds, loaded)


def _run(
    graph: Graph, source: object, seconds: float, loaded: Iterator[AudioFrame] | None = None
) -> Iterator[AudioFrame]:
    samples = round(seconds * RATE)
    chain = [source, graph.add("aformat", f"sample_fmts=fltp:sample_rates={RATE}:channel_layouts={LAYOUT}"),
             graph.add("apad"), graph.add("atrim", f"end_sample={samples}"), graph.add("abuffersink")]  # fmt: skip
    for one, next_ in zip(chain, chain[1:], strict=False):
        one.link_to(next_)  # type: ignore[attr-defined]
    graph.configure()
    made = 0
    while made < samples:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            if loaded is None:
                return
            heard = next(loaded, None)
            graph.push(heard)
            if heard is None:
                loaded = None
            continue
        assert isinstance(frame, AudioFrame)
        frame.pts = made
        made += frame.samples
        yield frame
