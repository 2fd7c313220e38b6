"""What the routes beside Django's share."""

import asyncio

from accounts.asgi import header
from accounts.cuts import TICK_S, Alarms


def test_of_headers_that_come_twice_the_first_counts():
    scope = {"headers": [(b"host", b"one"), (b"accept", b"text/html"), (b"host", b"two")]}

    assert [header(scope, name) for name in (b"host", b"accept", b"range")] == ["one", "text/html", ""]


async def test_an_alarm_rings_once_in_its_time_unless_it_is_cancelled():
    alarms, rung, loop = Alarms(), [], asyncio.get_running_loop()
    began = loop.time()

    def early() -> None:
        rung.append(("early", loop.time() - began))

    def late() -> None:
        rung.append(("late", loop.time() - began))

    def never() -> None:
        rung.append(("never", 0.0))

    alarms.set(never, at=began)
    alarms.set(late, at=began + 3 * TICK_S)
    alarms.set(early, at=began + TICK_S / 2)
    alarms.cancel(never)
    async with asyncio.timeout(10):
        while len(rung) < 2:
            await asyncio.sleep(TICK_S)
    await asyncio.sleep(2 * TICK_S)

    assert sorted(name for name, _ in rung) == ["early", "late"]
    assert dict(rung)["early"] >= TICK_S / 2
    assert dict(rung)["late"] >= 3 * TICK_S


def test_an_event_loop_that_ended_leaves_its_alarms_to_nobody():
    alarms, rung = Alarms(), []

    async def leaves_one() -> None:
        alarms.set(lambda: rung.append("dead"), at=0)

    async def sets_one() -> None:
        over = asyncio.Event()
        alarms.set(over.set, at=0)
        await asyncio.wait_for(over.wait(), 10)

    asyncio.run(leaves_one())
    asyncio.run(sets_one())

    assert rung == []
