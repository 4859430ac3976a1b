"""PostgreSQL's settings, included by `config/settings`. See `postgres/.env.example`."""

from django.db.backends.postgresql.client import DatabaseClient

from config.env import port, text
from postgres.serve import program

if not text("DATABASE_URL"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "PORT": port("POSTGRES_PORT", 5432),
            # The password, which `postgres/serve.py` has made up: libpq reads it, nobody else.
            "OPTIONS": {"passfile": str(DATA_DIR / "postgres" / "passfile")},
            "CONN_HEALTH_CHECKS": True,
        }
    }

# What `just manage dbshell` opens.
DatabaseClient.executable_name = program("psql")
