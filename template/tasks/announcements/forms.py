from django import forms

from .models import Announcement


class AnnouncementForm(forms.ModelForm):
    class Meta:
        model = Announcement
        fields = ["subject", "text"]
        help_texts = {"text": "Plain text. A greeting with the user's name stands above it."}
