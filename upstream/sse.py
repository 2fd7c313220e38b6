"""Server-sent events: bytes as they arrive in, the data of each event out. Knows nothing of what the data means."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Parser:
    """Feed it the stream in pieces of any size; the events are the same however the bytes were cut.

    Events without data, comments and the event, id and retry fields are dropped. An event above `cap` bytes
    ends the parsing: `overflowed` is true from then on and nothing more comes out.
    """

    def __init__(self, *, cap: int) -> None:
        self.overflowed = False
        self._cap = cap
        self._rest = b""  # the event still under way, its lines ended by LF
        self._at_start = True
        self._ended_in_cr = False  # a LF that comes next belongs to that line end

    def feed(self, data: bytes) -> list[bytes]:
        """The data of every event these bytes complete."""
        if self.overflowed:
            return []
        if self._at_start or self._ended_in_cr or b"\r" in data:
            data = self._plain(data)
        text = self._rest + data
        events = text.split(b"\n\n")
        if len(text) > self._cap:
            events = self._up_to_overflow(events)
        self._rest = events.pop()
        return [data for event in events if (data := _data(event))]

    def end(self) -> list[bytes]:
        """The data of the last event, where the stream stopped without the blank line that ends it."""
        last, self._rest = _data(self._rest), b""
        return [last] if last else []

    def _plain(self, data: bytes) -> bytes:
        """The same with LF for every line end and without the byte order mark."""
        if self._at_start:
            data = self._rest + data
            if len(data) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(data):
                self._rest = data
                return b""
            self._at_start, self._rest = False, b""
            data = data.removeprefix(BYTE_ORDER_MARK)
        if not data:
            return data
        if self._ended_in_cr:
            data = data.removeprefix(b"\n")
        self._ended_in_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _up_to_overflow(self, events: list[bytes]) -> list[bytes]:
        for index, event in enumerate(events):
            if len(event) > self._cap:
                self.overflowed = True
                return [*events[:index], b""]
        return events


def _data(event: bytes) -> bytes:
    if event.startswith(b"data: ") and b"\n" not in event:  # nearly all of them
        return event[6:]
    fields = [line.partition(b":") for line in event.split(b"\n")]
    return b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data")
