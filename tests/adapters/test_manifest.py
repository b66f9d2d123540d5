"""A manifest is parsed into frozen values, and every mistake names its file, line, path and what to do."""

from __future__ import annotations

import dataclasses

import pytest

from adapters import endpoints, manifest
from config import marked
from schemas import errors

GOOD = """\
system: billing
name: {en: Billing, zh: 计费}
owner: {team: Billing operations, contact: billing@example.cn}
feeds:
  accounts:
    over: sftp
    endpoint:
      host: sftp.example.cn
      user: mastercopy
      password: env:BILLING_PASSWORD
      host_key: ssh-ed25519 AAAA
      folder: out
      pattern: "ACC_*.txt"
      interval: 5s
    format: {kind: delimited, delimiter: "|"}
    mapping: inbound.yaml
    control: {kind: ctl, fields: [name, rows, sum], column: BALANCE}
    chunk: 1000
sinks:
  webhook:
    over: http
    endpoint:
      url: https://care.example.cn/hooks
      secret: env:CARE_SECRET
    format: {kind: json}
    mapping: outbound.yaml
"""
FILES = {"inbound.yaml": b"", "outbound.yaml": b"", "customer.xsd": b""}


def parse(text: str, **override: object) -> manifest.Manifest:
    """A manifest text as the one of `billing`."""
    return manifest.parse({**FILES, "manifest.yaml": text.encode()}, "billing", manifest.Override(override, None, ("systems", "billing")))


def test_all_that_is_said_is_kept_and_the_rest_has_defaults() -> None:
    """Durations are seconds, sizes bytes; a file feed's limit is 5 GB; formats stay as they are."""
    feed = parse(GOOD).feeds["accounts"]
    assert isinstance(feed.endpoint, endpoints.SftpIn)
    assert (feed.path, feed.chunk, feed.limit) == ("billing/accounts", 1000, 5_000_000_000)
    assert (feed.endpoint.interval, feed.endpoint.done) == (5.0, "done/")
    assert feed.format == {"kind": "delimited", "delimiter": "|"}
    assert parse(GOOD).title == manifest.Title(en="Billing", zh="计费")
    with pytest.raises(dataclasses.FrozenInstanceError):
        feed.chunk = 1  # type: ignore[misc]


MISTAKES = [
    ("interval: 5s", "intervall: 5s", 14, "feeds.accounts.endpoint.intervall", "'interval'"),
    ("interval: 5s", "interval: 5", 14, "feeds.accounts.endpoint.interval", "5s"),
    ("over: sftp", "over: stfp", 6, "feeds.accounts.over", "'sftp'"),
    ("mapping: inbound.yaml", "mapping: inbuond.yaml", 16, "feeds.accounts.mapping", "'inbound.yaml'"),
    ("password: env:BILLING_PASSWORD", "password: hunter2", 10, "feeds.accounts.endpoint.password", "env:NAME"),
    ("secret: env:CARE_SECRET", "secret: whsec_aHVudGVyMg==", 24, "sinks.webhook.endpoint.secret", "env:NAME"),
    ("url: https://care", "url: https://me:hunter2@care", 23, "sinks.webhook.endpoint.url", "env:NAME"),
    ("url: https://care", "url: http://care", 23, "sinks.webhook.endpoint.url", "allow_loopback"),
    ("      password: env:BILLING_PASSWORD\n", "", 7, "feeds.accounts.endpoint", "key_file"),
    ("      host_key: ssh-ed25519 AAAA\n", "", 7, "feeds.accounts.endpoint", "host_key"),
    ("chunk: 1000", "chunk: 0", 18, "feeds.accounts.chunk", ""),
    ("chunk: 1000", "limit: 5 apples", 18, "feeds.accounts.limit", "10MB"),
    (", column: BALANCE", "", 17, "feeds.accounts.control", "column"),
    ("[name, rows, sum]", "[name, row, sum]", 17, "feeds.accounts.control.fields[1]", "'rows'"),
    ("system: billing", "system: biling", 1, "system", "billing"),
    ("feeds:", "fedes:", 4, "fedes", "'feeds'"),
    ("pattern:", "done: ../../etc\n      pattern:", 13, "feeds.accounts.endpoint.done", "done/"),
    ("  accounts:", "  Accounts!:", 5, "feeds.Accounts!", "letters"),
    ("secret: env:CARE_SECRET", "headers: {X-Api-Key: hunter2}", 24, "sinks.webhook.endpoint.headers.X-Api-Key", "env:NAME"),
    ("secret: env:CARE_SECRET", "allow_private: [10.1.2.3/8]", 24, "sinks.webhook.endpoint.allow_private[0]", "10.20.0.0/16"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "path", "hint"), MISTAKES)
def test_a_mistake_names_its_place_and_what_to_do(right: str, wrong: str, line: int, path: str, hint: str) -> None:
    """File, line, dotted path, and the nearest valid word; a secret in clear is never repeated."""
    with pytest.raises(errors.BadManifest) as caught:
        parse(GOOD.replace(right, wrong))
    found = caught.value
    assert (found.place.file, found.place.path) == ("billing/manifest.yaml", path)
    assert found.place.line == line
    assert hint in found.hint
    assert not [secret for secret in ("hunter2", "aHVudGVyMg") if secret in repr(found) + str(found)]


def test_the_instance_lays_its_values_over_the_manifest() -> None:
    """Nested keys merge; what is not named stays."""
    feed = parse(GOOD, feeds={"accounts": {"endpoint": {"port": 2222}}}).feeds["accounts"]
    assert isinstance(feed.endpoint, endpoints.SftpIn)
    assert (feed.endpoint.port, feed.endpoint.host) == (2222, "sftp.example.cn")


def test_a_mistake_of_the_instance_is_placed_in_its_own_file() -> None:
    """Whoever reads the finding must look into hub.yaml, not into the packaged manifest."""
    text = marked.load("systems:\n  billing:\n    feeds:\n      accounts:\n        endpoint: {prot: 1}\n", "hub.yaml")
    override = manifest.Override(text.data["systems"]["billing"], text, ("systems", "billing"))
    with pytest.raises(errors.BadManifest) as caught:
        manifest.parse({**FILES, "manifest.yaml": GOOD.encode()}, "billing", override)
    assert str(caught.value.place) == "hub.yaml:5 systems.billing.feeds.accounts.endpoint.prot"
    assert "'port'" in caught.value.hint


def test_no_yaml_no_manifest() -> None:
    """What is not YAML, or not there, is the manifest's mistake too."""
    with pytest.raises(errors.BadManifest):
        parse("feeds: [")
    with pytest.raises(errors.BadManifest):
        manifest.parse({}, "billing")
