from uuid import uuid4

from django import forms

from .models import ApprovalRequest


class RequestForm(forms.ModelForm):
    # Another one for each form that is shown: by it, a form that is sent twice is known.
    token = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)

    class Meta:
        model = ApprovalRequest
        fields = ["what"]


class DecisionForm(forms.Form):
    """Two buttons, and a reason that a rejection needs."""

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("reject", "Reject")])
    reason = forms.CharField(max_length=500, required=False)

    def clean(self) -> None:
        super().clean()
        data = self.cleaned_data
        if data.get("answer") == "reject" and not data.get("reason"):
            self.add_error("reason", "A rejection needs a reason.")
