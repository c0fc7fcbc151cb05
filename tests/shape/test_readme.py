"""The README says what the code does."""

from hashlib import sha256
from pathlib import Path

from app.audit import verify
from app.core.settings_table import settings_table

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_one_of_the_code():
    """Every setting stands in the README with its default and its meaning."""
    table = README.split("settings_table -->\n")[1].split("<!-- /settings -->")[0]

    assert settings_table().strip() == table.strip()


def test_it_never_claims_more_than_a_control_can():
    """The toolkit is answered by a person at the home; no page says otherwise."""
    pages = [*Path(__file__).parents[2].glob("*.md"), *Path(__file__).parents[2].glob("app/**/*.md")]
    assert len(pages) > 10

    assert [] == [p.name for p in pages if "dspt compliant" in p.read_text(encoding="utf-8").lower()]


def test_the_digest_of_the_verifier_is_published():
    """Whoever checks an export can compare their copy of the verifier with the one of this version."""
    assert sha256(Path(verify.__file__).read_bytes()).hexdigest() in README.split()
