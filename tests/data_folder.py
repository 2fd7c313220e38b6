"""Gives each test process a data folder of its own, before settings are read. Loaded as a plugin for that reason."""

import atexit
import os
import shutil
import tempfile

for _name in [name for name in os.environ if name.startswith("EMMA18_")]:
    # A developer's own configuration must not change what is tested; these few steer the run itself.
    if not _name.startswith("EMMA18_TEST") and _name not in ("EMMA18_DATABASE_URL", "EMMA18_CHROMIUM"):
        del os.environ[_name]
_folder = tempfile.mkdtemp(prefix="emma18-test-")
os.environ["EMMA18_DATA_DIR"] = _folder
os.environ["EMMA18_LOG_LEVEL"] = "WARNING"
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
