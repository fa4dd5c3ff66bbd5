"""Where a gateway serves the function, and what is checked before Mangum reads an event."""

import pytest

from model.serving.gateways import UnreadableEventError, check_http_event, set_root_path

API = "abcde12345.execute-api.eu-west-1.amazonaws.com"
CUSTOM = "api.example.com"


def find_root(
    path: str,
    *,
    request_context: dict[str, object],
    base_path: str = "",
    version: str | None = "2.0",
) -> tuple[str, str]:
    """Root path and whole path that the application is told."""
    event = {"requestContext": request_context, "resource": "/{proxy+}"}
    if version is not None:
        event["version"] = version
    scope = {"path": path, "root_path": "", "aws.event": event}
    set_root_path(scope, base_path=base_path)
    return str(scope["root_path"]), str(scope["path"])


@pytest.mark.parametrize(
    ("path", "public", "root"),
    [
        ("/docs", "/prod/docs", "/prod"),
        ("/", "/prod/", "/prod"),
        ("/", "/prod", "/prod"),
        ("/", "/", ""),
        ("/v1/predict", "/v1/v1/predict", "/v1"),
        ("/a b", "/prod/a%20b", "/prod"),
        ("/docs", "/docs", ""),
        ("/docs", "/other", ""),
    ],
)
def test_set_root_path_finds_the_stage_when_the_api_is_rest(path: str, public: str, root: str) -> None:
    """A REST API cuts the stage off `path`; `requestContext.path` still has it."""
    found = find_root(path, request_context={"stage": "prod", "path": public}, version=None)
    assert found == (root, root + path)


@pytest.mark.parametrize(
    ("path", "stage", "domain", "root"),
    [
        ("/prod/docs", "prod", API, "/prod"),
        ("/prod/docs", "prod", None, "/prod"),
        ("/v1/v1/predict", "v1", API, "/v1"),
        ("/v1/predict", "v1", CUSTOM, ""),
        ("/docs", "$default", API, ""),
        ("/production/docs", "prod", API, ""),
        ("/docs", None, API, ""),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_set_root_path_finds_the_stage_when_the_api_is_http(
    path: str, stage: str | None, domain: str | None, root: str, version: str
) -> None:
    """An HTTP API leaves the stage in the path, at its own address; a custom domain never has it."""
    request_context: dict[str, object] = {"stage": stage}
    if domain is not None:
        request_context["domainName"] = domain
    assert find_root(path, request_context=request_context, version=version) == (root, path)


def test_set_root_path_asks_for_the_root_when_the_path_is_the_stage_alone() -> None:
    """/prod is answered as /prod/ is."""
    request_context: dict[str, object] = {"stage": "prod", "domainName": API}
    assert find_root("/prod", request_context=request_context) == ("/prod", "/prod/")


@pytest.mark.parametrize("version", [None, "1.0", "2.0"])
def test_set_root_path_takes_the_configured_one_when_the_path_is_below_it(version: str | None) -> None:
    """A mapping's key is in every path; a path without it, at the API's own address, is left alone."""
    behind: dict[str, object] = {"stage": "prod", "path": "/recommender/docs", "domainName": CUSTOM}
    found = find_root("/recommender/docs", request_context=behind, version=version, base_path="/recommender")
    assert found == ("/recommender", "/recommender/docs")
    direct: dict[str, object] = {"stage": "$default", "path": "/docs", "domainName": API}
    assert find_root("/docs", request_context=direct, version=version, base_path="/recommender") == (
        "",
        "/docs",
    )


def test_check_http_event_decodes_the_body_when_it_is_base64() -> None:
    """Both kinds of body arrive as bytes, and a missing one as none."""
    event = {"httpMethod": "POST", "requestContext": {}}
    assert check_http_event(event | {"body": "aMOp", "isBase64Encoded": True})["body"] == "hé".encode()
    assert check_http_event(event | {"body": "hé", "isBase64Encoded": False})["body"] == "hé".encode()
    assert check_http_event(event | {"body": None})["body"] == b""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"body": "{}", "isBase64Encoded": True}, "not the base64"),
        ({"body": "aMO", "isBase64Encoded": True}, "not the base64"),
        ({"body": "é", "isBase64Encoded": True}, "characters"),
        ({"body": "\ud800"}, "characters"),
        ({"body": {"a": 1}}, "not text"),
        ({"httpMethod": None}, "no method"),
        ({"version": "2.0"}, "no method"),
    ],
)
def test_check_http_event_says_what_is_wrong_when_an_event_cannot_be_read(
    change: dict[str, object], complaint: str
) -> None:
    """Mangum would skip the characters that are no base64, and crash at the rest."""
    with pytest.raises(UnreadableEventError, match=complaint):
        check_http_event({"httpMethod": "POST", "requestContext": {}} | change)
