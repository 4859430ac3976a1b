import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.middleware import HtmxDetails

from workflows import client

from . import payments
from .activities import NO_DELIVERY
from .forms import OrderForm
from .models import Order, Product
from .start import start_order

logger = logging.getLogger(__name__)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def orders(request: HttpRequest) -> HttpResponse:
    """One's own orders, with the permission to view orders everybody's, and a form for the next.

    From the database alone: the page is there without Temporal too.
    """
    refusal = payments.refusal()
    if request.method == "POST" and refusal:
        return HttpResponseForbidden(refusal)
    form = OrderForm(request.POST or None)
    if form.is_valid():
        _place(request, form)
        return redirect("orders:list")
    placed = Order.objects.select_related("product", "customer")
    if not request.user.has_perm("orders.view_order"):
        placed = placed.filter(customer_id=request.user.pk)
    context = {
        "form": form,
        "refusal": refusal,
        "orders": placed[:50],
        "products": Product.objects.all(),
        "card_limit": payments.CARD_LIMIT,
        "no_delivery": NO_DELIVERY,
    }
    template = "orders/_orders.html" if HtmxDetails(request) else "orders/list.html"
    return render(request, template, context)


def _place(request: HttpRequest, form: OrderForm) -> None:
    order = form.save(commit=False)
    order.customer = request.user
    order.amount = order.product.price * order.quantity
    order.token = form.cleaned_data["token"]
    try:
        with transaction.atomic(durable=True):  # committed now, so that a worker finds it
            order.save()
    except IntegrityError:
        # The same form once more, as by a double click.
        if not Order.objects.filter(token=order.token).exists():
            raise
        messages.info(request, "It was placed already, and is not placed twice.")
        return
    try:
        start_order(order)
    except client.UNAVAILABLE as error:
        logger.warning("%s is not started yet: %s", order, error)
        messages.warning(
            request, f"Order {order.pk} is placed, but held up: Temporal does not take it yet."
        )
    else:
        messages.success(request, f"Order {order.pk} is placed.")
