"""`OrderWorkflow`: whatever fails, and however often, the books balance afterwards."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from accounts.models import User
from orders import activities, payments
from orders.activities import NO_DELIVERY, Step
from orders.models import Order, Product, Reservation, Shipment
from orders.start import start_missing, start_order, workflow_id
from workflows.fixtures import Temporal

STOCK = 5
STEPS = ["reserve_stock", "charge", "ship"]
COMPENSATIONS = ["recall_shipment", "refund", "release_stock"]


@pytest.fixture(autouse=True)
def payments_folder(settings, tmp_path) -> None:
    settings.DATA_DIR = tmp_path


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


@pytest.fixture
def start_workers(temporal: Temporal, product: Product) -> Iterator[Callable[..., None]]:
    """Starts the project's workers, with other functions in the place of activities."""
    with contextlib.ExitStack() as running:

        def start(**replaced: Callable[[Step], None]) -> None:
            fakes = [activity.defn(name=name)(fake) for name, fake in replaced.items()]
            running.enter_context(temporal.workers(*fakes))

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


def test_a_second_start_changes_nothing(start_workers, temporal, place):
    start_workers()
    order = place()
    run(temporal, order)
    start_order(order)
    assert_balanced(order, "shipped")


def test_the_page_refuses_an_order_of_nothing(client, user, product):
    client.force_login(user)
    form = {"product": product.pk, "quantity": 0, "address": "London"}
    page = client.post(reverse("orders:list"), form)
    assert "greater than or equal to 1" in page.content.decode()
    assert not Order.objects.exists()


def test_the_page_places_orders_and_shows_ones_own(start_workers, temporal, client, user, product):
    start_workers()
    client.force_login(user)
    page = reverse("orders:list")
    form = {"product": product.pk, "quantity": 2, "address": "London"}
    assert "is placed." in client.post(page, form, follow=True).content.decode()
    temporal.wait_until(
        lambda: "shipped" in client.get(page).content.decode(), "the order to be shipped"
    )
    assert_balanced(Order.objects.get(), "shipped")
    other = User.objects.create_user("eve@example.com", name="Eve")
    client.force_login(other)
    assert "No order was placed yet." in client.get(page).content.decode()
    client.force_login(User.objects.create_user("grace@example.com", name="Grace", is_staff=True))
    assert "for Ada" in client.get(page).content.decode()


def test_the_page_keeps_an_order_while_temporal_is_down(client, user, product):
    client.force_login(user)
    form = {"product": product.pk, "quantity": 2, "address": "London"}
    page = client.post(reverse("orders:list"), form, follow=True).content.decode()
    assert "held up" in page
    assert "placed" in page


def test_the_sweep_starts_an_order_that_temporal_missed(start_workers, temporal, place):
    start_workers()
    order = place()
    start_missing(timezone.now())
    assert temporal.result(workflow_id(order.pk)) == "shipped"
