"""The page of the onboarding."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import User
from workflows.onboarding.start import start_onboarding


@pytest.fixture
def page_of(client, user: User):
    """Returns a page as the user sees it."""
    client.force_login(user)
    return lambda address: client.get(address, follow=True).content.decode()


def test_one_sees_the_wait_and_skips_it(temporal, workers, user, client, page_of):
    page = reverse("workflows:onboarding")
    start_onboarding(user.pk)
    waiting = re.compile(r'Waiting until.*action="([^"]+/skip-wait/)"', re.DOTALL)
    skip = temporal.wait_until(lambda: waiting.search(page_of(page)), "the wait")[1]
    assert [message.subject for message in mail.outbox] == ["Welcome!"]
    assert "The follow-up is on its way." in client.post(skip, follow=True).content.decode()
    temporal.wait_until(lambda: len(mail.outbox) == 2, "the follow-up")
    temporal.wait_until(lambda: "Done." in page_of(page), "the end")


def test_the_page_says_that_temporal_is_down(client, user, page_of):
    page = page_of(reverse("workflows:onboarding"))
    assert "Temporal does not answer" in page
    assert "promised for" in page  # what the database knows
    skip = client.post(reverse("workflows:skip_wait"), follow=True)
    assert "could not be skipped" in skip.content.decode()
