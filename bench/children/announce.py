"""Makes a database with users, and an announcement to them: `python announce.py USERS`."""

import os
import sys

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django

django.setup()

from django.core.management import call_command  # noqa: E402

from accounts.models import User  # noqa: E402
from announcements.models import Announcement  # noqa: E402
from announcements.tasks import start  # noqa: E402

call_command("migrate", verbosity=0)
fields = {"name": "Ada", "password": "!"}
users = (User(email=f"u{number}@example.com", **fields) for number in range(int(sys.argv[1])))
User.objects.bulk_create(users, batch_size=5000)
text = {"subject": "News", "text": "There is something new."}
start(Announcement.objects.create(**text, last_user_id=User.objects.latest("pk").pk).pk)
