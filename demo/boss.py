"""BOSS's own words: product instances as XML messages, some to a message, each with a sequence number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from demo import feeds, people, portfolio

SOURCE = "boss/instances"
XML = "application/xml"
_STATUS = {"active": "100", "suspended": "110", "pending": "130", "terminated": "200"}
_STEPS = 10  # sequence numbers that one turn may use for one instance


def instance(one: portfolio.Subscription, sequence: int, action: str = "ADD") -> str:
    """One Instance element."""
    roles = {"OWNER": one.owner, "USER": one.user, "PAYER": one.payer}
    parties = "".join(f'<Party role="{role}"><CustId>{who}</CustId></Party>' for role, who in roles.items())
    accounts = "".join(f'<Acct share="{share}">{account}</Acct>' for account, share in one.accounts)
    settings = "".join(f"<Attr name={quoteattr(name)}>{escape(value)}</Attr>" for name, value in one.settings)
    return (
        f"<Instance><Kind>PROD</Kind><Action>{action}</Action><Seq>{sequence}</Seq><ProdInst>"
        f"<ProdInstId>{one.id}</ProdInstId><AccNbr>{one.number}</AccNbr><OfferId>{one.product}</OfferId><CustId>{one.owner}</CustId>"
        f"<Status>{_STATUS[one.status]}</Status><EffDate>{one.start}</EffDate><ExpDate>{one.end or '2099-12-31'}</ExpDate>"
        f"<Parties>{parties}</Parties><Accounts>{accounts}</Accounts><Attrs>{settings}</Attrs></ProdInst></Instance>"
    )


def push(instances: Sequence[str], message_id: str | None) -> feeds.Push:
    """A message with these Instance elements."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<InstanceSync>{"".join(instances)}</InstanceSync>\n'
    return feeds.Push(SOURCE, body.encode(), XML, message_id, len(instances))


def pushes(seed: int, count: int, turn: int = 0) -> Iterator[feeds.Push]:
    """All that BOSS sends in a turn: in turn 0 every instance, later three messages without an id for everyone who did not pay.

    Those are suspended, active again, and that once more: a repeat which changes nothing.
    """
    if turn:
        for number in range(count):
            if feeds.interrupted(seed, number, turn):
                yield from _interruption(seed, number, turn)
        return
    everything = (instance(one, 1) for held in feeds.holdings(seed, count) for one in held.subscriptions)
    for place, batch in enumerate(feeds.batched(everything, seed, "instances")):
        yield push(batch, f"boss-{seed}-{place}")


def _interruption(seed: int, number: int, turn: int) -> Iterator[feeds.Push]:
    customer = people.customer(seed, number)
    used = portfolio.subscriptions(seed, number, customer, portfolio.accounts(seed, number, customer))
    one = next((one for one in used if one.status == "active"), None)
    if one is not None:
        suspended = instance(dataclasses.replace(one, status="suspended"), turn * _STEPS + 1, "MOD")
        active = instance(one, turn * _STEPS + 2, "MOD")
        yield from (push([suspended], None), push([active], None), push([active], None))
