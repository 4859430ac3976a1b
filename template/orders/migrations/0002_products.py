"""Something to sell from the first day on, in development."""

from decimal import Decimal

from django.conf import settings
from django.db import migrations

PRODUCTS = [("Kettle", "39.00", 12), ("Lamp", "120.00", 5), ("Bicycle", "749.00", 2)]


def stock_the_shelf(apps, schema_editor):
    if not settings.DEBUG:
        return
    Product = apps.get_model("orders", "Product")
    Product.objects.bulk_create(
        Product(name=name, price=Decimal(price), stock=stock) for name, price, stock in PRODUCTS
    )


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]
    operations = [migrations.RunPython(stock_the_shelf, migrations.RunPython.noop)]
