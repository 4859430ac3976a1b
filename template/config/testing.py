"""Settings for the tests: development's, with a data folder of their own.

So tests run beside a running stack and never meet its database, its mails or its heartbeats.
"""

import atexit
import os
import shutil
import tempfile

DATA_DIR = tempfile.mkdtemp(prefix="test-")
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)

os.environ["DJANGO_DEBUG"] = "true"
os.environ["DATA_DIR"] = DATA_DIR
# The stack in whose shell the tests may have been started.
os.environ.pop("PC_SOCKET_PATH", None)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
