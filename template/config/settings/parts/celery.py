"""Celery's settings. `config.settings` runs this file in its own scope, after `base.py`.

All names and defaults: https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

from urllib.parse import parse_qsl, urlsplit

from kombu import Queue

from config import forwarding
from config.env import number, port, text, texts, url

INSTALLED_APPS += ["django_celery_beat"]

FLOWER_PORT = port("FLOWER_PORT", 5555)
FLOWER_URL = forwarding.address(FLOWER_PORT)
FLOWER_ALLOWED_HOSTS = [".localhost", "127.0.0.1", "[::1]", forwarding.host(FLOWER_PORT)]
FLOWER_ALLOWED_HOSTS += texts("FLOWER_ALLOWED_HOSTS")


# The broker

CELERY_BROKER_URL = url(
    "CELERY_BROKER_URL", f"redis://127.0.0.1:{port('REDIS_PORT', 6379)}/1", ("redis", "rediss")
)
if CELERY_BROKER_URL.startswith("rediss:"):
    # Kombu would not look at the server's certificate, and Flower not at the address's options.
    options = dict(parse_qsl(urlsplit(CELERY_BROKER_URL).query))
    CELERY_BROKER_USE_SSL = CELERY_REDIS_BACKEND_USE_SSL = {"ssl_cert_reqs": "required"} | options
# A request that publishes a task must not hang with Redis: the error comes within a second.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_POOL_LIMIT = 100  # more than a process has threads: they would wait for each other
prefix = {"global_keyprefix": text("CELERY_KEY_PREFIX")}
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **prefix,
    "max_retries": 0,
    "socket_connect_timeout": 0.25,  # for each address of a name
    "socket_timeout": 0.5,
    # Longer than any task and any countdown. A killed worker's do not wait: `tasks/recovery.py`.
    "visibility_timeout": 7 * 24 * 60 * 60,
}
# A worker, on the other hand, waits for Redis for as long as it takes.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None


# Queues and tasks

# A worker without -Q or -X takes from all of them, from the first that has something.
CELERY_TASK_QUEUES = [
    Queue("celery"),  # the default: tasks of a second or two
    Queue("mail"),  # e-mails: a mail server may take minutes to answer
    Queue("slow"),  # other tasks that take longer
    Queue("io"),  # tasks that only wait, many at a time: tasks/README.md, "Scale"
    Queue("bulk"),  # very many e-mails
]
CELERY_TASK_CREATE_MISSING_QUEUES = False  # no worker would take from one that is misspelt
CELERY_BROKER_TRANSPORT_OPTIONS["queue_order_strategy"] = "priority"
# Celery itself reads it, and says less of a mistake.
if text("CELERY_WORKER_CONCURRENCY") != "auto":
    number("CELERY_WORKER_CONCURRENCY", 1)
# Acknowledge a task when it is done, so that one whose worker dies runs again.
CELERY_TASK_ACKS_LATE = True
# A killed pool process counts as a retry: `max_retries` ends the loop of a task that kills its own.
CELERY_TASK_RETRY_ON_WORKER_LOST = True
# Without its connection a worker cannot acknowledge: stop the task here, for it runs again.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# Seconds. First an exception in the task, then the end of its process. Threads have no limits.
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_TIME_LIMIT = 110
CELERY_WORKER_REDIRECT_STDOUTS = False  # what a task prints is no warning, nor a breakpoint()
# Take no more messages than can run now; one that waits behind a long task is of use elsewhere.
CELERY_WORKER_DISABLE_PREFETCH = True


# Results

# Storing every result halves the throughput, so a task whose result is read asks for it.
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 60 * 60  # seconds
# A page that asks for a result does not hang with Redis either.
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 0.25
CELERY_REDIS_SOCKET_TIMEOUT = 0.4
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"retry_policy": {"max_retries": 0}, **prefix}


# Periodic tasks

# The schedule is in the database, editable in the admin.
CELERY_BEAT_SCHEDULER = "tasks.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # seconds until an edit counts
CELERY_TIMEZONE = TIME_ZONE
