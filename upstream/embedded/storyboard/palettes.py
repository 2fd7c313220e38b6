"""The colours of a scene by its time of day: a few inks on tinted paper, as a storyboard artist would have them."""

import colorsys
import random
from dataclasses import dataclass

from upstream.embedded.storyboard.picture import Colour

HUE_PLAY = 0.035  # of the colour circle, to either side: two takes differ, and night stays night


@dataclass(frozen=True, slots=True)
class Palette:
    sky: tuple[Colour, Colour]  # at the top, at the horizon
    far: Colour
    near: Colour
    ink: Colour  # outlines
    light: Colour  # sun, moon, windows


_BY_TIME: dict[str, tuple[tuple[str, str, str, str, str, str], ...]] = {
    #          sky top   horizon   far       near      ink       light
    "day": (("c3d7dc", "f3efe4", "b3c4c2", "536b6c", "22302f", "fff6dc"),
            ("d3d8d0", "f6f0e0", "c2c4b1", "6a6f52", "2b2d22", "fff3cf"),
            ("bcd0e4", "eef0ee", "aebfd0", "4c6078", "1f2938", "fffaf0")),
    "sunrise": (("8ea4c8", "f7cda8", "c9a7aa", "4c4866", "272339", "ffeccb"),
                ("a9a7cd", "fbd3bf", "cfa5b0", "574a68", "2c2440", "fff0d8")),
    "sunset": (("5d5c90", "f3a67c", "b67a80", "3b2f52", "1f1830", "ffdf9e"),
               ("77598a", "f7b27a", "c08272", "46304a", "23162b", "ffe3a8")),
    "night": (("0d1430", "33456f", "2a3a63", "0c1226", "070b1a", "eef1ff"),
              ("0f1b2c", "2f5566", "27485a", "0b1620", "060d14", "e9f7f2")),
    "sand": (("d6dfdf", "f7ecd8", "e3c9a0", "9a6a44", "3d2718", "fff4da"),
             ("dcd9d6", "f8e6d0", "e0bb98", "96604a", "3b221b", "fff1dc")),
    "fog": (("a9b3b7", "dfe1de", "b9c0c0", "596266", "2b3134", "f6f5ef"),
            ("b3b1b5", "e4e1de", "c0bcbe", "635f68", "302d35", "f8f5f0")),
    "neon": (("120c2c", "50246f", "35205f", "0f0a22", "08051a", "ff7ab8"),
             ("0a1230", "1f4a78", "1f2f66", "090d24", "050818", "6fe3ff")),
    "space": (("07080f", "1d2145", "2b2f5c", "10122a", "05060e", "ffe9c2"),
              ("090711", "2d1a3f", "40285a", "170f28", "07050d", "ffd9d0")),
}  # fmt: skip


def choose(time: str, rng: random.Random) -> Palette:
    top, horizon, far, near, ink, light = rng.choice(_BY_TIME[time])
    turn = rng.uniform(-HUE_PLAY, HUE_PLAY)
    colours = [_turned(bytes.fromhex(text), turn) for text in (top, horizon, far, near, ink, light)]
    return Palette((colours[0], colours[1]), *colours[2:])


def between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _turned(rgb: bytes, turn: float) -> Colour:
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in rgb))
    red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1, light, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
