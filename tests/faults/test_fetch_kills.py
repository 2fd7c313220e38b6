"""A worker that is killed while it copies a clip: the clip is copied by the next, once, and nothing is left behind."""

import json
import signal
import subprocess
import sys
import time

from tests import films
from tests.file_host import running_file_host
from tests.server import ROOT, RunningServer, installation

SCENE = """
from accounts.callers import Caller
from accounts.models import Membership
from emma18_site import onboarding
from upstream.video import Task
from videos import lifecycle, modes, requests
user, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight")
asked = requests.read({{"prompt": "A hare", "model": modes.STORYBOARD}})
task = lifecycle.submit(Caller(user=user, team=team, role=Membership.Role.OWNER), asked, request_id="req_1").task
lifecycle.record([(task, Task(id="sb-1", status="succeeded", video_url="{url}", tokens=1))])
print(task.pk)
"""
FETCH = "import sys, django; django.setup(); from videos import jobs; jobs.fetch(int(sys.argv[1]))"
LAPSE = """
from datetime import timedelta
from django.db.models import F
from videos.models import VideoTask
VideoTask.objects.filter(fetch_lease_until__isnull=False).update(fetch_lease_until=F("created_at") - timedelta(days=1))
"""
LOOK = """
import json
from pathlib import Path
from django.conf import settings
from videos import fetching, storage
from videos.models import Media, TaskEvent, VideoTask
task = VideoTask.objects.get()
due = fetching.enqueue_due()
storage.STALE_S = -1
left = len(list(settings.INCOMING_DIR.iterdir()))
storage.tidy()
files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
print(json.dumps({"fetch": task.fetch, "due": due, "left": left, "rows": Media.objects.count(), "files": len(files),
                  "stored": TaskEvent.objects.filter(what="stored").count(),
                  "sizes": [Path(settings.MEDIA_ROOT, media.file).stat().st_size for media in Media.objects.all()]}))
"""


def worker(server: RunningServer, task: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH, task], env=server.environment, cwd=ROOT)


def look(server: RunningServer) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.run_python(LOOK))
    return found


def test_a_worker_killed_in_the_middle_of_a_download_loses_nothing():
    film = films.film(2.0, (640, 360))
    with installation() as server, running_file_host() as host:
        host.body, host.waits = film, True
        task = server.run_python(SCENE.format(url=host.url)).strip()
        first = worker(server, task)
        while not host.asked:
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait()
        while_leased = look(server)
        server.run_python(LAPSE)
        after = look(server)
        host.waits = False
        assert worker(server, task).wait() == 0
        assert worker(server, task).wait() == 0
        found = look(server)

    assert (while_leased["fetch"], while_leased["due"], while_leased["left"]) == ("due", 0, 1)
    assert after["due"] == 1
    assert found == {
        "fetch": "stored", "due": 0, "left": 0, "rows": 1, "files": 4, "stored": 1, "sizes": [len(film)]
    }  # fmt: skip
    assert len(host.asked) == 2
