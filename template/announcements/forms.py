from uuid import uuid4

from django import forms

from .models import Announcement


class AnnouncementForm(forms.ModelForm):
    # Another one for each form that is shown, so a form that is sent twice can be told.
    token = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)

    class Meta:
        model = Announcement
        fields = ["subject", "text"]
        widgets = {"text": forms.Textarea(attrs={"rows": 6})}
        help_texts = {"text": "Plain text. A greeting with the user's name stands above it."}
