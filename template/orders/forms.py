from uuid import uuid4

from django import forms

from .models import Order, Product


class ProductField(forms.ModelChoiceField):
    def label_from_instance(self, product: Product) -> str:
        return f"{product.name} ({product.price}, {product.stock} in stock)"


class OrderForm(forms.ModelForm):
    # The cheapest stands first, and so is chosen until somebody chooses another.
    product = ProductField(Product.objects.order_by("price"), empty_label=None)
    # Another one for each form that is shown: by it, a form that is sent twice is known.
    token = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)

    class Meta:
        model = Order
        fields = ["product", "quantity", "address"]
