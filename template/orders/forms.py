from uuid import uuid4

from django import forms

from .models import Order, Product


class OrderForm(forms.ModelForm):
    # Another one for each form that is shown: by it, a form that is sent twice is known.
    token = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)

    class Meta:
        model = Order
        fields = ["product", "quantity", "address"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # The cheapest stands first, and so is chosen until somebody chooses another.
        self.fields["product"].queryset = Product.objects.order_by("price")
        self.fields["product"].empty_label = None
        self.fields["product"].label_from_instance = lambda product: (
            f"{product.name} ({product.price}, {product.stock} in stock)"
        )
