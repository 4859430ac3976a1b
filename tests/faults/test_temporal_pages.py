"""The pages of workflows: what they say of a workflow, of a server that is down, and of the UI."""

import uuid

import pytest
from django.conf import settings
from django.urls import reverse

from accounts.models import User
from workflows.onboarding.start import start_onboarding, workflow_id


@pytest.fixture
def page_of(client, user: User):
    """Returns a page as the user sees it."""
    client.force_login(user)
    return lambda address: client.get(address, follow=True).content.decode()


def test_a_part_of_the_page_is_loaded_again_and_again(client, user, page_of):
    page = reverse("workflows:onboarding")
    assert 'hx-trigger="every 2s"' in page_of(page)
    part = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "E-mails" in part


def test_the_page_says_that_it_is_not_started(temporal, page_of):
    assert "Not started." in page_of(reverse("workflows:onboarding"))


def test_the_page_says_that_it_failed(temporal, workers, user, page_of):
    user.emails.all().delete()
    start_onboarding(user.pk)
    temporal.wait_until(
        lambda: "Failed." in page_of(reverse("workflows:onboarding")), "the failure"
    )


def test_the_start_page_links_to_the_ui_where_there_is_one(client, db, settings):
    settings.TEMPORAL_UI_URL = "http://localhost:8080"
    settings.DEBUG = True
    link = 'href="http://localhost:8080/namespaces/default/workflows"'
    assert link in client.get(reverse("home")).content.decode()
    settings.DEBUG = False
    assert link not in client.get(reverse("home")).content.decode()


def test_the_page_says_that_no_worker_answers(real_temporal, transactional_db, user, page_of):
    start_onboarding(user.pk)
    assert "no worker answers" in page_of(reverse("workflows:onboarding"))


def test_staff_see_what_is_stuck(real_temporal, transactional_db, client, user, admin_client):
    """A workflow whose input has another form than its code expects fails again and again."""
    real_temporal.run(
        real_temporal.client.start_workflow(
            "UserOnboardingWorkflow",
            {"user": str(uuid.uuid4())},
            id=workflow_id(user.pk),
            task_queue=settings.TEMPORAL_TASK_QUEUE,
        )
    )
    overview = reverse("admin:workflows_failedworkflow_changelist")

    def listed() -> str:
        return admin_client.get(overview).content.decode()

    assert workflow_id(user.pk) not in listed()
    # As in production, where a mistake does not fail the workflow.
    with real_temporal.workers(workflow_failure_exception_types=[]):
        real_temporal.wait_until(
            lambda: workflow_id(user.pk) in listed(), "it in the list", timeout=30
        )
    client.force_login(user)
    page = client.get(reverse("workflows:onboarding")).content.decode()
    assert "Stuck: category=WorkflowTaskFailed" in page
    assert client.get(overview).status_code == 302  # to the admin's login
    real_temporal.run(real_temporal.handle(workflow_id(user.pk)).terminate())


def test_the_list_of_failed_workflows_says_that_temporal_is_down(admin_client):
    page = admin_client.get(reverse("admin:workflows_failedworkflow_changelist"))
    assert "does not answer" in page.content.decode()


@pytest.mark.parametrize("page", ["onboarding", "skip_wait"])
def test_visitors_have_to_log_in_first(client, db, page):
    address = reverse(f"workflows:{page}")
    assert client.post(address).url == f"{reverse('accounts:login')}?next={address}"
