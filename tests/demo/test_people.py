"""The operator's data is the same for a seed, and as valid as real data."""

from __future__ import annotations

import phonenumbers
from stdnum.cn import ric, uscc

from demo import people, places, portfolio

SIZE = 600


def test_the_same_seed_gives_the_same_operator() -> None:
    """Whatever else was made before, and however many there are."""
    later = [portfolio.holding(7, number) for number in (40, 3)]
    assert [portfolio.holding(7, number) for number in (3, 40)] == later[::-1]
    assert portfolio.holding(8, 3) != later[1]


def test_every_id_is_valid_and_belongs_to_one_customer() -> None:
    """Cards carry a check digit, a birth date and a division of that year; credit codes a check digit."""
    customers = [people.customer(1, number) for number in range(SIZE)]
    for customer in customers:
        assert (uscc if customer.kind == "organization" else ric).is_valid(customer.id_number), customer
        if customer.birth is not None:
            assert ric.get_birth_date(customer.id_number) == customer.birth
    assert len({customer.id_number for customer in customers}) == SIZE
    assert len({customer.mobile for customer in customers}) == SIZE
    assert 0.05 < sum(customer.kind == "organization" for customer in customers) / SIZE < 0.25


def test_every_phone_is_a_chinese_number() -> None:
    """Mobiles and fixed lines."""
    for number in range(SIZE):
        customer = people.customer(2, number)
        for phone in filter(None, [customer.mobile, customer.phone]):
            assert phonenumbers.is_valid_number(phonenumbers.parse(phone, "CN")), phone


def test_addresses_name_existing_divisions() -> None:
    """The code says the district that the words say."""
    known = {division.code: division for division in places.divisions()}
    for number in range(SIZE):
        address = people.customer(3, number).address
        assert (address.province, address.city, address.district) == (
            known[address.code].province,
            known[address.code].city,
            known[address.code].district,
        )
        assert len(address.postcode) == 6


def test_some_names_do_not_fit_into_gbk_and_all_into_gb18030() -> None:
    """As in life: an old system must say what it does with them."""
    names = [people.customer(1, number).name for number in range(4000)]
    assert any(name.encode("gbk", "ignore").decode("gbk") != name for name in names)
    assert all(name.encode("gb18030").decode("gb18030") == name for name in names)


def test_whatever_is_pointed_at_exists() -> None:
    """Accounts, subscriptions, orders and bundles name customers, products and each other; shares add up."""
    codes = {product.code for product in portfolio.CATALOGUE}
    assert all(part in codes for product in portfolio.CATALOGUE for part in product.bundled)
    customers = {people.customer_number(number) for number in range(SIZE)}
    numbers: list[str] = []
    for number in range(SIZE):
        held = portfolio.holding(1, number)
        accounts = {account.number for account in held.accounts}
        for one in held.subscriptions:
            numbers.append(one.number)
            assert {one.owner, one.user, one.payer} <= customers
            assert one.product in codes
            assert {account for account, _ in one.accounts} <= accounts
            assert sum(share for _, share in one.accounts) == 100
        own = {one.id for one in held.subscriptions}
        assert all(line.subscription in own and line.product in codes for order in held.orders for line in order.lines)
    assert len(set(numbers)) == len(numbers)
