"""Accounts of the cloud, as the site knows them."""

from django.conf import settings
from django.db import models


class CloudAccount(models.Model):
    """What a user has told about contact and payment, and the account's number once all of it is there."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    contact = models.JSONField(default=dict)
    # Never the whole number: its last four digits and when it expires.
    card = models.JSONField(default=dict)
    phone_code = models.CharField(max_length=6, blank=True)
    number = models.CharField(max_length=12, blank=True)
