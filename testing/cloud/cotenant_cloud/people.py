"""What people and tests ask of a cloud that runs: accounts that exist already, what is on a CAPTCHA, text messages."""

import argparse
import json
import re
import sqlite3
from contextlib import closing

from .internal import ask
from .progress import CloudError
from .state import State


def open_account(state: State, name: str) -> dict:
    """An account with an access key, whose file only its owner may read."""
    if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
        raise CloudError("a name is 1 to 32 small letters, digits and hyphens")
    key = ask(state, "POST", f"/access-keys/{ask(state, 'POST', '/accounts')['account']}")
    file = state.secret_file(state.keys / f"{name}.json", json.dumps(key, indent=2) + "\n")
    return {"account": key["account"], "access_key_id": key["access_key_id"], "file": str(file)}


def account(state: State, arguments: argparse.Namespace) -> dict:
    """The command of that name."""
    return open_account(state, arguments.name)


def captcha(state: State, arguments: argparse.Namespace) -> dict:
    """What a person would read on the image, from the site's database, which only its owner can read."""
    with closing(sqlite3.connect(f"file:{state.site_database}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT response FROM captcha_captchastore WHERE hashkey = ?", (arguments.key,)).fetchone()
    if row is None:
        raise CloudError("there is no such CAPTCHA, or it was used")
    return {"answer": row[0]}


def phone(state: State, arguments: argparse.Namespace) -> dict:
    """The newest message to a number."""
    lines = state.text_messages.read_text().splitlines() if state.text_messages.exists() else []
    for line in reversed(lines):
        number, message = line.split("\t", 1)
        if number == arguments.number:
            return {"message": message}
    raise CloudError("no message to this number")
