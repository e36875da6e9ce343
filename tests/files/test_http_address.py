import pytest

from pipeline.files.http_address import is_http, shown


@pytest.mark.parametrize("address", ["http://host", "https://host:5000/a?b", "http://[::1]:80", "http://me:pw@host"])
def test_an_address_of_a_server_is_one(address):
    assert is_http(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "host:80",
        "http//host",
        "http:host",
        "https:/host",
        "http://",
        "http://:80",
        "http:///a",
        "http://[::1",
        "http://h:99999",
        "http://h:0",
        "http://h:x",
        "HTTP://host",
        "ftp://host",
        "http://a b",
        "http://host\n",
        " http://h",
    ],
)
def test_anything_else_is_none(address):
    assert not is_http(address)


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("user:pw@mlflow", "mlflow"),
        ("https:user:pw@mlflow:1/a", "mlflow:1/a"),
        ("htp://user:pw@mlflow", "htp://mlflow"),
        ("postgres://user:p/w@host/a", "postgres://host/a"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_user_and_password_are_not_shown(address, without):
    assert shown(address) == without
