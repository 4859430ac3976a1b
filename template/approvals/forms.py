from django import forms

from .models import ApprovalRequest


class RequestForm(forms.ModelForm):
    class Meta:
        model = ApprovalRequest
        fields = ["what"]


class DecisionForm(forms.Form):
    """Two buttons, and a reason that a rejection needs."""

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("reject", "Reject")])
    reason = forms.CharField(max_length=500, required=False)

    def clean(self) -> None:
        data = super().clean()
        if data.get("answer") == "reject" and not data.get("reason"):
            self.add_error("reason", "A rejection needs a reason.")
