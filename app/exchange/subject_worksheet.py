"""The worksheet on which a person decides what is withheld: who else is named, and every text there is.

It is handed back with what was decided filled in (`redacting.Decided`). It holds everything, so it is for
whoever decides and for nobody else.
"""

from typing import Any

from app.access.categories import CATEGORIES
from app.exchange import subject_reading
from app.exchange.subject_reading import JsonObject, Serve
from app.exchange.subject_works import EXPORT, EXPORT_END, BeginCopy, EndCopy
from app.exchange.withholding import WITHHELD, chosen_words, said, texts

_NAMES = {
    "contacts": "name",
    "consent": "given_by",
    "advance_care_plan": "signed_by",
    "professional_visit": "name",
}
_HOW = (
    "Fill in `by`: who decided. List under `redactions` what is withheld, each as one of"
    ' {"record": ID, "path": "/body/name"}: what stands there, in every version;'
    ' {"record": ID, "path": ""}: the whole record;'
    ' {"record": ID, "text": WORDS}: these words in that record;'
    ' {"text": WORDS}: these words wherever they stand, in large or small letters; at least three letters.'
    " One or two letters in a record are withheld as whole words: Jo, not Joan."
    ' With "elsewhere": "withhold" or "leave" for what stands in other places, too. In its place stands'
    f" {WITHHELD}. Then: caretrail residents export --resident ID --out FILE.zip --redactions THIS_FILE."
    " Files that are not plain text are not searched: read them, and withhold a whole one with the path"
    " /body/content_base64."
)


async def worksheet(serve: Serve, resident_id: str) -> JsonObject:
    """Return the worksheet for a resident.

    Raises:
        VisitRefusedError: There is no such resident.
    """
    begun = await serve(EXPORT, BeginCopy(resident_id, "worksheet of a subject access"))
    items: list[JsonObject] = [begun.answer.payload | {"category": "resident"}]
    items[0]["history"] = await subject_reading.history(serve, resident_id)
    for category in CATEGORIES:
        found = subject_reading.records(serve, resident_id, category)
        items += [_without_bytes(item) async for item in found]
    await serve(EXPORT_END, EndCopy(resident_id, len(items) - 1, whole=True))
    people = [one for item in items for one in _people(item)]
    return {
        "resident": resident_id,
        "by": "",
        "redactions": [],
        "how": _HOW,
        "people": people,
        "texts": [text for item in items for text in _texts(item, people)],
        "documents": [one for item in items if item["category"] == "document" for one in _files(item)],
    }


def _people(item: JsonObject) -> list[JsonObject]:
    name = _NAMES.get(item["category"])
    named = {version["body"][name]: None for version in item.get("versions", ()) if name in version["body"]}
    return [{"name": one, "record": item["id"], "path": f"/body/{name}"} for one in named]


def _texts(item: JsonObject, people: list[JsonObject]) -> list[JsonObject]:
    found: dict[tuple[str, str], JsonObject] = {}
    for where, text in texts(item):
        path = where[where.index("/") :]
        told_there = said(text)
        named = sorted({one["name"] for one in people if chosen_words(one["name"]) & told_there})
        told = {"record": item["id"], "category": item["category"], "path": path, "text": text}
        found[path, text] = told | ({"names": named} if named else {})
    return list(found.values())


def _files(item: JsonObject) -> list[JsonObject]:
    return [
        {
            "record": item["id"],
            "version": version["version"],
            "title": version["body"]["title"],
            "media_type": version["body"]["media_type"],
        }
        for version in item["versions"]
    ]


def _without_bytes(item: JsonObject) -> JsonObject:
    """Return a record without what is no text: the worksheet is held in memory."""
    if item["category"] != "document":
        return item

    def lighter(body: dict[str, Any]) -> dict[str, Any]:
        text = str(body["media_type"]).startswith("text/")
        return body if text else body | {"content_base64": None}

    versions = [version | {"body": lighter(version["body"])} for version in item["versions"]]
    return {name: value for name, value in item.items() if name != "original"} | {"versions": versions}
