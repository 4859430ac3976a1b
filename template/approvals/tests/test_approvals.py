"""`ApprovalWorkflow` and its pages: who may decide, when, and what is left to read later."""

import re
import threading
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from accounts.models import User
from approvals.activities import DecisionInput
from approvals.models import ApprovalRequest, Decision
from approvals.start import decide, start_approval, start_missing, workflow_id
from approvals.workflow import EXPIRE_AFTER, REMIND_AFTER
from workflows.fixtures import Temporal


@pytest.fixture
def approver(staff: User) -> User:
    return permitted(staff)


def permitted(user: User) -> User:
    """Let somebody of the staff decide."""
    user.user_permissions.add(Permission.objects.get(codename="add_decision"))
    return user


@pytest.fixture
def request_(user: User) -> ApprovalRequest:
    """Something that was asked for; its workflow is not started."""
    return ApprovalRequest.objects.create(requester=user, what="A new chair")


def outcome(temporal: Temporal, request: ApprovalRequest) -> str:
    return temporal.result(workflow_id(request.pk))


def post_decision(client: Client, user: User, request: ApprovalRequest, answer: str, reason=""):
    client.force_login(user)
    page = reverse("approvals:detail", args=[request.pk])
    return client.post(page, {"answer": answer, "reason": reason}, follow=True)


def form(what: str) -> dict[str, object]:
    return {"what": what, "token": uuid.uuid4()}


@pytest.mark.parametrize(("answer", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_somebody_of_the_staff_decides_on_the_page(
    temporal, workers, client, user, approver, answer, state
):
    client.force_login(user)
    page = client.post(reverse("approvals:list"), form("A new chair"), follow=True)
    assert "waiting" in page.content.decode()
    request = ApprovalRequest.objects.get()

    page = post_decision(client, approver, request, answer, "The old one is fine.")
    assert f"It is {state}." in page.content.decode()
    assert "The old one is fine." in page.content.decode()
    assert outcome(temporal, request) == state
    request.refresh_from_db()
    assert request.state == state
    decision = Decision.objects.get()
    assert (decision.decided_by, decision.approved) == (approver, answer == "approve")
    assert decision.reason == "The old one is fine."
    assert mail.outbox == []  # nobody was reminded


def test_nobody_decides_in_time(temporal, workers, request_, approver, user):
    User.objects.filter(pk=user.pk).update(is_staff=True)
    permitted(user)
    User.objects.create_user("alan@example.com", name="Alan", is_staff=True)  # may only look
    start_approval(request_)
    assert outcome(temporal, request_) == "expired"
    request_.refresh_from_db()
    assert request_.state == "expired"
    assert [message.to for message in mail.outbox] == [[approver.email]]
    assert "A new chair" in mail.outbox[0].subject
    assert not Decision.objects.exists()


def test_who_is_not_staff_may_not_decide(workers, client, request_):
    other = User.objects.create_user("eve@example.com", name="Eve")
    start_approval(request_)
    client.force_login(request_.requester)
    assert post_decision(client, request_.requester, request_, "approve").status_code == 403
    # Others do not even see it.
    assert post_decision(client, other, request_, "approve").status_code == 404
    request_.refresh_from_db()
    assert request_.state == "waiting"


def test_to_see_it_and_to_decide_take_a_permission_each(workers, client, request_, staff):
    start_approval(request_)
    assert post_decision(client, staff, request_, "approve").status_code == 404
    staff.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    assert post_decision(client, staff, request_, "approve").status_code == 403
    page = client.get(reverse("approvals:detail", args=[request_.pk])).content.decode()
    assert "A new chair" in page
    assert "Approve</button>" not in page
    permitted(staff)
    assert "It is approved." in post_decision(client, staff, request_, "approve").content.decode()


def test_a_double_click_asks_once(client, user):
    client.force_login(user)
    page = reverse("approvals:list")
    token = re.search(r'name="token" value="([^"]+)"', client.get(page).content.decode())[1]
    for answer in ("held up", "You have asked already."):
        posted = client.post(page, {"what": "A lamp", "token": token}, follow=True)
        assert answer in posted.content.decode()
    assert ApprovalRequest.objects.count() == 1
    assert token not in client.get(page).content.decode()


def test_nobody_decides_on_their_own_request(workers, client, request_, user):
    user.is_staff = True
    user.save()
    permitted(user)
    start_approval(request_)
    assert post_decision(client, user, request_, "approve").status_code == 403
    # Nor behind the page's back.
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        decide(DecisionInput(request_.pk, user.pk, approved=True))
    assert refused.value.cause.type == "NotAllowed"
    assert not Decision.objects.exists()


def test_a_forged_approver_is_refused(workers, request_):
    """Whoever reaches Temporal can send an update, with any id in it."""
    eve = User.objects.create_user("eve@example.com", name="Eve")
    alan = User.objects.create_user("alan@example.com", name="Alan", is_staff=True)
    permitted(eve)
    start_approval(request_)
    for forged in (eve.pk, alan.pk, 404):
        with pytest.raises(WorkflowUpdateFailedError):
            decide(DecisionInput(request_.pk, forged, approved=True))
    assert not Decision.objects.exists()


def test_a_refused_decision_leaves_the_request_open(temporal, workers, client, request_, approver):
    start_approval(request_)
    page = post_decision(client, approver, request_, "reject")
    assert "A rejection needs a reason." in page.content.decode()
    with pytest.raises(WorkflowUpdateFailedError):
        decide(DecisionInput(request_.pk, approver.pk, approved=False))
    history = temporal.run(temporal.handle(workflow_id(request_.pk)).fetch_history())
    assert "UPDATE" not in history.to_json()
    post_decision(client, approver, request_, "approve")
    assert outcome(temporal, request_) == "approved"


@pytest.mark.parametrize("days", [0, 1])
def test_a_cancelled_workflow_closes_the_request(
    temporal, transactional_db, request_, approver, days
):
    """Also one that is cancelled while it reminds, again and again."""
    reminding = threading.Event()

    @activity.defn(name="remind_approvers")
    def fail(request_id: int) -> None:
        reminding.set()
        raise ApplicationError("not now", next_retry_delay=timedelta(hours=1))

    with temporal.workers(fail):
        start_approval(request_)
        if days:
            temporal.sleep(REMIND_AFTER)
            assert reminding.wait(10)
        temporal.run(temporal.handle(request_.workflow_id).cancel())
        with pytest.raises(WorkflowFailureError):
            outcome(temporal, request_)
    request_.refresh_from_db()
    assert request_.state == "cancelled"


def test_the_sweep_closes_what_has_no_workflow_any_more(temporal, workers, request_):
    start_approval(request_)
    temporal.run(temporal.handle(request_.workflow_id).terminate())
    now = timezone.now()
    start_missing(now)
    request_.refresh_from_db()
    assert request_.state == "waiting"
    start_missing(now + EXPIRE_AFTER + timedelta(minutes=1))
    request_.refresh_from_db()
    assert request_.state == "cancelled"


def test_the_sweep_starts_the_oldest_first_whatever_becomes_of_one(
    temporal, workers, user, monkeypatch
):
    """However many wait whose workflows run."""
    missed = [ApprovalRequest.objects.create(requester=user, what="A chair") for _ in range(3)]
    ApprovalRequest.objects.bulk_create(
        ApprovalRequest(requester=user, what="A lamp", started_at=timezone.now())
        for _ in range(500)
    )
    started = []

    def start(request: ApprovalRequest) -> None:
        started.append(request.pk)
        if len(started) == 1:
            raise TimeoutError("Temporal was slow")

    monkeypatch.setattr("approvals.start.start_approval", start)
    with pytest.raises(TimeoutError):
        start_missing(timezone.now())
    assert started == [request.pk for request in missed]


def test_a_number_that_comes_again_starts_another_workflow(temporal, workers, user, approver):
    """As after a restored backup of the database."""
    for _ in range(2):
        request = ApprovalRequest.objects.create(pk=4242, requester=user, what="A new chair")
        start_approval(request)
        decide(DecisionInput(request.pk, approver.pk, approved=True))
        assert outcome(temporal, request) == "approved"
        Decision.objects.all().delete()
        request.delete()


def test_a_second_click_changes_nothing(workers, client, request_, approver):
    start_approval(request_)
    post_decision(client, approver, request_, "approve")
    page = post_decision(client, approver, request_, "approve")
    assert "It is approved." in page.content.decode()
    assert Decision.objects.count() == 1


def test_a_second_decision_does_not_replace_the_first(workers, client, request_, approver):
    other = permitted(User.objects.create_user("alan@example.com", name="Alan", is_staff=True))
    start_approval(request_)
    post_decision(client, approver, request_, "approve")
    page = post_decision(client, other, request_, "reject", "no")
    content = page.content.decode()
    assert "It is approved already." in content
    assert "By grace@example.com" in content
    assert Decision.objects.get().approved


def test_the_pages_need_no_worker(real_temporal, transactional_db, client, request_, approver):
    start_approval(request_)
    client.force_login(approver)
    for page in (reverse("approvals:list"), reverse("approvals:detail", args=[request_.pk])):
        assert "A new chair" in client.get(page).content.decode()
    page = post_decision(client, approver, request_, "approve")
    assert "not confirmed: no worker answered in time" in page.content.decode()


def test_the_pages_need_no_temporal(client, request_, approver):
    client.force_login(approver)
    page = client.post(reverse("approvals:list"), form("A lamp"), follow=True)
    assert "held up" in page.content.decode()
    assert "A lamp" in page.content.decode()


def test_one_sees_only_ones_own_requests(client, request_):
    client.force_login(User.objects.create_user("eve@example.com", name="Eve"))
    assert "A new chair" not in client.get(reverse("approvals:list")).content.decode()
    detail = reverse("approvals:detail", args=[request_.pk])
    assert client.get(detail).status_code == 404
    client.logout()
    assert client.get(detail).status_code == 302
