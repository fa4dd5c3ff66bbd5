"""The demo page as a response: what it holds, what it allows, and how it is kept."""

import base64
import hashlib
import re

import pytest
from asgi_client import AsgiClient

from model.serving import page
from model.serving.app import build_app
from model.serving.live import LiveService
from model.serving.service import Service
from model.serving.settings import Settings


def hash_of(element: str, html: str) -> str:
    """The CSP hash of the one element of a name, over its text as a browser sees it."""
    [text] = re.findall(rf"<{element}\b[^>]*>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_page_is_one_html_document_when_read(client: AsgiClient) -> None:
    """`GET /` is the page: style and script are in it, nothing is fetched, and it links to the docs."""
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    assert "class RatingPanel" in answer.text
    assert re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', answer.text) == ["docs"]
    assert "@import" not in answer.text


def test_page_allows_its_own_script_and_style_only_when_read(client: AsgiClient) -> None:
    """The policy names the hashes of what is inline, and no origin but its own."""
    answer = client.get("/")
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == hash_of("script", answer.text)
    assert policy["style-src"] == hash_of("style", answer.text)
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in " ".join(policy.values())
    assert re.findall(r"\sstyle=|\son[a-z]+=", answer.text.partition("<script")[0]) == []


def test_page_is_sent_once_when_it_has_not_changed(client: AsgiClient) -> None:
    """With the tag of the last answer there is no body, and the same policy."""
    first = client.get("/")
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert client.get("/", headers={"if-none-match": '"another"'}).status_code == 200


def test_page_has_no_body_when_only_its_head_is_asked_for(client: AsgiClient) -> None:
    """HEAD names the length and sends nothing."""
    answer = client.request("HEAD", "/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(client.get("/").content)


def test_page_links_to_nothing_when_the_docs_are_off(service: Service) -> None:
    """Where `/docs` is switched off, its name is text."""
    app = build_app(LiveService(service), Settings(docs=False))
    text = AsgiClient(app).get("/").text
    assert "<a>API behind the page</a>" in text
    assert 'href="docs"' not in text


def test_page_leaves_the_original_request_alone_when_posted_to(client: AsgiClient) -> None:
    """`POST /` still predicts."""
    answer = client.post("/", {"customer_id": 7, "rating_date": "2005-02-03", "movie_id": 30})
    assert answer.status_code == 200
    assert "predicted_rating" in answer.json()


def test_fill_refuses_a_page_when_the_place_is_missing() -> None:
    """A page without its empty script is a mistake of ours, and is named."""
    with pytest.raises(ValueError, match="has 0 of <script>: expected one"):
        page._fill("<html></html>", "<script>", "content")
