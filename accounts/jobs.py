"""This room's background jobs, by the names under which they are queued."""

from accounts import heartbeats, queue


def beat(heartbeat_id: int) -> None:
    """Every few seconds, to prove that the cluster works. See emma18_site/clusters.py."""
    heartbeats.beat(heartbeat_id)


def forget_failures() -> None:
    """Every day."""
    queue.forget_failures()
