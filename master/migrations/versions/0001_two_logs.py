"""The inbox log, the change log, the golden copy and the readers' progress."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of the first release."""
    for statement in (Path(__file__).parent / "0001_two_logs.sql").read_text("utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """The first release has nothing before it."""
    raise NotImplementedError
