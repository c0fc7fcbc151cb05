"""What once ran on somebody's database stays as it ran."""

from hashlib import sha256

from app.storage.schema import MIGRATIONS

EDITED = "a committed revision is never edited: databases were made with it. Add a new one."
DIGESTS = {
    "2026_11_21_01_foundation": "b0ef8f4788e3984b126879de16326dc871f63588404d552e1ead0bb165b1e51f",
    "2026_11_21_02_append_only": "7e3f6e5bc88f07cec5be04f0033454649d5bffe5074c6f98ac90379aeacddd4a",
    "2026_11_21_03_service_role": "2d33fc983a274611abd007db3381ffdbbe23bdb2fd6c43f2ae8c177704ec8974",
    "2026_11_22_01_posting_lists": "d83dcf56bb69fb527b1632ccfc94efe1bad689daac90e65edb5b29064ec7a4d7",
    "2026_11_22_02_tiles": "beb76f1fa45f175d795e7b4817e1e50a3cc24e7d92b52d9f8ab496a351e73889",
    "2026_11_22_03_partitions": "5f4e14b49c3600ca0d2d595ad25f7f7fe0e535ee6d8ce5d78b7f760bb9efa79e",
    "2026_11_22_04_pruning": "9a7bd15804b4c2d6cf92b3c86cd39a223e88b3d8d1709a10de9378e3fc638839",
    "2026_11_22_05_erasures": "6fde28b836983de502c80b1491b1c3b98913422d5f5a4b8cc5406b4c5649485b",
    "2026_11_22_06_jobs": "1c961c5a4569fa66f234c32edb3950ebf541ba8977f6958e1e3ff8996baf7d9e",
    "2026_11_22_07_root_key": "ef116cecbf997aa7c89949f815d9c705a36e701909236200adf4048c62958bd2",
    "2026_11_22_08_retention": "88d1fc067efb421a177aa817457ca808bc4739d516bf0e5347033336f105875d",
    "2026_11_23_01_alerts": "aac21202dfe0b68047a21a5c5f2763527e82d5e2376dbefe394142285fb86df7",
    "2026_11_23_02_detection": "b011a2782ce0b6c44be32b0f8cb1817b0665085c22da2f8f51c14d52db7f7414",
    "2026_11_23_03_webhooks": "b335c62b8813d27aa4756072e1edd3b277844c4cc6da2e30e0f8ce94503584af",
    "2026_11_23_04_incidents": "74e2bd92d187b088e5a06b9eb13ec14ad44e2a1f8b7e4bf71ee192a674fd90fb",
    "2026_11_23_05_containment": "713ff7d714df23b35079f5bc00224290c0e9e9214d2bc1f8df6cb4ed74b1160c",
    "2026_11_23_06_keys": "7faa67bc75fec245af85d374153c16850d761ad942541fd82b0b9488201ffcc0",
    "2026_11_23_07_look_ups": "f25827f73221de23aec7bebefc8179a5339128c4d7b65e7b1d11f42f3f744b86",
    "2026_11_23_08_forgetting": "08f48a3e09627475ed9486f9f9cc0ec28282e113aa5b1efbb1c0cc605cbc0c3c",
}


def test_no_revision_is_edited() -> None:
    """Every revision has the bytes it was committed with; a new one is entered here once."""
    there = {
        path.stem: sha256(path.read_bytes()).hexdigest() for path in (MIGRATIONS / "versions").glob("*.py")
    }

    assert there == DIGESTS, EDITED
