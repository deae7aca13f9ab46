"""The console: another site than sign-in, which lets people in by OpenID Connect, and hands out access keys."""
