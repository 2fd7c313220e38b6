"""What a person sends from the composer."""

from django import forms

from chat.conversations import LONGEST_PROMPT


class PromptForm(forms.Form):
    """A message and the model to send it to. Whether the model may be called is the domain's to say."""

    prompt = forms.CharField(
        max_length=LONGEST_PROMPT,
        error_messages={
            "required": "Write a message first.",
            "max_length": "The message is longer than %(limit_value)d characters. Shorten or split it.",
        },
    )
    model = forms.CharField(max_length=200, error_messages={"required": "Choose a model first."})

    def sentence(self) -> str:
        """What is wrong, in one sentence: the composer has one line for it."""
        return " ".join(str(error) for errors in self.errors.values() for error in errors)
