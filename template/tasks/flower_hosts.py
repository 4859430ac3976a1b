"""Flower for this machine only, for it has no login: on loopback, and under its own names.

A page of another site can reach loopback by a name of that site's that leads here (DNS rebinding).
"""

import logging
import os

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from flower.app import Flower
from tornado.httputil import HTTPServerRequest
from tornado.web import ErrorHandler

from config.env import text

logger = logging.getLogger(__name__)

# Flower takes its options from such variables; the command line beats them.
os.environ["FLOWER_ADDRESS"] = text("FLOWER_ADDRESS", "127.0.0.1")

_find_handler = Flower.find_handler


def find_handler(self: Flower, request: HTTPServerRequest, **kwargs: object) -> object:
    """Return what answers this request: nothing of Flower's, if it came to a foreign name."""
    domain, _ = split_domain_port(request.host)
    if validate_host(domain, settings.FLOWER_ALLOWED_HOSTS):
        return _find_handler(self, request, **kwargs)
    logger.warning("Refused a request to %r: not in FLOWER_ALLOWED_HOSTS", request.host)
    return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})


Flower.find_handler = find_handler
