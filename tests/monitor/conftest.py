"""One hub serves the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.hub import instance


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[instance.Instance]:
    """A running hub whose only subscriber is at hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARE_WEBHOOK_SECRET", instance.SECRET)
        with instance.running(tmp_path_factory.mktemp("hub") / "home") as found:
            yield found
