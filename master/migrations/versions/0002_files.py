"""What is known of files: where a chunk stands in its file, when a source last spoke of a key, what is to be done at a file's end."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and the table."""
    for statement in (Path(__file__).parent / "0002_files.sql").read_text("utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """An older program finds its own tables unchanged but for what it does not know."""
    raise NotImplementedError
