"""What a prompt asks to see, as far as words tell: title, lines, time of day, place, weather, subject.

Also the stage directions with which failures are asked for, in tests and demonstrations:
`[fail: content policy]`, `[fail: internal error]`, `[fail: crash]` and `[wait: 3]`, in seconds.
"""

import re
from dataclasses import dataclass

TITLE_CHARACTERS = 56
LONGEST_WAIT_S = 60
FAILURES = ("content policy", "internal error", "crash")

_TIMES = {
    "neon": r"neon|cyberpunk|synthwave|霓虹|赛博",
    "space": r"space|galaxy|nebula|planets?|asteroid|cosmos|cosmic|astronaut|宇宙|太空|星系",
    "night": r"night|midnight|moon\w*|starry|stars|aurora|northern lights|夜|月",
    "sunrise": r"sunrise|dawn|first light|morning|日出|清晨|黎明",
    "sunset": r"sunset|dusk|golden hour|twilight|evening|日落|黄昏|傍晚",
    "fog": r"fog\w*|mist\w*|haz[ey]|overcast|storm\w*|rain\w*|grey sky|雾|雨|阴",
}
_PLACES = {
    "space": r"space|galaxy|nebula|planets?|asteroid|cosmos|cosmic|宇宙|太空|星系",
    "city": r"city|cities|street\w*|skyline|skyscrapers?|downtown|urban|rooftops?|metro|tokyo|new york|城|街|霓虹",
    "forest": r"forest|woods|jungle|trees|pines?|taiga|森林|树",
    "sea": r"sea|ocean|lake|beach|coast\w*|waves?|surf\w*|shore\w*|harbou?r|river|island|海|湖|河|浪",
    "dunes": r"desert|dunes?|sand|sahara|沙漠",
    "mountains": r"mountains?|peaks?|alps?|alpine|summit|ridges?|cliffs?|canyon|valley|glacier|雪山|山",
    "room": r"room|kitchen|studio|caf[eé]|interior|table|desk|office|product|pedestal|bottle|室|桌",
}
_WEATHER = {
    "snow": r"snow\w*|blizzard|winter|雪",
    "rain": r"rain\w*|storm\w*|drizzle|雨",
    "dust": r"firefl\w+|embers?|sparks?|dust|pollen|particles|confetti|萤火",
}
_SUBJECTS = {
    "bust": r"portrait|close[- ]?up of (an? )?(man|woman|girl|boy|face)|face|smil\w+|the subject|eyes|特写|微笑",
    "balloon": r"balloons?|气球",
    "boat": r"boats?|ships?|sail\w*|yacht|船|帆",
    "car": r"cars?|truck drives|vehicle|driv\w+|road trip|车",
    "tent": r"tents?|camp\w*|cabin|帐篷",
    "bottle": r"bottles?|perfume|product|瓶",
    "cup": r"coffee|cups?|mug|tea|latte|咖啡|茶",
    "birds": r"birds?|gulls?|flock|eagles?|geese|鸟|鹰",
    "figure": r"man|woman|girl|boy|person|walker|hiker|dancer|runner|traveler|traveller|people|child|人|女孩|男孩",
}
_HOMES = {"boat": "sea", "cup": "room", "bottle": "room"}  # where a subject is at home if no place is named
_DIRECTION = re.compile(r"\[(fail|wait):\s*([^\]]*)\]", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^(an?\s+|the\s+)?((cinematic|epic|slow|smooth|beautiful|sweeping|wide|close[- ]?up|aerial|drone|tracking|handheld"
    r"|establishing|static|macro|low[- ]angle|overhead)[\s,]+)*(drone\s+)?(shot|view|footage|video|clip)\s+"
    r"((flying|moving|gliding)\s+)?(over|of|through|in|across|from|above|along|at)\s+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    title: str
    lines: tuple[str, ...]  # sentence by sentence
    time: str
    place: str
    weather: str
    subject: str
    failure: str = ""
    wait_s: float = 0.0


def read(prompt: str) -> Asked:
    directions = {kind.lower(): value.strip().lower() for kind, value in _DIRECTION.findall(prompt)}
    text = " ".join(_DIRECTION.sub(" ", prompt).split())
    lines = tuple(line.strip() for line in re.split(r"(?<=[.!?;])\s+|(?<=[。！？；])", text) if line.strip())
    weather, subject = _first(_WEATHER, text), _first(_SUBJECTS, text)
    title = _title(lines[0] if lines else "")
    return Asked(
        title=title,
        lines=_under(title, lines),
        time=_first(_TIMES, text) or "day",
        place=_first(_PLACES, text) or _HOMES.get(subject, "hills"),
        weather=weather,
        subject=subject,
        failure=directions.get("fail", ""),
        wait_s=_seconds(directions.get("wait", "")),
    )


def _first(table: dict[str, str], text: str) -> str:
    """The one whose word comes first in the text: what is named first is usually meant most."""
    places = {
        name: found.start()
        for name, words in table.items()
        if (found := re.search(rf"(?<![a-z])(?:{words})(?![a-z])", text, re.IGNORECASE))
    }
    return min(places, key=lambda name: places[name], default="")


def _under(title: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """What the title does not say yet."""
    first = lines[0] if lines else ""
    if first.lower().startswith(title.lower()):
        first = first[len(title) :].strip(" ,.;:!?。，")
    return tuple(line[0].upper() + line[1:] for line in (first, *lines[1:]) if line)


def _title(sentence: str) -> str:
    words = _LEAD_IN.sub("", sentence).rstrip(".!?;。！？；")
    if len(words) > TITLE_CHARACTERS:
        clause = re.split(r"[,，:—]\s*|\s+(?:with|while|as)\s+", words)[0]
        words = clause if len(clause) >= 8 else words
    if len(words) > TITLE_CHARACTERS:
        words = words[:TITLE_CHARACTERS].rsplit(" ", 1)[0].rstrip(",") + "…"
    return words[:1].upper() + words[1:]


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 0.0), LONGEST_WAIT_S)
    except ValueError:
        return 0.0
