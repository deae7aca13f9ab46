"""The sign-up and sign-in site: django-allauth, its OpenID provider and django-simple-captcha, with the steps that a cloud provider puts before them."""
