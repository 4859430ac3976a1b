from django import forms

from .models import Order


class OrderForm(forms.ModelForm):
    class Meta:
        model = Order
        fields = ["product", "quantity", "address"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["product"].empty_label = None
        self.fields["product"].label_from_instance = lambda product: (
            f"{product.name} ({product.price}, {product.stock} in stock)"
        )
