"""django-allauth's forms for sign-up, password and login, each with what this site wants besides."""

from allauth.account.forms import LoginForm, SetPasswordForm, SignupForm
from allauth.core import context
from django import forms

from . import metadata, steps
from .passwords import EncryptedPassword


class SubmitAccessCode(SignupForm):
    """SubmitAccessCode: the address, and the code that a CAPTCHA has brought. django-allauth then mails a code of its own."""

    access_code = forms.CharField()

    def clean(self) -> dict:
        cleaned = super().clean()
        if not steps.is_access_code(context.request, self.cleaned_data.get("access_code", ""), self.cleaned_data.get("email", "")):
            raise forms.ValidationError("The access code is wrong or old.", code="access_code")
        return cleaned


class CompleteSignup(SetPasswordForm):
    """CompleteSignup: the address once more, and the password, encrypted. The session gets a new cookie."""

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)
        del self.fields["password2"]
        self.fields["password1"] = EncryptedPassword()
        self.fields["email"] = forms.EmailField()

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].lower()
        if email != self.user.email:
            raise forms.ValidationError("This is another address than the one that was confirmed.")
        return email


class ConsoleSignin(LoginForm):
    """ConsoleSignin: the password, encrypted, after a CAPTCHA for the same address in the same session."""

    metadata1 = forms.CharField()

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)
        self.fields["password"] = EncryptedPassword()

    def clean_metadata1(self) -> str:
        wrong = metadata.check(self.cleaned_data["metadata1"])
        if wrong:
            raise forms.ValidationError(wrong)
        return self.cleaned_data["metadata1"]

    def clean(self) -> dict:
        if not steps.may_sign_in(context.request, self.cleaned_data.get("login", "")):
            raise forms.ValidationError("A CAPTCHA has to be read first.")
        return super().clean()

    def login(self, request, redirect_url=None):
        # One CAPTCHA, one login.
        request.session[steps.CAPTCHA] = False
        return super().login(request, redirect_url=redirect_url)
