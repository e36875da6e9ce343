import pytest

from pipeline.files.redact import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:secret@host.example/a failed", "https://host.example/a failed"),
        ("postgresql://me:secret@host/db, x@y", "postgresql://host/db, x@y"),
        ("'https://ghp_secret@host/a.git'", "'https://host/a.git'"),
        ("http://me:a@secret@host:80/a", "http://host:80/a"),
        ("http://me:a/secret/b@host", "http://host"),
        ("first http://me:secret@a and then ftp://me:secret@b/c", "first http://a and then ftp://b/c"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db"),
        ("404 for url: https://host/a?X-Amz-Signature=secret (attempt 1)", "404 for url: https://host/a (attempt 1)"),
        ("exceeded with url: /a?sig=secret (Caused by x)", "exceeded with url: /a (Caused by x)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    ["models:/segnet-x@champion", "http://host:5000/a@b", "sqlite:////var/x.db", "git@host:a/b.git", "is it? a=b"],
)
def test_what_holds_no_secret_is_shown_as_it_is(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
)
def test_a_secret_of_the_environment_is_named_and_not_shown(name, monkeypatch):
    monkeypatch.setenv(name, "kept-from-all\n")
    assert redact("Invalid header value b'Bearer kept-from-all\\n'") == f"Invalid header value b'Bearer ${name}\\n'"


def test_what_occurs_in_any_text_is_not_a_secret(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a")
    assert redact("a cat") == "a cat"
