"""The address of the service leads to the console; where this cannot be, it says what would bring it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from occasion.service import create_app
from occasion.service.beside import add_console, has_console
from occasion.settings import Settings


@pytest.mark.parametrize(("given", "cure"), [({"console": False}, "console = true"), ({"workers": 2}, "`occasion console`")])
@pytest.mark.parametrize("path", ["/", "/console", "/console/moment"])
def test_its_address_tells_why_it_is_not_there(tmp_path, given, cure, path):
    settings = Settings(home=tmp_path, **given)
    app = create_app(settings, warm=False)
    add_console(app, settings)
    assert not has_console(settings)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert cure in answer.text


def test_the_address_of_the_service_leads_to_the_console(tmp_path):
    settings = Settings(home=tmp_path)
    app = create_app(settings, warm=False)
    add_console(app, settings)
    assert has_console(settings)
    # Without starting the application: the console's start looks at all objects there are, and some packages' warn when looked at.
    answer = TestClient(app, base_url="http://127.0.0.1").get("/", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "console"
    assert "/" not in app.openapi()["paths"]
