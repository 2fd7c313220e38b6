"""Real media files for tests, made in memory: films, pictures and sounds of the size and length one asks for."""

import io
import wave

import av
from PIL import Image


def film(
    seconds: float = 1.0,
    size: tuple[int, int] = (320, 180),
    *,
    fps: int = 24,
    codec: str = "libx264",
    kind: str = "mp4",
) -> bytes:
    """Grey that gets lighter."""
    data = io.BytesIO()
    with av.open(data, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        count = round(seconds * fps)
        for number in range(count):
            picture = Image.new("RGB", size, (255 * number // max(count - 1, 1),) * 3)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return data.getvalue()


def picture(size: tuple[int, int] = (640, 360), kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, kind)
    return data.getvalue()


def sound(seconds: float = 3.0) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * round(8000 * seconds)))
    return data.getvalue()
