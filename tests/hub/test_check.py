"""`mastercopy check` finds each seeded mistake, that one alone, at its place and with a hint; and nothing in the house as it is shipped."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters import catalogue
from config import rules
from hub import check, cli, rulebook
from routes import route, setup
from schemas import errors

ROUTED = {"billing", "care", "ods"}


def make(home: Path, *systems: str) -> Path:
    """A home with copies of these systems and of their routes."""
    for name in systems:
        shutil.copytree(catalogue.PACKAGED / name, home / "adapters" / name)
    (home / "routes").mkdir(parents=True)
    for name in ROUTED & set(systems):
        shutil.copy(route.PACKAGED / f"{name}.yaml", home / "routes")
    shutil.copy(rules.PACKAGED, home)
    used = ", ".join(f"{name}: {{}}" for name in systems)
    (home / "hub.yaml").write_text(f"systems: {{{used}}}\nroutes: [{', '.join(sorted(ROUTED & set(systems)))}]\n", encoding="utf-8")
    return home


def change(home: Path, file: str, old: str, new: str) -> None:
    """Put `new` where `old` stands first, for all of the file where `old` is "*"; None in place of text removes the file."""
    path = home / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if old == "*":
        path.write_text(new, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@dataclass(frozen=True)
class Seed:
    """A mistake: what is changed, and what must be found. `at` is a text of the line in `found`, "" for a finding on no line."""

    rule: str
    file: str
    old: str
    new: str
    at: str
    field: str
    hint: str
    found: str = ""
    system: str = ""

    @property
    def systems(self) -> tuple[str, ...]:
        """Which systems the home needs."""
        folder = re.match(r"adapters/(\w+)/|routes/(\w+)", self.file)
        return (self.system or (folder and (folder[1] or folder[2])) or "crm",)


CRM, BILLING, CARE, BOSS = "adapters/crm/", "adapters/billing/", "adapters/care/", "adapters/boss/"
MANIFEST, CUSTOMERS, OUT = CRM + "manifest.yaml", CRM + "customers.yaml", CARE + "outbound.yaml"
MAIL = "  mail:\n    over: folder\n    endpoint: {path: out, name: '{name}.json'}\n    format: {kind: json}\n    mapping: outbound.yaml\n"
FEED = "feeds.customers"
FIELDS = "records[0].fields"

SEEDS = [
    # files and hub.yaml
    Seed("MC001", MANIFEST, "limit: 10MB\n", "limit: 10MB\n    limit: 5MB\n", "limit: 5MB", f"{FEED}.limit", "Remove one"),
    Seed("MC001", CUSTOMERS, "  - entity: customer\n", "  - entity: customer\n    key: X\n", "    key: CUST_ID", "records[0].key",
         "Remove one"),
    Seed("MC001", "master.yaml", "account:\n", "account:\n  match: []\n", "match: []\n  rank", "account.match", "Remove one"),
    Seed("MC002", CUSTOMERS, "direction: inbound", "direction: [inbound", "records:", "", "Mend the line"),
    Seed("MC002", "routes/care.yaml", "mode: latest", "mode: {latest", "batch:", "", "Mend the line"),
    Seed("MC011", "hub.yaml", "crm: {}", "crm: {}, bos: {}", "bos", "systems.bos", "'boss'"),
    Seed("MC012", "hub.yaml", "routes: []", "routes: [caer]", "caer", "routes[0]", "'care'"),
    Seed("MC013", "hub.yaml", "crm: {}", "crm: {feeds: {custmers: {limit: 1MB}}}", "custmers", "systems.crm.feeds.custmers", "'customers'"),
    Seed("MC014", "hub.yaml", "routes:", "route:", "route:", "route", "systems, routes"),
    Seed("MC014", "hub.yaml", "systems: {crm: {}}", "systems: crm", "systems: crm", "systems", "NAME"),
    Seed("MC014", "hub.yaml", "routes: [care]", "routes: [care, 7]", "routes:", "routes[1]", "NAME", system="care"),
    Seed("MC014", "hub.yaml", "crm: {}", "crm: 7", "systems:", "systems.crm", "NAME"),
    Seed("MC015", "adapters/shop/manifest.yaml", "*", "system: shop\n", "system: shop", "", "hub.yaml", system="crm"),
    # manifests, formats, schemas
    Seed("MC101", MANIFEST, "limit:", "limits:", "limits:", f"{FEED}.limits", "'limit'"),
    Seed("MC101", BILLING + "manifest.yaml", "interval: 30s", "intervall: 30s", "intervall", "feeds.accounts.endpoint.intervall",
         "'interval'"),
    Seed("MC101", BILLING + "manifest.yaml", "encoding: gb18030", "encodng: gb18030", "encodng", "feeds.accounts.format.encodng",
         "'encoding'"),
    Seed("MC101", "hub.yaml", "crm: {}", "crm: {feeds: {customers: {limt: 1MB}}}", "limt", "systems.crm.feeds.customers.limt", "'limit'"),
    Seed("MC102", MANIFEST, "    mapping: customers.yaml\n", "", "  customers:", FEED, "Add mapping:"),
    Seed("MC102", BILLING + "manifest.yaml", "      columns: [ACCT_ID", "      blank: skip #", "format:", "feeds.accounts.format",
         "columns:"),
    Seed("MC103", MANIFEST, "limit: 10MB", "limit: ten", "ten", f"{FEED}.limit", "10MB"),
    Seed("MC103", CARE + "manifest.yaml", "timeout: 10s", "timeout: 10", "timeout: 10", "sinks.webhook.endpoint.timeout", "5s"),
    Seed("MC103", "routes/care.yaml", "first: 2s", "first: soon", "soon", "retry.first", "5s"),
    Seed("MC104", CARE + "manifest.yaml", "env:CARE_WEBHOOK_SECRET", "hunter2", "hunter2", "sinks.webhook.endpoint.secret", "env:"),
    Seed("MC104", "hub.yaml", "care: {}", "care: {sinks: {webhook: {endpoint: {secret: hunter2}}}}", "hunter2",
         "systems.care.sinks.webhook.endpoint.secret",
         "env:", system="care"),
    Seed("MC105", MANIFEST, "mapping: customers.yaml", "mapping: custmers.yaml", "custmers", f"{FEED}.mapping", "'customers.yaml'"),
    Seed("MC105", MANIFEST, "schema: customer.schema.json", "schema: customer.json", "customer.json", f"{FEED}.schema",
         "customer.schema.json"),
    Seed("MC105", BOSS + "manifest.yaml", "xsd: instances.xsd", "xsd: instance.xsd", "instance.xsd", "feeds.instances.format.xsd",
         "instances.xsd"),
    Seed("MC106", MANIFEST, "system: crm", "system: crn", "crn", "system", "Rename it to crm"),
    Seed("MC106", "routes/care.yaml", "route: care", "route: car", "route: car", "route", "Rename it to care"),
    Seed("MC107", BILLING + "manifest.yaml", "ACCT_NAME, PAY", "ACCT_ID, PAY", "columns: [ACCT_ID", "feeds.accounts.format.columns[2]",
         "Rename"),
    Seed("MC108", CRM + "customer.schema.json", '"type": "object",', '"type": "object"', '"properties"', "", "Mend"),
    Seed("MC109", CRM + "customer.schema.json", '"type": "object"', '"type": "objekt"', "", "type", "2020-12"),
    Seed("MC110", BOSS + "instances.xsd", "</xs:schema>", "", "instances.xsd", "feeds.instances.format.xsd", "Mend",
         found=BOSS + "manifest.yaml"),
    Seed("MC111", BILLING + "manifest.yaml", "encoding: gb18030", "encoding: gb1830", "gb1830", "feeds.accounts.format.encoding",
         "'gb18030'"),
    Seed("MC112", BILLING + "manifest.yaml", "column: BALANCE", "column: BALANZE", "BALANZE", "feeds.accounts.control.column", "'BALANCE'"),
    Seed("MC113", MANIFEST, "over: http", "over: htp", "over: htp", f"{FEED}.over", "'http'"),
    Seed("MC113", CARE + "manifest.yaml", "https://", "http://", "http://", "sinks.webhook.endpoint.url", "allow_loopback"),
    Seed("MC121", CRM + "README.md", "", "-", "", "", "whom to call"),
    Seed("MC122", MANIFEST, ", zh: 客户关系管理", "", "name:", "name", "zh"),
    Seed("MC123", MANIFEST, ", contact: crm-ops@example.cn", "", "owner:", "owner", "contact"),
    Seed("MC124", CRM + "tables/old.csv", "*", "theirs,ours\n", "", "", "remove it"),
    # mappings and code tables
    Seed("MC201", CUSTOMERS, "required: true", "requird: true", "requird", f"{FIELDS}.name.requird", "'required'"),
    Seed("MC202", CUSTOMERS, "    key: CUST_ID\n", "", "entity: customer", "records[0]", "Add key:"),
    Seed("MC203", CUSTOMERS, "do: [msisdn]", "do: [msisd]", "msisd]", f"{FIELDS}.contactMedium[0].value.do[0]", "'msisdn'"),
    Seed("MC204", CUSTOMERS, "date: yyyyMMdd}", "date: 7}", "date: 7", f"{FIELDS}.birthDate.do[0]", ""),
    Seed("MC205", CUSTOMERS, "birthDate:", "birthdate:", "birthdate:", f"{FIELDS}.birthdate", "'birthDate'"),
    Seed("MC206", CUSTOMERS, "entity: customer", "entity: custmer", "custmer", "records[0].entity", "'customer'"),
    Seed("MC207", CUSTOMERS, "table: cert_type", "table: cert_typ", "table: cert_typ}", f"{FIELDS}.identification[0].fields.type.table",
         "'cert_type'"),
    Seed("MC208", CRM + "tables/cert_type.csv", "theirs,ours", "ours,theirs", "ours,theirs", "", "theirs,ours"),
    Seed("MC209", CRM + "tables/cert_type.csv", "theirs,ours\n", "theirs,ours\n01,other\n", "01,nationalId", "", "Remove one"),
    Seed("MC210", CRM + "tables/cert_type.csv", "theirs,ours\n", "theirs,ours\n77\n", "77", "", "theirs,ours"),
    Seed("MC211", CRM + "tables/cert_type.csv", "passport", "pasport", "pasport", "", "'passport'"),
    Seed("MC211", CUSTOMERS, "const: mobile", "const: mobil", "const: mobil}", f"{FIELDS}.contactMedium[0].type.const", "'mobile'"),
    Seed("MC211", CUSTOMERS, "table: customer_kind}", "table: customer_kind, default: person}", "default: person",
         f"{FIELDS}.kind.default", "individual"),
    Seed("MC212", CUSTOMERS, 'row.OP_TYPE == "D"', 'row.OP_TYPE === "D"', "===", "records[0].delete", "CEL"),
    Seed("MC212", CUSTOMERS, 'row.OP_TYPE == "D"', 'rwo.OP_TYPE == "D"', "rwo", "records[0].delete", "'row'"),
    Seed("MC213", CRM + "accounts.yaml", "{ref: CUST_ID}", "CUST_ID", "customer: CUST_ID", f"{FIELDS}.customer", "ref: PATH"),
    Seed("MC214", CUSTOMERS, "      customerNo: CUST_ID\n", "", "fields:", FIELDS, "Add customerNo"),
    Seed("MC215", CUSTOMERS, "branch: {from: BRANCH_NAME", "branch: {from: 'BRANCH[[NAME'", "BRANCH[[", f"{FIELDS}.branch.from",
         "CUST.NAME"),
    Seed("MC216", CUSTOMERS, "street: {from: STREET, do: [name]}", "street: {from: STREET, call: own:street}", "own:street",
         f"{FIELDS}.address.street.call", ""),
    Seed("MC217", CUSTOMERS, "city: CITY", "city: {from: CITY, const: X}", "const: X", f"{FIELDS}.address.city.const", ""),
    Seed("MC221", BILLING + "accounts.yaml", "ACCT_NAME", "ACCT_NAM", "ACCT_NAM", f"{FIELDS}.name", "'ACCT_NAME'"),
    Seed("MC222", CUSTOMERS, "postcode: POSTCODE", "postcode: {first: [POSTCODE, POSTCOD]}", "POSTCOD]",
         f"{FIELDS}.address.postcode.first[1]", "'POSTCODE'"),
    Seed("MC223", BILLING + "outbound.yaml", "      CUST_NAME:", "      CUST_NAM:", "CUST_NAM:", f"{FIELDS}.CUST_NAM", "'CUST_NAME'"),
    Seed("MC224", OUT, "        name: state.name", "        name: {first: [state.name, state.nmae]}", "nmae",
         f"{FIELDS}.customer.name.first[1]", "'name'"),
    Seed("MC224", OUT, "eventId: id", "eventId: {first: [id, ids]}", "ids", f"{FIELDS}.eventId.first[1]", "'id'"),
    Seed("MC225", CARE + "outbound.yaml", "*",
         "mapping: m\ndirection: inbound\nrecords:\n  - {entity: product, key: K, fields: {code: K, name: N}}\n", "mapping: outbound",
         "sinks.webhook.mapping", "", found=CARE + "manifest.yaml"),
    # routes
    Seed("MC301", "routes/care.yaml", "to: care/webhook", "to: care/webhok", "to:", "to", "'care/webhook'"),
    Seed("MC302", "routes/care.yaml", "[customer, subscription, order]", "[customer, subscribtion, order]", "entities", "entities[1]",
         "'subscription'"),
    Seed("MC303", "routes/care.yaml", "[serviceNumber,", "[serviceNumbr,", "serviceNumbr", "fields.subscription[0]", "'serviceNumber'"),
    Seed("MC304", "routes/care.yaml", 'new.status != "terminated"', 'new.status <> "terminated"', "<>", "filter.subscription", "CEL"),
    Seed("MC311", "routes/old.yaml", "*", "route: old\nto: care/webhook\nentities: [customer]\n", "route: old", "", "hub.yaml",
         system="care"),
    Seed("MC312", CARE + "manifest.yaml", "sinks:\n", "sinks:\n" + MAIL, "mail:", "sinks.mail", "Switch a route on"),
    Seed("MC313", "routes/care.yaml", "subscription, order]", "subscription, order, product]", "entities", "entities[3]", "entities:"),
    Seed("MC314", "routes/care.yaml", "new.status !=", "new.stauts !=", "stauts", "filter.subscription", "'status'"),
    Seed("MC315", "routes/care.yaml", "subscription, order]", "subscription]", "  order:", "filter.order", "entities:"),
    # the master copy
    Seed("MC401", "master.yaml", "order:\n  match: [orderNo]\n  rank: [crm, ", "order:\n  match: [orderNo]\n  rank: [", "entity: order",
         "records[0].entity",
         "Add crm", found=CRM + "orders.yaml"),
    Seed("MC402", "master.yaml", "rank: [crm, boss,", "rank: [crm, bos,", "bos,", "customer.rank[1]", "'boss'"),
    Seed("MC403", "master.yaml", "match: [orderNo]", "match: [orderNr]", "orderNr", "order.match[0]", "'orderNo'"),
    Seed("MC404", "master.yaml", "match: [code]", "match: code", "match: code", "product.match", "match: [...]"),
    # samples
    Seed("MC501", CRM + "samples/customers/alone.in.json", "*", "{}", "", "", ".out.json"),
    Seed("MC501", CRM + "samples/customers/alone.out.json", "*", "[]", "", "", ".in"),
    Seed("MC502", CRM + "samples/customers/person.out.json", "浙江分公司", "江苏分公司", "", "", "mastercopy test",
         found=CRM + "samples/customers/person.in.json"),
    Seed("MC502", CRM + "samples/customers/person.out.json", "[", "", "", "", "mastercopy test",
         found=CRM + "samples/customers/person.in.json"),
]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS, ids=[f"{seed.rule}-{number}" for number, seed in enumerate(SEEDS)])
def test_a_seeded_mistake_is_found_alone_with_place_and_hint(seed: Seed, tmp_path: Path) -> None:
    """One mistake, one finding: rule, file, line, field, and a hint that helps."""
    home = make(tmp_path, *seed.systems)
    if seed.new == "-":
        (home / seed.file).unlink()
    else:
        change(home, seed.file, seed.old, seed.new)
    found = check.check(home)
    assert [finding.rule for finding in found] == [seed.rule], "\n".join(map(str, found))
    (finding,) = found
    assert finding.file == (seed.found or seed.file)
    assert finding.field == seed.field
    assert finding.line == line_of(home / finding.file, seed.at)
    assert seed.hint in finding.hint
    assert finding.message


def test_a_rule_that_no_sample_covers_is_found(tmp_path: Path) -> None:
    """Without the sample of a delete, nothing shows that deletes work."""
    home = make(tmp_path, "crm")
    for part in ("in", "out"):
        (home / CRM / f"samples/customers/delete.{part}.json").unlink()
    (finding,) = check.check(home)
    line = line_of(home / CUSTOMERS, "    delete:")
    assert (finding.rule, finding.file, finding.line, finding.field) == ("MC503", CUSTOMERS, line, "records[0].delete")


def test_a_reference_to_a_system_that_nobody_knows_is_found(tmp_path: Path) -> None:
    """Even where the samples agree with it."""
    home = make(tmp_path, "crm")
    change(home, CRM + "accounts.yaml", "{ref: CUST_ID}", "{ref: CUST_ID, source: cmr}")
    for file in (home / CRM / "samples/accounts").glob("*.out.json"):
        file.write_text(file.read_text(encoding="utf-8").replace('"source": "crm"', '"source": "cmr"'), encoding="utf-8")
    (finding,) = check.check(home)
    assert (finding.rule, finding.field, finding.hint) == ("MC226", f"{FIELDS}.customer", "Did you mean 'crm'?")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """In one file, in several, and in those that a broken manifest names."""
    home = make(tmp_path, "crm", "care")
    change(home, MANIFEST, "limit: 10MB", "limit: ten")
    change(home, MANIFEST, "    schema: account.schema.json\n", "    schema: account.json\n    chunck: 5\n")
    change(home, CUSTOMERS, "do: [msisdn]", "do: [msisd]")
    change(home, CUSTOMERS, "birthDate:", "birthdate:")
    change(home, CRM + "tables/cert_type.csv", "theirs,ours\n", "theirs,ours\n01,other\n02,other\n")
    change(home, "routes/care.yaml", "mode: latest", "mode: newest")
    change(home, "routes/care.yaml", "[customer, subscription, order]", "[custmer, subscribtion, order]")
    change(home, "master.yaml", "match: [orderNo]", "match: [orderNr]")
    found = [finding.rule for finding in check.check(home)]
    assert sorted(found) == ["MC101", "MC103", "MC105", "MC113", "MC203", "MC205", "MC209", "MC209", "MC302", "MC302", "MC403"]


def test_the_house_as_it_is_shipped_is_clean() -> None:
    """No error and no warning, in any system, mapping, route or sample."""
    assert check.check(None) == []


def test_a_home_with_the_packaged_systems_is_clean(tmp_path: Path) -> None:
    """Copied into an instance, they are as good."""
    assert check.check(make(tmp_path, "billing", "boss", "care", "crm", "ods", "telco")) == []


def test_every_rule_is_seeded_or_told_why_not() -> None:
    """A rule of the book that no test makes speak may have fallen silent."""
    seeded = {seed.rule for seed in SEEDS} | {"MC226", "MC503"}
    assert {rule.id for rule in rulebook.RULES} == seeded
    assert len(seeded) >= 50


def test_every_rule_has_its_sentences() -> None:
    """In both languages, with a reason and a remedy; ids are unique."""
    assert len({rule.id for rule in rulebook.RULES}) == len(rulebook.RULES)
    for rule in rulebook.RULES:
        assert all((rule.en, rule.zh, rule.why, rule.remedy)), rule.id
        assert re.search("[\u4e00-\u9fff]", rule.zh), rule.id


@pytest.mark.parametrize(
    ("old", "new", "code"), [("limit: 10MB", "limit: ten", 3), (", zh: 客户关系管理", "", 1), ("limit: 10MB", "limit: 9MB", 0)]
)
def test_the_exit_code_tells_errors_from_warnings(old: str, new: str, code: int, tmp_path: Path) -> None:
    """3 with errors, 1 with warnings alone, 0 with neither; the JSON says the same."""
    home = make(tmp_path, "crm")
    change(home, MANIFEST, old, new)
    done = CliRunner().invoke(cli.app, ["check", "--home", str(home), "-o", "json"])
    told = json.loads(done.stdout)
    assert done.exit_code == code
    assert (told["errors"] > 0, told["errors"] + told["warnings"] > 0) == (code == 3, code > 0)
    assert set(told["findings"][0]) == {"rule", "level", "file", "line", "field", "message", "hint"} if code else not told["findings"]


def test_people_read_place_sentence_and_hint(tmp_path: Path) -> None:
    """One finding in three lines."""
    home = make(tmp_path, "crm")
    change(home, CUSTOMERS, "do: [msisdn]", "do: [msisd]")
    done = CliRunner().invoke(cli.app, ["check", "--home", str(home)])
    place, sentence, hint = done.stdout.splitlines()
    assert re.fullmatch(r"adapters/crm/customers\.yaml:\d+ records\[0\]\.fields\.contactMedium\[0\]\.value\.do\[0\]", place)
    assert sentence == "  error MC203: there is no function 'msisd'"
    assert hint == "  Did you mean 'msisdn'?"


def test_the_hub_refuses_such_a_home_with_the_same_places(tmp_path: Path) -> None:
    """What check calls an error in a mapping, the hub does not start with, and says whose mapping it is."""
    home = make(tmp_path, "crm")
    change(home, CUSTOMERS, "do: [msisdn]", "do: [msisd]")
    change(home, CUSTOMERS, "birthDate:", "birthdate:")
    with pytest.raises(errors.BadMapping) as caught:
        setup.load(home)
    wanted = [(finding.file.removeprefix("adapters/"), finding.line, finding.field) for finding in check.check(home)]
    assert [(each.place.file, each.place.line, each.place.path) for each in caught.value.all] == wanted


def test_a_home_that_is_none_is_not_found(tmp_path: Path) -> None:
    """4, as for everything that is not there."""
    assert CliRunner().invoke(cli.app, ["check", "--home", str(tmp_path / "nowhere")]).exit_code == 4


def line_of(file: Path, text: str) -> int:
    """The line where a text begins first, 0 for no text."""
    whole = file.read_text(encoding="utf-8") if text else ""
    assert text in whole
    return whole[: whole.index(text)].count("\n") + 1 if text else 0
