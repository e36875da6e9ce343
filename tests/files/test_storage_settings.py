"""What the environment says of object stores; nothing here asks a server."""

import os

import pytest

from pipeline.files import storage
from pipeline.files.storage import Storage, StorageError
from pipeline.files.storage_settings import client_options

ADDRESSES = {"AWS": "s3://bucket/x", "AZURE": "az://container/x", "IDENTITY": "az://container/x", "GOOGLE": "gs://b/x"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "IDENTITY_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT",
        "AWS_METADATA_ENDPOINT",
        "AWS_PROFILE",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_AUTHORITY_HOST",
        "AZURE_MSI_ENDPOINT",
        "IDENTITY_ENDPOINT",
        "GOOGLE_BASE_URL",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ],
)
def test_an_empty_variable_is_as_an_unset_one(name, monkeypatch):
    monkeypatch.setenv(name, "")
    assert client_options(ADDRESSES[name.partition("_")[0]]) == {}
    assert name not in os.environ


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
def test_a_store_is_made_where_its_endpoint_is_empty(name, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv(name, "")
    assert type(Storage("s3://bucket/x")._store).__name__ == "S3Store"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", "localhost:9000", "localhost:9000"),
        ("AWS_ENDPOINT_URL_S3", "127.0.0.1:5991", "127.0.0.1:5991"),
        ("AWS_ENDPOINT", "me:hidden@s3.example", "s3.example"),
        ("AWS_ENDPOINT_URL", "htp://me:hidden@s3.example", "htp://s3.example"),
        ("AWS_ENDPOINT_URL", "http://", "http://"),
        ("AWS_ENDPOINT_URL", "http://host:99999", "http://host:99999"),
        ("AWS_METADATA_ENDPOINT", "169.254.169.254", "169.254.169.254"),
        ("AZURE_STORAGE_ENDPOINT", "localhost:10000", "localhost:10000"),
        ("IDENTITY_ENDPOINT", "localhost:1", "localhost:1"),
        ("GOOGLE_BASE_URL", "localhost:4443", "localhost:4443"),
    ],
)
def test_an_endpoint_that_is_no_address_is_refused_by_its_name(name, value, said, monkeypatch):
    monkeypatch.setenv(name, value)
    place = Storage(ADDRESSES[name.partition("_")[0]])
    expected = (
        rf"^expected {name} to be the address of a server, such as http://.*, got {said}; correct it, or unset it$"
    )
    with pytest.raises(StorageError, match=expected):
        place.names()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
def test_every_name_of_an_endpoint_may_have_a_server_without_tls(name, monkeypatch):
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client_options("s3://bucket/x") == {"allow_http": True}
    assert client_options("az://container/x") == {}
    monkeypatch.setenv(name, "https://127.0.0.1:9")
    assert client_options("s3://bucket/x") == {}


def test_what_obstore_panics_at_is_an_error_without_its_secret(monkeypatch):
    key = '{"gcs_base_url":"","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}'
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", key)
    expected = (
        r"^expected addresses and credentials for the storage in the environment .*, got what obstore fails at: .*; "
    )
    with pytest.raises(StorageError, match=expected) as error:
        Storage("gs://bucket/x").names()
    assert "private_key" not in str(error.value)


def test_an_interrupt_is_no_panic(tmp_path):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Storage(tmp_path.as_uri())._call("read", "a", stop)


def test_an_empty_key_leaves_the_users_profile(tmp_path, monkeypatch):
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    assert Storage("s3://bucket/x")._store.credential_provider()["access_key_id"] == "a"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "c")
    assert storage._aws_profile() == {}  # obstore reads it itself
