"""`OrderWorkflow`: whatever fails, and however often, the books balance afterwards."""

import contextlib
import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from accounts.models import User
from orders import activities, payments
from orders.activities import NO_DELIVERY, Step
from orders.models import Order, Product, Reservation, Shipment
from orders.start import start_missing, start_order, workflow_id
from workflows.emails import EmailInput
from workflows.fixtures import Temporal
from workflows.observe import Observation

STOCK = 5
STEPS = ["reserve_stock", "charge", "ship"]
COMPENSATIONS = ["recall_shipment", "refund", "release_stock"]


@pytest.fixture(autouse=True)
def development(settings) -> None:
    settings.DEBUG = True


@pytest.fixture
def product(transactional_db) -> Product:
    return Product.objects.create(name="Teapot", price=Decimal("20.00"), stock=STOCK)


@pytest.fixture
def place(product: Product, user: User) -> Callable[..., Order]:
    """Places an order, without starting its workflow."""

    def place(quantity: int = 2, address: str = "London", price: int = 20) -> Order:
        return Order.objects.create(
            customer=user,
            product=product,
            quantity=quantity,
            amount=Decimal(price * quantity),
            address=address,
        )

    return place


def assert_balanced(order: Order, outcome: str) -> None:
    """Stock, money and parcels agree with what the order says."""
    order.refresh_from_db()
    assert order.state == outcome
    reserved = Reservation.objects.filter(order=order, released_at=None)
    parcels = Shipment.objects.filter(order=order, recalled_at=None)
    paid = payments.balance(f"{workflow_id(order.pk)}/charge")
    stock = Product.objects.get(pk=order.product_id).stock
    if outcome == "shipped":
        assert [row.quantity for row in reserved] == [order.quantity]
        assert stock == STOCK - order.quantity
        assert paid == order.amount
        assert parcels.count() == 1
    else:
        assert order.reason
        assert (stock, paid) == (STOCK, 0)
        assert not reserved.exists()
        assert not parcels.exists()


def run(temporal: Temporal, order: Order) -> str:
    start_order(order)
    return temporal.result(workflow_id(order.pk))


def fakes(**replaced: Callable) -> list[Callable]:
    """These functions as activities of those names."""
    return [activity.defn(name=name)(fake) for name, fake in replaced.items()]


@pytest.fixture
def start_workers(temporal: Temporal, product: Product) -> Iterator[Callable[..., None]]:
    """Starts the project's workers, with other functions in the place of activities."""
    with contextlib.ExitStack() as running:

        def start(**replaced: Callable[[Step], None]) -> None:
            running.enter_context(temporal.workers(*fakes(**replaced)))

        yield start


def test_an_order_is_shipped_and_gets_a_receipt(start_workers, temporal, place, product):
    start_workers()
    order = place()
    assert run(temporal, order) == "shipped"
    assert_balanced(order, "shipped")
    assert [message.subject for message in mail.outbox] == [f"Your order {order.pk}"]


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        ({"quantity": STOCK + 1}, "not enough Teapot"),
        ({"price": 501}, "limit"),
        ({"address": NO_DELIVERY}, "does not go to"),
    ],
    ids=STEPS,
)
def test_a_refusal_at_any_step_takes_everything_back(
    start_workers, temporal, place, product, refused, reason
):
    start_workers()
    order = place(**refused)
    assert run(temporal, order) == "cancelled"
    assert_balanced(order, "cancelled")
    assert reason in order.reason
    assert mail.outbox == []


def test_the_last_step_is_taken_back_first(start_workers, temporal, place):
    taken_back = []

    def recording(name: str) -> Callable[[Step], None]:
        def record(step: Step) -> None:
            taken_back.append(name)
            getattr(activities, name)(step)

        return record

    start_workers(**{name: recording(name) for name in COMPENSATIONS})
    run(temporal, place(address=NO_DELIVERY))
    assert taken_back == COMPENSATIONS


def failing(name: str, times: int, *, after_the_effect: bool) -> Callable[[Step], None]:
    """The activity, but its first attempts fail, with or without having had their effect."""
    attempts = itertools.count()

    def fail(step: Step) -> None:
        fails = next(attempts) < times
        if after_the_effect or not fails:
            getattr(activities, name)(step)
        if fails:
            raise RuntimeError("the connection is lost")

    return fail


@pytest.mark.parametrize("after_the_effect", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_fails_for_a_while_has_its_effect_once(
    start_workers, temporal, place, name, after_the_effect
):
    start_workers(**{name: failing(name, 3, after_the_effect=after_the_effect)})
    order = place()
    assert run(temporal, order) == "shipped"
    assert_balanced(order, "shipped")


@pytest.mark.parametrize("after_the_effect", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", COMPENSATIONS)
def test_a_compensation_is_tried_until_it_is_done(
    start_workers, temporal, place, name, after_the_effect
):
    start_workers(**{name: failing(name, 10, after_the_effect=after_the_effect)})
    order = place(address=NO_DELIVERY)
    assert run(temporal, order) == "cancelled"
    assert_balanced(order, "cancelled")


@pytest.mark.parametrize("after_the_effect", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_never_succeeds_is_taken_back(
    start_workers, temporal, place, name, after_the_effect
):
    start_workers(**{name: failing(name, 1_000_000, after_the_effect=after_the_effect)})
    order = place()
    assert run(temporal, order) == "cancelled"
    assert_balanced(order, "cancelled")


def test_an_order_that_is_called_off_leaves_nothing_behind(start_workers, temporal, place):
    start_workers(charge=failing("charge", 1_000_000, after_the_effect=True))
    order = place()
    start_order(order)
    key = f"{workflow_id(order.pk)}/charge"
    temporal.wait_until(lambda: payments.balance(key), "the money to be taken")
    temporal.run(temporal.handle(workflow_id(order.pk)).cancel())
    with pytest.raises(WorkflowFailureError):
        temporal.result(workflow_id(order.pk))
    assert_balanced(order, "cancelled")
    assert order.reason == "it was called off"


def cancelling(temporal: Temporal, name: str, *, after_the_effect: bool) -> Callable[..., None]:
    """The activity, during which somebody cancels the workflow."""

    def cancel(*arguments) -> None:
        if after_the_effect:
            getattr(activities, name)(*arguments)
        temporal.run(temporal.handle(activity.info().workflow_id).cancel())
        if not after_the_effect:
            getattr(activities, name)(*arguments)

    def step(step: Step) -> None:
        cancel(step)

    def cancel_order(order_id: int, reason: str) -> None:
        cancel(order_id, reason)

    return cancel_order if name == "cancel_order" else step


def cancelled(temporal: Temporal, order: Order) -> bool:
    """Wait for the workflow's end, and return whether it ended as one that was cancelled."""
    try:
        assert temporal.result(workflow_id(order.pk)) in ("cancelled", "shipped")
    except WorkflowFailureError as error:
        assert isinstance(error.cause, CancelledError)
        return True
    return False


# On the real server: the one that skips time takes no cancel while an activity ends.


@pytest.mark.parametrize("after_the_effect", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", STEPS)
def test_a_cancel_at_any_step_takes_everything_back(
    real_temporal, transactional_db, place, name, after_the_effect
):
    fake = cancelling(real_temporal, name, after_the_effect=after_the_effect)
    with real_temporal.workers(*fakes(**{name: fake})):
        order = place()
        start_order(order)
        assert cancelled(real_temporal, order)
    assert_balanced(order, "cancelled")
    assert order.reason == "it was called off"


@pytest.mark.parametrize("after_the_effect", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", [*COMPENSATIONS, "cancel_order"])
def test_a_cancel_while_it_is_taken_back_changes_nothing(
    real_temporal, transactional_db, place, name, after_the_effect
):
    fake = cancelling(real_temporal, name, after_the_effect=after_the_effect)
    with real_temporal.workers(*fakes(**{name: fake})):
        order = place(address=NO_DELIVERY)
        start_order(order)
        assert not cancelled(real_temporal, order)
    assert_balanced(order, "cancelled")


def test_a_cancel_before_the_first_step_cancels_the_order(real_temporal, transactional_db, place):
    order = place()
    start_order(order)
    real_temporal.run(real_temporal.handle(workflow_id(order.pk)).cancel())
    with real_temporal.workers():
        assert cancelled(real_temporal, order)
    assert_balanced(order, "cancelled")


def test_a_cancel_after_the_shipment_is_too_late(real_temporal, transactional_db, place):
    def cancel(input: EmailInput) -> None:
        real_temporal.run(real_temporal.handle(activity.info().workflow_id).cancel())

    with real_temporal.workers(*fakes(send_email=cancel)):
        order = place()
        start_order(order)
        assert not cancelled(real_temporal, order)
    assert_balanced(order, "shipped")


@pytest.mark.parametrize(("step", "undo"), list(zip(STEPS, reversed(COMPENSATIONS), strict=True)))
def test_a_step_that_comes_after_its_compensation_is_refused(place, step, undo):
    """It timed out, and was still running somewhere."""
    order = place()
    for name in STEPS[: STEPS.index(step)]:
        getattr(activities, name)(Step(order.pk, f"{workflow_id(order.pk)}/{name}"))
    late = Step(order.pk, f"{workflow_id(order.pk)}/{step}")
    getattr(activities, undo)(late)
    getattr(activities, undo)(late)
    with pytest.raises(ApplicationError, match="called off"):
        getattr(activities, step)(late)
    getattr(activities, undo)(late)


@pytest.mark.parametrize("reason", ["no", "x" * 1000])
def test_a_reason_of_any_length_is_taken(place, reason):
    order = place()
    activities.cancel_order(order.pk, reason)
    order.refresh_from_db()
    assert order.reason[:150] == reason[:150]
    assert len(order.reason) <= 200


def test_a_customer_reads_nothing_of_the_inside(start_workers, temporal, place, caplog):
    start_workers(charge=failing("charge", 1_000_000, after_the_effect=False))
    order = place()
    run(temporal, order)
    order.refresh_from_db()
    assert order.reason == "something went wrong on our side"
    assert "charge failed for good: RuntimeError" in caplog.text
    assert "the connection is lost" in caplog.text


def test_a_payment_is_outside_of_every_transaction_of_the_shop(transactional_db):
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        payments.charge("order-1/charge", Decimal("20.00"))


def test_a_second_start_changes_nothing(start_workers, temporal, place):
    start_workers()
    order = place()
    run(temporal, order)
    start_order(order)
    assert_balanced(order, "shipped")


def form_for(product: Product) -> dict[str, object]:
    return {"product": product.pk, "quantity": 2, "address": "London", "token": uuid.uuid4()}


def test_a_double_click_is_one_order(client, user, product):
    client.force_login(user)
    page = reverse("orders:list")
    token = re.search(r'name="token" value="([^"]+)"', client.get(page).content.decode())[1]
    form = form_for(product) | {"token": token}
    assert "is placed, but held up" in client.post(page, form, follow=True).content.decode()
    assert "is not placed twice" in client.post(page, form, follow=True).content.decode()
    assert Order.objects.count() == 1
    assert token not in client.get(page).content.decode()
    client.post(page, form_for(product))
    assert Order.objects.count() == 2


def test_nobody_pays_with_debug_off(start_workers, temporal, place, client, user, settings):
    settings.DEBUG = False
    client.force_login(user)
    order = place()
    assert "an example for development" in client.get(reverse("orders:list")).content.decode()
    page = client.post(reverse("orders:list"), form_for(order.product))
    assert page.status_code == 403
    assert b"an example for development" in page.content
    assert Order.objects.count() == 1

    # Nor an order that is there for another reason.
    start_workers()
    assert run(temporal, order) == "cancelled"
    assert "an example for development" in Order.objects.get().reason
    assert_balanced(order, "cancelled")


@pytest.mark.parametrize("debug", [True, False])
def test_the_shop_has_its_example_products_in_development_only(db, settings, debug):
    settings.DEBUG = debug
    Product.objects.all().delete()
    migration = import_module("orders.migrations.0002_products")
    migration.stock_the_shelf(apps, None)
    assert Product.objects.exists() == debug


def test_the_page_refuses_an_order_of_nothing(client, user, product):
    client.force_login(user)
    form = form_for(product) | {"quantity": 0}
    page = client.post(reverse("orders:list"), form)
    assert "greater than or equal to 1" in page.content.decode()
    assert not Order.objects.exists()


def test_the_page_places_orders_and_shows_ones_own(start_workers, temporal, client, user, product):
    start_workers()
    client.force_login(user)
    page = reverse("orders:list")
    form = form_for(product)
    assert "is placed." in client.post(page, form, follow=True).content.decode()
    temporal.wait_until(
        lambda: "shipped" in client.get(page).content.decode(), "the order to be shipped"
    )
    assert_balanced(Order.objects.get(), "shipped")
    other = User.objects.create_user("eve@example.com", name="Eve")
    client.force_login(other)
    assert "No order was placed yet." in client.get(page).content.decode()
    other.user_permissions.add(Permission.objects.get(codename="view_order"))
    assert "for Ada" in client.get(page).content.decode()


def test_the_page_keeps_an_order_while_temporal_is_down(client, user, product):
    client.force_login(user)
    form = form_for(product)
    page = client.post(reverse("orders:list"), form, follow=True).content.decode()
    assert "held up" in page
    assert "placed" in page


def test_the_sweep_starts_an_order_that_temporal_missed(start_workers, temporal, place):
    start_workers()
    order = place()
    start_missing(timezone.now())
    assert temporal.result(workflow_id(order.pk)) == "shipped"


def leave_at(state: str, order: Order) -> None:
    """Take the order so far, and leave its workflow running there, without a worker."""
    start_order(order)
    for name in STEPS[: ["placed", "reserved", "paid"].index(state)]:
        step = "reserve" if name == "reserve_stock" else name
        getattr(activities, name)(Step(order.pk, f"{workflow_id(order.pk)}/{step}"))


@pytest.mark.parametrize("state", Order.UNFINISHED)
def test_the_sweep_charges_nothing_after_an_operators_terminate(
    start_workers, temporal, place, admin_client, state
):
    order = place()
    leave_at(state, order)
    start_missing(timezone.now())  # it runs, and is left alone
    order.refresh_from_db()
    assert order.state == state

    temporal.run(temporal.handle(workflow_id(order.pk)).terminate())
    start_workers()
    paid = payments.balance(f"{workflow_id(order.pk)}/charge")
    for _ in range(2):
        start_missing(timezone.now())
    order.refresh_from_db()
    assert order.state == "stopped"
    assert payments.balance(f"{workflow_id(order.pk)}/charge") == paid
    with pytest.raises(ApplicationError, match="stopped"):  # a step that was still running
        activities.charge(Step(order.pk, f"{workflow_id(order.pk)}/charge"))

    # Somebody decides.
    action = {"action": "take_back", "_selected_action": [order.pk]}
    admin_client.post(reverse("admin:orders_order_changelist"), action)
    assert temporal.result(workflow_id(order.pk)) == "cancelled"
    assert_balanced(order, "cancelled")
    temporal.record(workflow_id(order.pk), "stopped")


@pytest.mark.parametrize("state", Order.UNFINISHED)
def test_the_sweep_takes_back_what_a_cancelled_workflow_left(
    start_workers, temporal, place, monkeypatch, state
):
    """Earlier versions let a cancel end the workflow while it took the order back."""
    order = place()
    leave_at(state, order)
    seen = Observation("canceled", problems=[])
    monkeypatch.setattr("orders.start.observe", lambda _: seen)
    temporal.run(temporal.handle(workflow_id(order.pk)).terminate())
    start_workers()
    start_missing(timezone.now())
    assert temporal.result(workflow_id(order.pk)) == "cancelled"
    assert_balanced(order, "cancelled")


def test_the_sweep_leaves_an_order_to_a_person_that_temporal_has_lost(temporal, place):
    order = place()
    Order.objects.filter(pk=order.pk).update(state="paid")
    start_missing(timezone.now())
    order.refresh_from_db()
    assert order.state == "stopped"
